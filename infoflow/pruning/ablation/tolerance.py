"""What a stream may cost: what the caller says, and the defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import shown
from infoflow.pruning.ablation.bench import Floats

#: What of a metric may be lost, relative to its root mean square over the judging samples; chosen
#: on the first half of the nets (examples/pruning/CRITERIA.md).
METRIC_SHARE = 0.015


@dataclass(frozen=True)
class Tolerance:
    """What a stream may cost, as ``tolerance=`` of :func:`infoflow.ablate` takes it.

    Parameters
    ----------
    bits
        How many bits per label, pixel or token may be lost; None takes the default.
    metric
        How much of the metric may be lost. A verdict *prune* then needs proof: the upper end of the
        metric's interval must be below it. None takes 1.5 % of the metric's root mean square over
        samples, and only vetoes: *keep* where more is shown to be lost, *cannot tell* where the
        estimate is above it.
    largest_rise
        How many bits per label a single sample can lose at most, for instance log₂ K where a sample
        that is no longer recognised is guessed among K classes. Verdicts then hold with losses that
        no judging sample shows, and need more samples. None adds one sample that loses as much as
        the worst.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If one of them is not a finite number above 0.

    Examples
    --------
    >>> Tolerance(bits=0.02, metric=0.005)
    Tolerance(bits=0.02, metric=0.005, largest_rise=None)
    """

    bits: float | None = None
    metric: float | None = None
    largest_rise: float | None = None

    def __post_init__(self) -> None:
        """Raise an error where a number is no number above 0."""
        names = {"bits": "tolerance", "metric": "metric", "largest_rise": "largest_rise"}
        for field, name in names.items():
            check_above_0(name, getattr(self, field))

    @classmethod
    def of(cls, given: float | Tolerance | None) -> Tolerance:
        """Return what ``tolerance=`` stands for."""
        return given if isinstance(given, cls) else cls(given)  # type: ignore[arg-type]


def check_above_0(name: str, value: float | None) -> None:
    """Raise an error where a tolerance is no finite number above 0; None is the default."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise ArgumentTypeError(f"{name} must be a number, such as 0.02, got {shown(value)}.")
    if not 0 < value < math.inf:
        raise ArgumentError(f"{name} must be a number greater than 0, got {value}.")


def default_metric_tolerance(value: float, samples: Floats | None) -> float:
    """Return how much of a metric may be lost by default; NaN where its size is not known.

    Parameters
    ----------
    value
        The whole net's metric.
    samples
        (n,) the metric of each judging sample; None for a metric of the net.

    Examples
    --------
    >>> default_metric_tolerance(0.8, None)
    0.012
    >>> default_metric_tolerance(0.0, np.array([-2.0, 2.0]))
    0.03
    """
    known = np.array([value]) if samples is None else samples[~np.isnan(samples)]
    size = float(np.sqrt(np.square(known).mean())) if len(known) else math.nan
    return METRIC_SHARE * size if size > 0 else math.nan
