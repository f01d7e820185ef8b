"""The measure stage: all layers of a training at its kept epochs, one file for each epoch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import xarray as xr
from common.files import replacing
from data import Nuclei, batches
from run import FixedTarget
from torch import nn

import infoflow
from infoflow.capture.budget import parse_bytes
from infoflow.interface import Labels, SaturationWarning, SingletonWarning
from reproduction.readings import BINS, TARGETS, Kept, SharedBinning, SharedKDE
from reproduction.scales import BATCH, Training
from reproduction.training import Trained

#: How distances are taken; not ``"auto"``, which could mix them within a study.
Distances = Literal["exact", "sketch"]


@dataclass(frozen=True)
class How:
    """How to capture: as :func:`infoflow.analyze` takes it."""

    device: str = "cpu"
    mode: Distances = "exact"
    memory_budget: str = "2GB"

    def __post_init__(self) -> None:
        if self.mode not in get_args(Distances):
            known = " or ".join(get_args(Distances))
            raise ValueError(f"mode must be {known}, got {self.mode!r}.")
        parse_bytes(self.memory_budget)


def make_targets(training: Training, data: Nuclei, clusters: Labels) -> dict[str, Labels]:
    """Return Y by both reductions; the clusters are those of the run's own checkpoint."""
    with _expected_doubts():
        coarse = infoflow.Coarsening().reduce(data.masks)
    return dict(zip(TARGETS, (clusters, coarse), strict=True))


def measure(
    trained: Trained,
    data: Nuclei,
    parts: Path,
    results: Path,
    how: How,
    written: Callable[[], None] = lambda: None,
) -> int:
    """Measure the kept epochs that are not measured yet; return how many those were.

    Each epoch is written for itself, so a stop loses one epoch at most; ``written`` is called
    after each.
    """
    training = trained.training
    labels = trained.checkpoint.labels
    if len(labels.classes) != len(data.images):
        raise ValueError(
            f"{trained.folder} was trained on {len(labels.classes)} images, but the data has "
            f"{len(data.images)}. Give the --data-dir of that training."
        )
    theirs = trained.checkpoint.settings["data_fingerprint"]
    if theirs != data.fingerprint:
        raise ValueError(
            f"{trained.folder} was trained on other data: expected the fingerprint {theirs}, got "
            f"{data.fingerprint}. Give the --data-dir of that training."
        )
    _note_mode(parts, how.mode)
    targets = make_targets(training, data, labels)
    due = trained.kept()
    missing = [epoch for epoch in due if not all(path.exists() for path in _files(parts, epoch))]
    for number, epoch in enumerate(missing, 1):
        model = trained.model(epoch).to(how.device)
        _measure_epoch(model, data, targets, parts, epoch, how, bins=training.is_main)
        written()
        print(f"  {training.name}: epoch {epoch} ({number} of {len(missing)})", flush=True)
    whole = [e for e in training.looks() if all(path.exists() for path in _files(parts, e))]
    if whole:
        _join(parts, whole, results, training.name)
    return len(missing)


def _note_mode(parts: Path, mode: Distances) -> None:
    """Refuse to put exact and sketched measurements of a training together."""
    path = parts / "mode.txt"
    if path.exists() and path.read_text(encoding="utf-8") != mode:
        raise ValueError(
            f"{parts} has measurements of --mode {path.read_text(encoding='utf-8')}, got --mode "
            f"{mode}. Go on with that one, or delete the folder to measure again."
        )
    parts.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_text(mode, encoding="utf-8")


def measured_epochs(results: Path, name: str) -> list[int]:
    """Return the epochs in the joint result of a training."""
    path = results / f"{name}.flow.nc"
    return infoflow.load(path).epochs if path.exists() else []


def _files(parts: Path, epoch: int) -> tuple[Path, Path]:
    return parts / f"{epoch:05d}.readings.nc", parts / f"{epoch:05d}.flow.nc"


def _measure_epoch(
    model: nn.Module,
    data: Nuclei,
    targets: Mapping[str, Labels],
    parts: Path,
    epoch: int,
    how: How,
    *,
    bins: bool,
) -> None:
    """Write both files of an epoch: three captures, and one where binning is not wanted."""
    loader = batches(data.images, data.masks, BATCH)
    kept = Kept()
    given = {"target": FixedTarget(targets[TARGETS[0]]), "memory_budget": how.memory_budget}
    with _expected_doubts():
        shared = SharedKDE(1.0, targets=targets, kept=kept)
        result = infoflow.analyze(model, loader, estimator=shared, distances=how.mode, **given)
        for size in BINS if bins else ():
            binning = SharedBinning(size, targets=targets, kept=kept)
            infoflow.analyze(model, loader, estimator=binning, **given)
    readings, flow = _files(parts, epoch)
    _write(_table(kept, epoch), readings)
    dataset = result.dataset.assign_coords(epoch=[epoch])
    infoflow.FlowResult(dataset, result.graph).save(flow)


@contextmanager
def _expected_doubts() -> Iterator[None]:
    """Silence what the results say in fields of their own: saturation, and classes of one image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SaturationWarning)
        warnings.simplefilter("ignore", SingletonWarning)
        yield


def _table(kept: Kept, epoch: int) -> xr.Dataset:
    """Return the estimates in bits by setting, epoch and layer."""
    names = ("ixm", "iym", "iym_null_high")
    rows = {
        setting: [each.to("bits") for each in estimates]
        for setting, estimates in kept.estimates.items()
    }
    dimensions = ("setting", "epoch", "layer")
    values = {
        name: (
            dimensions,
            np.array([[[getattr(e, name) for e in row]] for row in rows.values()], np.float32),
            {"units": "bits"},
        )
        for name in names
    }
    ceilings = np.array([[row[0].iym_ceiling] for row in rows.values()], np.float32)
    return xr.Dataset(
        {**values, "iym_ceiling": (dimensions[:2], ceilings, {"units": "bits"})},
        {"setting": list(rows), "epoch": [epoch], "layer": range(len(next(iter(rows.values()))))},
    )


def _write(dataset: xr.Dataset, path: Path) -> None:
    packed = {str(name): {"zlib": True} for name in dataset.data_vars}
    with replacing(path) as part:
        dataset.to_netcdf(part, engine="h5netcdf", encoding=packed)


def _join(parts: Path, epochs: list[int], results: Path, name: str) -> None:
    """Write the joint results, the ``flow`` last: it tells that a training is measured."""
    tables, flows = [], []
    for epoch in epochs:
        readings, flow = _files(parts, epoch)
        with xr.open_dataset(readings, engine="h5netcdf") as stored:
            tables.append(stored.load())
        flows.append(infoflow.load(flow))
    _write(xr.concat(tables, "epoch"), results / f"{name}.readings.nc")
    dataset = xr.concat([flow.dataset for flow in flows], "epoch", combine_attrs="override")
    infoflow.FlowResult(_small(dataset), flows[-1].graph).save(results / f"{name}.flow.nc")


def _small(dataset: xr.Dataset) -> xr.Dataset:
    """Keep four bytes of each number, which is more than any estimate is good for."""
    kinds = {
        str(name): np.float32
        for name, values in dataset.data_vars.items()
        if values.dtype == np.float64
    }
    return dataset.assign({name: dataset[name].astype(kind) for name, kind in kinds.items()})
