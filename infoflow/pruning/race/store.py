"""Half-trained nets in files, so that a race that was stopped goes on where it was."""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn


class NetStore:
    """Keeps the weights of each entrant and seed at its last rung.

    Parameters
    ----------
    checkpoint
        The JSON file of the race's numbers; the nets lie in a folder beside it. None keeps nothing.
    """

    def __init__(self, checkpoint: str | Path | None) -> None:
        self._folder = None
        if checkpoint is not None:
            path = Path(checkpoint)
            self._folder = path.with_name(f"{path.stem}.nets")

    def save(self, net: nn.Module, name: str, seed: int, epochs: int) -> None:
        """Write a net's weights, and how long it was trained; the file is whole or not there."""
        if self._folder is None:
            return
        path = self._folder / self._name(name, seed)
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        torch.save({"epochs": epochs, "weights": net.state_dict()}, part)
        part.replace(path)

    def load(self, net: nn.Module, name: str, seed: int) -> int:
        """Read weights into a net, and return how long it was trained; 0 where there are none."""
        path = self._path(name, seed)
        if path is None or not path.is_file():
            return 0
        try:
            held = torch.load(path, map_location="cpu", weights_only=True)
            weights, epochs = held["weights"], int(held["epochs"])
            own = {key: value.shape for key, value in net.state_dict().items()}
            if {key: value.shape for key, value in weights.items()} != own:
                return 0
            net.load_state_dict(weights)
            return epochs
        except Exception:  # a damaged file costs a training, not the race
            return 0

    def drop(self, name: str, seed: int) -> None:
        """Delete a net that is not needed any more."""
        path = self._path(name, seed)
        if path is not None:
            with suppress(OSError):
                path.unlink()
            with suppress(OSError):
                path.parent.rmdir()

    def _path(self, name: str, seed: int) -> Path | None:
        return None if self._folder is None else self._folder / self._name(name, seed)

    def _name(self, name: str, seed: int) -> str:
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", name)[:80]
        return f"{readable}.{zlib.crc32(name.encode()):08x}.seed{seed}.pt"
