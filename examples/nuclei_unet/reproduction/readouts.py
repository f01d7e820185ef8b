"""How well a linear read-out of each layer finds the nuclei, untrained and trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import xarray as xr
from common.files import reading, replacing
from data import Nuclei, batches

import infoflow
from infoflow.estimators.linear import Decision
from infoflow.flow.probe_result import ProbeResult
from reproduction.scales import BATCH
from reproduction.training import Trained

#: Pixels of an image that are fitted.
_PIXELS = 64
DECISIONS: Sequence[Decision] = get_args(Decision)


def write_probes(trained: Trained, data: Nuclei, path: Path) -> None:
    """Write Dice and IoU on the validation images by epoch (the first and the last) and decision.

    Left as it is where it is of these epochs already.
    """
    kept = trained.kept()
    epochs = sorted({kept[0], kept[-1]})
    if path.exists() and list(_open(path)["epoch"].values) == epochs:
        return
    found = [
        xr.concat(
            [_probe(trained, data, epoch, decision) for decision in DECISIONS],
            xr.Variable("decision", list(DECISIONS)),
            combine_attrs="drop_conflicts",
        )
        for epoch in epochs
    ]
    joint = xr.concat(found, xr.Variable("epoch", epochs), combine_attrs="drop_conflicts")
    with replacing(path) as part:
        joint.to_netcdf(part, engine="h5netcdf")


def read_probes(path: Path) -> dict[tuple[int, str], ProbeResult]:
    """Return what was found by epoch and decision; nothing where it was not measured."""
    if not path.exists():
        return {}
    stored = _open(path)
    return {
        (int(epoch), str(decision)): ProbeResult(stored.sel(epoch=epoch, decision=decision))
        for epoch in stored["epoch"].values
        for decision in stored["decision"].values
    }


def _probe(trained: Trained, data: Nuclei, epoch: int, decision: Decision) -> xr.Dataset:
    found = infoflow.probe(
        trained.model(epoch),
        batches(data.images, data.masks, BATCH),
        evaluate=batches(data.validation_images, data.validation_masks, BATCH),
        pixels=min(_PIXELS, data.masks[0].numel()),
        decision=decision,
    )
    return found.dataset


def _open(path: Path) -> xr.Dataset:
    with reading(path), xr.open_dataset(path, engine="h5netcdf") as stored:
        return stored.load()
