"""Without the extra ``zoo``, the modules that need its libraries are not searched for doctests."""

from importlib.util import find_spec

NEEDED = {
    "of_monai.py": "monai",
    "of_smp.py": "segmentation_models_pytorch",
    "of_timm.py": "timm",
    "of_transformers.py": "transformers",
    "tiny.py": "transformers",
}
collect_ignore = [file for file, library in NEEDED.items() if find_spec(library) is None]
