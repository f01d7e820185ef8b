"""The committed results as the claims and the figures read them."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import infoflow
from infoflow.flow.probe_result import ProbeResult
from reproduction.entropy import read_entropies
from reproduction.readings import PAPER
from reproduction.readouts import read_probes
from reproduction.scales import PAPER_EPOCHS, paper_clock

#: A layer is at the maximum when it has this share of the largest I(Y;M) of any layer and epoch.
AT_MAXIMUM = 0.95
#: A net with a smaller Dice, of nets that are no longer as they began, predicts no nucleus.
NOTHING = 0.01
#: A learning curve is at its maximum within this share of Model 1's best.
AT_BEST = 0.97

Numbers = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Curve:
    """The learning curves of one training, epoch by epoch; NaN where nothing was measured.

    Attributes
    ----------
    clock
        The paper's epochs with as much learning rate × steps.
    loss, training, validation
        Loss on the training images, and Dice on both sets.
    end
        The clock at which the training ends when it is finished.
    """

    clock: Numbers
    loss: Numbers
    training: Numbers
    validation: Numbers
    end: float

    @property
    def loss_clock(self) -> Numbers:
        """The clock of the losses: in the middle of the epoch of which each is the mean."""
        return self.clock - 0.5 * float(np.diff(self.clock[:2]).sum())

    def smooth(self) -> Numbers:
        """Return the validation Dice as the median of five epochs around each."""
        padded = np.pad(self.validation, 2, mode="edge")
        return np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)

    @property
    def ends_on_plateau(self) -> bool:
        """Whether the last five epochs predict no nucleus, as all trainings do for a while."""
        return bool(np.median(self.validation[-5:]) < NOTHING)

    def never_trained(self) -> Curve:
        """Return the curve of a net that stays as it was at the start."""
        start = (np.full_like(self.clock, row[0]) for row in (self.training, self.validation))
        return Curve(self.clock, np.full_like(self.clock, math.nan), *start, self.end)


@dataclass(frozen=True, eq=False)
class Seed:
    """All that was measured of one seed of one variant.

    Attributes
    ----------
    variant, seed
        Which it is.
    rate
        The paper's epochs in one epoch of these trainings.
    readings
        I(X;M) and I(Y;M) of Model 1 by ``setting``, ``epoch`` and ``layer``.
    curves
        The learning curves by the number of the model.
    flow
        The paper's setting with its nulls, intervals and streams.
    cut
        What ``cut.py`` wrote, or None.
    about
        What was trained.
    entropies
        H(Y) of the clusters in bits, from several starts of K-means.
    probes
        Read-outs of the layers by epoch and decision.
    trained
        The seed of which this one is the control that is never trained, or None.
    """

    variant: str
    seed: int
    rate: float
    readings: xr.Dataset
    curves: dict[int, Curve]
    flow: infoflow.FlowResult | None = None
    cut: dict[str, Any] | None = None
    about: dict[str, Any] | None = None
    entropies: tuple[float, ...] = ()
    probes: Mapping[tuple[int, str], ProbeResult] = field(default_factory=dict)
    trained: Seed | None = None

    @property
    def clock(self) -> Numbers:
        """The measured epochs, as the paper's."""
        return self.readings["epoch"].values * self.rate

    @property
    def settings(self) -> list[str]:
        """The names of the settings."""
        return [str(name) for name in self.readings["setting"].values]

    def read(self, quantity: str = "iym", setting: str = PAPER) -> Numbers:
        """Return a quantity in bits, (epochs, layers)."""
        return self.readings[quantity].sel(setting=setting).values.astype(float)

    def ceiling(self, setting: str = PAPER) -> float:
        """Return min(log N, H(Y)) in bits."""
        return float(self.readings["iym_ceiling"].sel(setting=setting)[0])

    @property
    def reference(self) -> Seed:
        """The seed whose maximum and best Dice count: of a control, the trained one."""
        return self.trained or self

    def maximum(self, setting: str = PAPER) -> float:
        """Return the largest I(Y;M) of any layer at any look."""
        return float(self.reference.read("iym", setting).max())

    def never_trained(self) -> Seed | None:
        """Return the control: this seed as if its net stayed at its first look, untrained.

        None where the untrained net was not measured.
        """
        if self.clock[0] != 0:
            return None
        still = np.zeros(len(self.clock), dtype=int)
        epochs = self.readings["epoch"]
        flow = self.flow and infoflow.FlowResult(
            self.flow.dataset.isel(epoch=still).assign_coords(epoch=self.flow.dataset["epoch"]),
            self.flow.graph,
        )
        return replace(
            self,
            readings=self.readings.isel(epoch=still).assign_coords(epoch=epochs),
            curves={model: curve.never_trained() for model, curve in self.curves.items()},
            flow=flow,
            cut=None,
            trained=self,
        )

    @property
    def has_come(self) -> bool:
        """Whether the looks go to the paper's last epoch."""
        return bool(self.clock[-1] >= PAPER_EPOCHS * 0.99)

    @property
    def until(self) -> Numbers:
        """The rows of the looks up to the paper's last epoch."""
        return np.flatnonzero(self.clock <= PAPER_EPOCHS * 1.001)

    def reached(self, layer: int, setting: str = PAPER) -> float:
        """Return from which clock on a layer has the maximum of I(Y;M); infinity for never.

        Up to the paper's last epoch. A single look below, between two that are not, is no loss.
        """
        values = self.read("iym", setting)[self.until]
        holds = values[:, layer] >= AT_MAXIMUM * self.maximum(setting)
        holds[1:-1] |= holds[:-2] & holds[2:]
        return first_lasting(self.clock[self.until], holds)

    def best(self, model: int) -> float:
        """Return the best validation Dice of a model within the paper's epochs."""
        curve = self.curves[model]
        return float(curve.smooth()[curve.clock <= PAPER_EPOCHS * 1.001].max())

    def caught_up(self, model: int) -> float:
        """Return the clock at which a model's validation Dice first is near Model 1's best."""
        enough = self.curves[model].smooth() >= AT_BEST * self.reference.best(1)
        return float(self.curves[model].clock[enough.argmax()]) if enough.any() else math.inf


