"""Intervals, metrics and savings as variables of a dataset."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from infoflow.pruning.ablation.accounting import Savings
from infoflow.pruning.ablation.judging import Judged, worst_group
from infoflow.pruning.ablation.metric_loss import GroupLoss

_INTERVAL = {
    "": "rise of the loss",
    "_low": "lower end of the 95 % interval of the rise",
    "_high": "upper end of the 95 % interval of the rise",
    "_robust_low": "lower end that the verdict rests on",
    "_robust_high": "upper end that the verdict rests on",
    "_largest_rise": "largest change of one sample, seen or said by the caller",
}
_FIELDS = ("value", "low", "high", "robust_low", "robust_high", "largest_rise")
METRIC = {
    "metric_loss": "loss of the metric, above 0 where the net is worse",
    "metric_loss_low": "lower end of the 95 % interval of the loss of the metric",
    "metric_loss_high": "upper end of the 95 % interval of the loss of the metric",
    "metric_worst_low": "lower end of what the worst class loses of the metric, corrected for all",
    "metric_worst_high": "upper end of what the worst class loses of the metric, corrected for all",
    "metric_worst_loss": "what the worst class loses of the metric",
    "metric_worst_samples": "judging samples of the worst class",
    "metric_other": "metric of the net without",
}
_SAVINGS = {
    "parameters": ("learned numbers saved", "1"),
    "multiply_adds": ("multiply-adds of one sample saved", "1"),
    "activation_bytes": ("peak memory of one sample's values saved", "B"),
    "time": ("time of a forward pass over that of the whole net", "1"),
}


def described(label: str, units: str = "") -> dict[str, str]:
    """Return the attributes of a variable."""
    return {"long_name": label, **({"units": units} if units else {})}


def interval_variables(dims: Any, rows: Any, unit: str, prefix: str = "bits") -> dict[str, Any]:
    """Return a variable for each field of intervals, which stand in rows of any nesting."""

    def field_of(name: str) -> Callable[[Any], Any]:
        def get(row: Any) -> Any:
            if isinstance(row, list):
                return [get(one) for one in row]
            return math.nan if row is None else getattr(row, name)

        return get

    return {
        f"{prefix}{ending}": (dims, np.array(field_of(name)(rows), float), described(label, unit))
        for (ending, label), name in zip(_INTERVAL.items(), _FIELDS, strict=True)
    }


def metric_numbers(judged: Judged | None) -> tuple[float, ...]:
    """Return the numbers of :data:`METRIC`, in its order."""
    lost = None if judged is None else judged.metric
    if lost is None:
        return (math.nan,) * len(METRIC)
    worst = worst_group(lost) or GroupLoss("", 0, math.nan, math.nan, math.nan)
    of_worst = (worst.low, worst.high, worst.value, float(worst.samples))
    return (lost.value, lost.low, lost.high, *of_worst, lost.other)


def worst_name(judged: Judged | None) -> str:
    """Return the class that surely loses most of the metric; empty where there is none."""
    lost = None if judged is None else judged.metric
    worst = None if lost is None else worst_group(lost)
    return "" if worst is None else worst.name


def savings_variables(dims: str, rows: Sequence[Savings], prefix: str = "") -> dict[str, Any]:
    """Return a variable for each field of savings."""
    return {
        prefix + name: (
            dims,
            np.array([getattr(row, name) for row in rows], float),
            described(label, units),
        )
        for name, (label, units) in _SAVINGS.items()
    }
