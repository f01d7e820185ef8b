"""The committed results as the claims and the figures read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr
from models import SKIPS

import infoflow
from infoflow.flow.probe_result import ProbeResult
from reproduction.curves import LEARNED, Curve, Numbers
from reproduction.readings import PAPER
from reproduction.scales import PAPER_EPOCHS

#: A layer is at the maximum when it has this share of the largest I(Y;M) of any layer and epoch.
AT_MAXIMUM = 0.95

Rows = np.ndarray[Any, np.dtype[np.intp]]


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
    def name(self) -> str:
        """The variant and the seed."""
        return f"{self.variant}, seed {self.seed}"

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

    def paced(self, factor: float) -> Seed:
        """Return this seed by a clock that goes ``factor`` times as fast."""
        curves = {model: curve.paced(factor) for model, curve in self.curves.items()}
        return replace(self, rate=factor * self.rate, curves=curves)

    @property
    def has_come(self) -> bool:
        """Whether the looks go to the paper's last epoch."""
        return bool(self.clock[-1] >= PAPER_EPOCHS * 0.99)

    @property
    def is_complete(self) -> bool:
        """Whether the looks, and the trainings of all four models, go to the paper's last epoch."""
        ended = [model for model, curve in self.curves.items() if curve.has_come]
        return self.has_come and len(ended) == len(SKIPS)

    @property
    def until(self) -> Rows:
        """The rows of the looks up to the paper's last epoch."""
        return np.flatnonzero(self.clock <= PAPER_EPOCHS * 1.001)

    def why_unlearned(self) -> str:
        """Say why nothing can be read off a trained Model 1; empty where it has learned."""
        curve = self.reference.curves.get(1)
        if curve is None or curve.best() >= LEARNED:
            return ""
        return f"Model 1 has not learned to segment{'' if curve.has_come else ' yet'}"

    def reached(self, layer: int, setting: str = PAPER, share: float = AT_MAXIMUM) -> float:
        """Return from which clock on a layer has the maximum of I(Y;M); infinity for never.

        Or a ``share`` of it, up to the paper's last epoch. A single look below, between two that
        are not, is no loss.
        """
        values = self.read("iym", setting)[self.until]
        holds = values[:, layer] >= share * self.maximum(setting)
        holds[1:-1] |= holds[:-2] & holds[2:]
        return first_lasting(self.clock[self.until], holds)


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
    """All seeds of all variants, and Model 1 at other learning rates or precisions."""

    seeds: tuple[Seed, ...]
    controls: tuple[Seed, ...] = ()

    def main(self) -> Seed:
        """Return the seed that the figures show: of those that are complete the paper's net."""
        return min(self.seeds, key=lambda s: (not s.is_complete, s.variant != "whole", s.seed))

    def rates(self) -> tuple[Seed, ...]:
        """Return the same Model 1 at several learning rates, the one of the claims first."""
        for seed in self.seeds:
            others = [other for other in self._controls(seed) if _same(seed, other, "precision")]
            if others:
                return (seed, *sorted(others, key=lambda other: -other.rate))
        return ()

    def repeats(self) -> tuple[Seed, ...]:
        """Return Model 1 of one variant with its seeds and precisions, the first of rates first."""
        for first in self.rates()[:1]:
            seeds = [seed for seed in self.seeds if seed.variant == first.variant]
            others = [
                other for other in self._controls(first) if not _same(first, other, "precision")
            ]
            return (first, *(seed for seed in seeds if seed is not first), *others)
        return ()

    def _controls(self, seed: Seed) -> list[Seed]:
        names = ("model", "size", "base_channels", "images", "seed")
        return [other for other in self.controls if _same(seed, other, *names)]


def _same(one: Seed, other: Seed, *names: str) -> bool:
    """Tell whether two trainings agree in some of their settings; False where one has none."""
    mine, theirs = one.about, other.about
    return bool(mine and theirs) and all(mine.get(name) == theirs.get(name) for name in names)
