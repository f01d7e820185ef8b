"""A few small nuclei pictures in the data set's own layout, and the example's modules."""

from __future__ import annotations

import importlib
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
SIDES = [(32, 40), (64, 64), (50, 33), (48, 64), (33, 32), (64, 40), (40, 40), (32, 32)] * 2
HELD_OUT = ["id03", "id07", "id11"]


def import_example(folder: str = "nuclei_unet") -> SimpleNamespace:
    """Import the modules of a folder of ``examples``, and leave their plain names free.

    Those of its packages are attributes: ``.reproduction``, ``.evidence``.
    """
    place = ROOT / "examples" / folder
    if str(place.parent) not in sys.path:
        sys.path.append(str(place.parent))  # for the package that the examples share
    names = [path.stem for path in place.glob("*.py")]
    parts = [
        path.parent if path.stem == "__init__" else path.with_suffix("")
        for package in place.glob("*/__init__.py")
        for path in package.parent.glob("**/*.py")
    ]
    names += sorted(".".join(part.relative_to(place).parts) for part in parts)
    hidden = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(place))
    try:
        return SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(place))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)


def write_folder(data_dir: Path) -> Path:
    """Write ``stage1_train`` with 16 pictures of 3 nuclei each, 3 of them for validation."""
    random = np.random.default_rng(0)
    for number, (width, height) in enumerate(SIDES):
        name = f"id{number:02d}"
        folder = data_dir / "stage1_train" / name
        (folder / "images").mkdir(parents=True)
        (folder / "masks").mkdir()
        pixels = random.integers(0, 60, (height, width, 4), dtype=np.uint8)
        for nucleus in range(3):
            row, column = random.integers(0, height - 9), random.integers(0, width - 9)
            mask = np.zeros((height, width), np.uint8)
            mask[row : row + 8, column : column + 8] = 255
            pixels[mask > 0] += 150
            Image.fromarray(mask).save(folder / "masks" / f"{nucleus}.png")
        Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
    (data_dir / "validation_ids.txt").write_text("\n".join(HELD_OUT) + "\n", encoding="utf-8")
    return data_dir


def write_zip(folder: Path, data_dir: Path) -> Path:
    """Pack what :func:`write_folder` wrote, as the download is packed."""
    data_dir.mkdir(parents=True)
    with zipfile.ZipFile(data_dir / "stage1_train.zip", "w") as archive:
        for path in sorted((folder / "stage1_train").rglob("*.png")):
            archive.write(path, path.relative_to(folder / "stage1_train").as_posix())
    ids = (folder / "validation_ids.txt").read_text(encoding="utf-8")
    (data_dir / "validation_ids.txt").write_text(ids, encoding="utf-8")
    return data_dir