def first_lasting(clock: Numbers, holds: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    """Return the clock from which on something holds to the end; infinity where it does not.

    Examples
    --------
    >>> first_lasting(np.array([0.0, 1.0, 2.0]), np.array([True, False, True]))
    2.0
    """
    broken = np.flatnonzero(~holds)
    start = broken[-1] + 1 if len(broken) else 0
    return float(clock[start]) if start < len(clock) else math.inf


def on_paper_clock(seed: Seed) -> infoflow.FlowResult:
    """Return the result with the paper's epochs in the place of its own."""
    assert seed.flow is not None
    clock = [round(float(epoch) * seed.rate) for epoch in seed.flow.epochs]
    # a slow start has looks within one of the paper's epochs, of which the first stays
    rows = sorted({value: row for row, value in reversed(list(enumerate(clock)))}.values())
    dataset = seed.flow.dataset.isel(epoch=rows)
    return infoflow.FlowResult(
        dataset.assign_coords(epoch=[clock[row] for row in rows]), seed.flow.graph
    )


@dataclass(frozen=True, eq=False)
class Study:
    """All seeds of all variants, and Model 1 at another learning rate."""

    seeds: tuple[Seed, ...]
    other_rate: Seed | None = None

    def main(self) -> Seed:
        """Return the seed that the figures show: the paper's net where there is one."""
        return min(self.seeds, key=lambda seed: (seed.variant != "whole", seed.seed))

    def two_rates(self) -> tuple[Seed, Seed] | None:
        """Return the same Model 1 at a larger and at a smaller learning rate, or None."""
        for seed in self.seeds:
            if self.other_rate and _same_net(seed.about, self.other_rate.about):
                small, large = sorted((seed, self.other_rate), key=lambda one: one.rate)
                return large, small
        return None


def load_study(results: Path) -> Study:
    """Read all that is in a folder of results.

    Raises
    ------
    ValueError
        If no training of Model 1 was measured.
    """
    models: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for path in sorted(results.glob("*.training.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        models.setdefault((about["variant"], about["seed"]), []).append(about)
    seeds = [_load_seed(results, group) for group in models.values()]
    found = [seed for seed in seeds if seed is not None]
    if not any(seed.variant != "clock" for seed in found):
        raise ValueError(
            f"{results} must hold the measurements of a Model 1 (*-model1-*.flow.nc), but has "
            "none. Run the stages train and measure first."
        )
    other = next((seed for seed in found if seed.variant == "clock"), None)
    return Study(tuple(seed for seed in found if seed.variant != "clock"), other)


def _load_seed(results: Path, group: list[dict[str, Any]]) -> Seed | None:
    first = min(group, key=lambda about: about["model"])
    name = f"{first['variant']}-model1-seed{first['seed']}"
    if not (results / f"{name}.flow.nc").exists():
        return None
    with xr.open_dataset(results / f"{name}.readings.nc", engine="h5netcdf") as stored:
        readings = stored.load()
    cut = results / f"{name}.cut.json"
    return Seed(
        first["variant"],
        first["seed"],
        paper_clock(first["learning_rate"], first["steps_per_epoch"]),
        readings,
        {about["model"]: _curve(results, about) for about in group},
        infoflow.load(results / f"{name}.flow.nc"),
        json.loads(cut.read_text(encoding="utf-8")) if cut.exists() else None,
        first,
        # the clusters, and so their entropies, are those of all seeds
        read_entropies(results / f"{first['variant']}-model1-seed0.entropy.json"),
        read_probes(results / f"{name}.probes.nc"),
    )


def _curve(results: Path, about: dict[str, Any]) -> Curve:
    name = f"{about['variant']}-model{about['model']}-seed{about['seed']}"
    rate = paper_clock(about["learning_rate"], about["steps_per_epoch"])
    with (results / f"{name}.metrics.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))

    def column(key: str) -> Numbers:
        return np.array([float(row[key]) if row[key] else math.nan for row in rows])

    return Curve(
        column("epoch") * rate,
        column("training_loss"),
        column("training_dice"),
        column("validation_dice"),
        about["epochs"] * rate,
    )


def _same_net(one: dict[str, Any] | None, other: dict[str, Any] | None) -> bool:
    names = ("model", "size", "base_channels", "images", "seed")
    return bool(one and other) and all(one[name] == other[name] for name in names)  # type: ignore[index]
