"""What a run was made with."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

_LIBRARIES = (
    *("torch", "torchvision", "timm", "segmentation-models-pytorch", "monai", "transformers"),
    "infoflow",
)


def header() -> dict[str, Any]:
    """Return date, seed, machine and versions."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "seed": 0,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, CPU only, 1 thread",
        "python": platform.python_version(),
        "versions": {library: version(library) for library in _LIBRARIES},
    }
