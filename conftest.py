"""Modules for libraries that are not installed are left out of the doctests."""

from importlib.util import find_spec

LIBRARIES = {"lightning": "lightning", "transformers": "transformers", "ignite": "ignite"}

collect_ignore = [
    f"infoflow/integrations/{module}.py"
    for module, library in LIBRARIES.items()
    if find_spec(library) is None
]
