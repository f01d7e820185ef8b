"""Whether a layer's estimate exceeds that of a layer before it, and why it may."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import xarray as xr
from torch import Tensor

from infoflow.estimators.jackknife import jackknife_interval

AuditFinding = Literal["holds", "within interval", "noise model", "estimator", "merge"]

_ROUNDING = 1e-9
#: What rounding of float32 values may change of an estimate, in bits or nats.
_FLOAT32 = 1e-5
_QUANTILE = 1.96


@dataclass(frozen=True)
class LayerNumbers:
    """What is known of one layer's estimate, in the result's unit.

    Parameters
    ----------
    value, low, high
        The estimate, and the ends of its 95 % interval.
    lower, upper
        Its bounds.
    replicates
        The estimates without each group of samples, (groups,) float64; empty where not known.
    error
        The error that sketched distances add to it.
    """

    value: float
    low: float
    high: float
    lower: float
    upper: float
    replicates: Tensor
    error: float = 0.0


def layer_numbers(
    moment: xr.Dataset, layers: Sequence[str], quantity: str
) -> dict[str, LayerNumbers]:
    """Return the numbers of each layer at one epoch; draws have a standard error for an interval.

    Parameters
    ----------
    moment
        The dataset of a :class:`infoflow.FlowResult`, at one epoch.
    layers
        Names of the measured layers, in their order there.
    quantity
        ``"ixm"`` or ``"iym"``.
    """
    ends = ("", "_ci_low", "_ci_high", "_lower", "_upper")
    columns = [moment[f"{quantity}{end}"].values.tolist() for end in ends]
    spreads = _errors(moment, f"{quantity}_standard_error", layers)
    errors = _errors(moment, f"{quantity}_sketch_error", layers)
    replicates = _replicates(moment, layers, quantity)
    found = {}
    for row, (name, numbers) in enumerate(zip(layers, zip(*columns, strict=True), strict=True)):
        value, low, high, lower, upper = numbers
        if math.isnan(low):
            reach = _QUANTILE * spreads[row]
            low, high = value - reach, value + reach
        found[name] = LayerNumbers(value, low, high, lower, upper, replicates[row], errors[row])
    return found


def _errors(moment: xr.Dataset, name: str, layers: Sequence[str]) -> list[float]:
    """Return an error of each layer, 0 where none is known."""
    if name not in moment:
        return [0.0] * len(layers)
    return [0.0 if math.isnan(error) else error for error in moment[name].values.tolist()]


def _replicates(moment: xr.Dataset, layers: Sequence[str], quantity: str) -> list[Tensor]:
    """Return the replicates of each layer; older files and random draws have none."""
    name = f"{quantity}_replicates"
    if name not in moment:
        return [torch.empty(0, dtype=torch.float64, device="cpu")] * len(layers)
    rows = torch.from_numpy(moment[name].transpose("layer", "group").values).to(torch.float64)
    return [row[row.isfinite()] for row in rows]


def finding_of(early: LayerNumbers, late: LayerNumbers, is_propagated: bool) -> AuditFinding:
    """Return what the estimates of a dominator and of a layer after it say of the inequality."""
    if late.value <= early.value + _ROUNDING:
        return "holds"
    if _may_be_none(early, late):
        return "within interval"
    is_agreed = late.lower >= early.lower - _ROUNDING and late.upper >= early.upper - _ROUNDING
    return "noise model" if is_agreed and not is_propagated else "estimator"


def _may_be_none(early: LayerNumbers, late: LayerNumbers) -> bool:
    """Tell whether the 95 % interval of a rise holds 0.

    Both layers leave out the same groups of samples, so the differences of their replicates give
    the interval of the rise itself; the errors of sketches and of rounding, which no replicate
    shows, widen it. Without replicates, the two intervals may not overlap.
    """
    before, after = early.replicates, late.replicates
    if len(before) < 2 or len(before) != len(after):
        return late.low <= early.high
    unseen = math.hypot(early.error, late.error) + _FLOAT32
    return jackknife_interval(late.value - early.value, after - before).low <= unseen
