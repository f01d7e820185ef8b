"""The versions that a result was measured with."""

from __future__ import annotations

import platform
import sys

#: What numbers may depend on.
_PACKAGES = ("infoflow", "torch", "numpy", "scipy", "sklearn")


def versions_now() -> str:
    """Return the versions of what is loaded, in one line.

    Examples
    --------
    >>> versions_now().partition(" ")[0]
    'infoflow'
    """
    loaded = {name: sys.modules.get(name) for name in _PACKAGES}
    known = {name: getattr(module, "__version__", "") for name, module in loaded.items()}
    words = [f"{name} {version}" for name, version in known.items() if version]
    return ", ".join([*words, f"Python {platform.python_version()}"])
