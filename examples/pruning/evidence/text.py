"""Characters of Python's own standard library, and the GPT that is trained on them."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from evidence.digits import seeded
from evidence.entry import Parts, Places, Samples, Sizes, split_held_out
from evidence.gpt import GPT

#: Characters that the net sees before the one that it predicts last.
CONTEXT = 64
#: Line feed and the printable characters of ASCII.
ALPHABET = bytes([10, *range(32, 127)])
#: Every fifth file is held out.
HELD_OUT_EVERY = 5


def library_text(places: Places, sizes: Sizes, seed: int) -> Parts:
    """Return windows of 64 characters and the characters that follow each, (N, 64) both.

    Windows that are trained on and windows that are held out are of different files.
    """
    train = windows(_read(number % HELD_OUT_EVERY != 0, path) for number, path in _files())
    held_out = windows(_read(number % HELD_OUT_EVERY == 0, path) for number, path in _files())
    order = torch.randperm(len(train[0]), generator=torch.Generator().manual_seed(0))
    return split_held_out((train[0][order], train[1][order]), held_out, sizes, seed)


def _files() -> Iterator[tuple[int, Path]]:
    """Yield the library's sources with their numbers, without its tests and what was installed."""
    root = Path(sysconfig.get_paths()["stdlib"])
    skipped = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3"}
    paths = sorted(path.relative_to(root) for path in root.rglob("*.py"))
    kept = [path for path in paths if not skipped & set(path.parts)]
    return enumerate(root / path for path in kept)


def _read(is_wanted: bool, path: Path) -> bytes:
    return path.read_bytes() if is_wanted else b""


def windows(texts: Iterable[bytes]) -> Samples:
    """Cut texts into windows that do not overlap: characters, and each one's successor.

    Bytes outside :data:`ALPHABET` are left out.
    """
    codes = np.full(256, -1, np.int64)
    codes[list(ALPHABET)] = np.arange(len(ALPHABET))
    joined = codes[np.frombuffer(b"".join(texts), np.uint8)]
    known = torch.from_numpy(joined[joined >= 0])
    count = (len(known) - 1) // CONTEXT
    inputs = known[: count * CONTEXT].view(count, CONTEXT)
    targets: Tensor = known[1 : count * CONTEXT + 1].view(count, CONTEXT)
    return inputs, targets


def _gpt() -> nn.Module:
    return GPT(len(ALPHABET), CONTEXT)


build_gpt = seeded(_gpt)
