"""Where a run stands: written whole or not at all, and what a resumed run must agree with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from common.files import replacing
from torch import Tensor

import infoflow
from infoflow.interface import InfoflowError, Labels

Plain = Mapping[str, str | int | float]


class RunError(InfoflowError, ValueError):
    """A folder holds another run than the one asked for, or not all of it."""


class DivergedError(RunError):
    """The loss or the output of a training is no longer a number."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that is needed to go on after an epoch; SGD without momentum has no state of its own.

    Attributes
    ----------
    epoch
        Epochs of training behind ``model``.
    model
        The model's state_dict, on the CPU.
    labels
        Y: K-means is run once a training, so that a resumed one has the very same classes.
    settings
        What decides the numbers; a run is resumed with the same only.
    environment
        What may change their rounding, which training lets grow.
    """

    epoch: int
    model: dict[str, Tensor]
    labels: Labels
    settings: Plain
    environment: Plain

    def save(self, path: Path) -> None:
        """Write the checkpoint; the one before stays until this one is on the disk."""
        with replacing(path) as part, part.open("wb") as stream:
            torch.save({**vars(self), "labels": asdict(self.labels)}, stream)
            stream.flush()
            os.fsync(stream.fileno())

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a checkpoint, running no code from it; a RunError where it is none."""
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            return cls(**{**content, "labels": Labels(**content["labels"])})
        except Exception as error:
            raise RunError(
                f"{path} cannot be read as a checkpoint of this script ({type(error).__name__}). "
                "Put a complete copy in its place, or give another folder."
            ) from error

    def check(self, settings: Plain) -> None:
        """Raise a RunError that names every setting that is not as it was."""
        other = [
            f"{name.replace('_', ' ')} {self.settings.get(name)} (now {value})"
            for name, value in settings.items()
            if self.settings.get(name) != value
        ]
        if other:
            raise RunError(
                f"The checkpoint was made with {', '.join(other)}; a resumed run must have the "
                "settings it was started with. Give the same, or another --out."
            )


def rewind_flow(path: Path, epoch: int) -> None:
    """Drop the measurements later than ``epoch``; a RunError where earlier ones are missing."""
    result = infoflow.load(path)
    kept = [measured for measured in result.epochs if measured <= epoch]
    due = [earlier for earlier in range(epoch + 1) if infoflow.paper_schedule(earlier)]
    if kept != due:
        raise RunError(
            f"{path} must hold the {len(due)} epochs that the paper's schedule has up to {epoch}, "
            f"where the checkpoint is, but holds {len(kept)}. Put the file back, or start again "
            "with another --out."
        )
    infoflow.FlowResult(result.dataset.sel(epoch=kept), result.graph).save(path)
