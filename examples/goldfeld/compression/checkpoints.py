"""Where a training stands: written whole or not at all, and gone on with by the same settings."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from common.files import replacing

from compression.scales import Training

Row = Mapping[str, float]


@dataclass
class Checkpoint:
    """All that is needed to go on after an epoch.

    Parameters
    ----------
    settings
        The training's; a resumed one must have the same.
    epoch
        Epochs that are done; −1 before the first look.
    state
        Weights and optimizer.
    metrics
        A row for each epoch that was looked at.
    """

    settings: dict[str, Any]
    epoch: int = -1
    state: dict[str, Any] = field(default_factory=dict)
    metrics: list[Row] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Write ``checkpoint.pt``; the one before stays until this one is on the disk."""
        with replacing(folder / "checkpoint.pt") as part, part.open("wb") as stream:
            torch.save(vars(self), stream)
            stream.flush()
            os.fsync(stream.fileno())


def find_checkpoint(training: Training, folder: Path) -> Checkpoint:
    """Return where a training stands in its folder; a new one where there is none."""
    path, settings = folder / "checkpoint.pt", asdict(training)
    if not path.exists():
        return Checkpoint(settings)
    found = read_checkpoint(path)
    for name, value in settings.items():
        if found.settings.get(name) != value:
            raise ValueError(
                f"{path} was made with {name.replace('_', ' ')} {found.settings.get(name)}, "
                f"expected {value}. Give the --scale it was started with, or another --out."
            )
    return found


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, running no code from it."""
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as a checkpoint of this study ({type(error).__name__}). Put a "
            "complete copy in its place, or delete the folder to train again."
        ) from error


def weights_path(folder: Path, epoch: int) -> Path:
    """Return where the weights after an epoch are kept."""
    return folder / "weights" / f"epoch{epoch:05d}.pt"


def keep_weights(folder: Path, epoch: int, weights: object) -> None:
    """Write the weights after an epoch."""
    with replacing(weights_path(folder, epoch)) as part:
        torch.save(weights, part)


def read_weights(folder: Path, epoch: int) -> Any:
    """Return the weights after an epoch."""
    path = weights_path(folder, epoch)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as weights of this study ({type(error).__name__}). Delete the "
            f"folder {folder} and run the stage train again."
        ) from error


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write a table with a header; rows may have different columns."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
