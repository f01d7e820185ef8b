"""Where the nuclei data are: a folder or an archive of ``<id>/images`` and ``<id>/masks``."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from infoflow import InfoflowError

_DOWNLOAD = (
    "Download stage1_train.zip from Kaggle (kaggle.com/c/data-science-bowl-2018) or from the Broad "
    "Bioimage Benchmark Collection (bbbc.broadinstitute.org/BBBC038)"
)


class DataError(InfoflowError, ValueError):
    """The nuclei data are missing, incomplete or not in their own layout."""


@dataclass
class Picture:
    """Names of the files of one id."""

    image: str = ""
    masks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Files:
    """The pictures of a folder or an archive by id, and how to read them.

    ``fingerprint`` is made of the names and sizes of the files: the same for an archive and for
    what was unpacked from it.
    """

    pictures: Mapping[str, Picture]
    fingerprint: str
    read: Callable[[str], bytes]

    def open(self, name: str) -> Image.Image:
        """Return a decoded image; a DataError where the file is damaged."""
        try:
            image = Image.open(io.BytesIO(self.read(name)))
            image.load()
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{name} cannot be read as an image ({error}): the copy is damaged. {_DOWNLOAD} "
                "again."
            ) from error
        return image


def find_source(data_dir: str | os.PathLike[str] | None) -> Path:
    """Return the unpacked folder or the archive; a DataError says where it was looked for.

    None stands for the folder that the environment variable INFOFLOW_DATA names.
    """
    named = data_dir or os.environ.get("INFOFLOW_DATA")
    if not named:
        raise DataError(
            "No data folder was named; expected --data-dir or the environment variable "
            f"INFOFLOW_DATA. {_DOWNLOAD}, and name the folder that holds it."
        )
    root = Path(named)
    for folder in (root, root / "nuclei"):
        for name in ("stage1_train", "stage1_train.zip"):
            if (folder / name).exists():
                return folder / name
    raise DataError(
        f"Expected stage1_train.zip or an unpacked stage1_train in {root} or {root / 'nuclei'}, "
        f"found neither. {_DOWNLOAD}, and put it there."
    )


@contextmanager
def opened(source: Path) -> Iterator[Files]:
    """Give the files of what :func:`find_source` found."""
    if source.is_dir():
        sizes = {p.relative_to(source).as_posix(): p.stat().st_size for p in source.rglob("*.png")}
        yield _gather(source, sizes, lambda name: (source / name).read_bytes())
        return
    try:
        archive = zipfile.ZipFile(source)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{source} cannot be read as a zip archive ({error}): the copy is damaged. {_DOWNLOAD} "
            "again."
        ) from error
    with archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        yield _gather(source, sizes, archive.read)


def _gather(source: Path, sizes: Mapping[str, int], read: Callable[[str], bytes]) -> Files:
    """Sort the files by id, below whatever folder they are in."""
    pictures: dict[str, Picture] = {}
    digest = hashlib.sha256()
    for name in sorted(sizes, key=_last_three):
        parts = _last_three(name)
        if len(parts) < 3 or parts[1] not in ("images", "masks") or not name.endswith(".png"):
            continue
        picture = pictures.setdefault(parts[0], Picture())
        if parts[1] == "images":
            picture.image = name
        else:
            picture.masks.append(name)
        digest.update(f"{'/'.join(parts)} {sizes[name]}\n".encode())
    incomplete = [key for key, picture in pictures.items() if not (picture.image and picture.masks)]
    if incomplete or not pictures:
        what = f"{incomplete[0]} lacks its image or its masks" if incomplete else "it has no images"
        raise DataError(
            f"{source} must hold <id>/images/<id>.png and <id>/masks/*.png, but {what}. "
            f"{_DOWNLOAD} again, and unpack all of it."
        )
    return Files(pictures, digest.hexdigest()[:12], read)


def _last_three(name: str) -> list[str]:
    return name.split("/")[-3:]


def validation_ids(source: Path, known: Mapping[str, Picture]) -> set[str]:
    """Read ``validation_ids.txt`` beside ``source``: ids that are held out, one a line."""
    path = source.parent / "validation_ids.txt"
    if not path.is_file():
        raise DataError(
            f"Expected the ids of the validation images, one a line, in {path}, found no such "
            "file. Put the authors' list of 65 ids there, or a list of your own."
        )
    ids = set(path.read_text(encoding="utf-8").split())
    unknown = sorted(ids - set(known))
    if unknown or not 0 < len(ids) < len(known):
        got = f"{unknown[0]}, which is none" if unknown else f"{len(ids)} of {len(known)} ids"
        raise DataError(
            f"{path} must name some of the images beside it, and not all, got {got}. Take the list "
            "that belongs to this data set."
        )
    return ids
