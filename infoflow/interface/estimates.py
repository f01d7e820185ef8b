"""Estimates of information, and the protocols of what makes them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from infoflow.interface.argument_checks import one_of

Unit = Literal["bits", "nats"]

#: I(X;M) is *saturated* above this share of its ceiling: from there on, the number says more about
#: the number of samples than about the layer. I(Y;M) is where its null is above it, too.
SATURATION = 0.95


@dataclass(frozen=True)
class Estimate:
    """What an estimator says of one layer.

    Parameters
    ----------
    ixm, iym
        I(X;M) and I(Y;M). NaN, as by default, for what is not known: ``iym`` without labels,
        ``ixm`` of an estimator that cannot say it.
    ixm_lower, ixm_upper, iym_lower, iym_upper
        Bounds on the same quantities *of the surrogate that* ``kind`` *names*; equal to the value
        where it is exact for the sample.
    ixm_ceiling, iym_ceiling
        log N, and min(log N, H(Y)): no net can exceed them on these samples. For
        :class:`infoflow.Renyi` H(Y) is the Rényi entropy of the classes of its own order.
    samples, singleton_classes
        Number of samples, and of classes of Y that hold only one.
    kind
        What the number is of: deterministic nets have I(X;M) = H(X) or infinity, so it is always of
        a noisy or quantised surrogate.
    unit
        ``"bits"`` or ``"nats"``.
    ixm_ci_low, ixm_ci_high, iym_ci_low, iym_ci_high
        Ends of the 95 % confidence interval of what the estimator would give on average for other
        data sets of N samples: the doubt that comes from the samples, not the estimator's bias.
    ixm_replicates, iym_replicates
        The estimates without each group of samples in turn, on which the intervals rest; layers of
        one net have the same groups, so differences of layers have intervals of their own.
    iym_null, iym_null_high
        Mean and 95 % quantile of I(Y;M) when the classes are shuffled among the samples: what the
        estimator says where there is nothing to know.
    ixm_standard_error, iym_standard_error
        Standard error of an estimate that rests on random draws, for the same samples; NaN where
        there is none.
    ixm_risk_bound
        Bound on the expected error in the worst case, from theory; NaN where there is none.
    doubt
        What the estimator found in these values that speaks against its number, in words; empty
        where there is nothing.
    """

    ixm: float = math.nan
    iym: float = math.nan
    ixm_lower: float = math.nan
    ixm_upper: float = math.nan
    iym_lower: float = math.nan
    iym_upper: float = math.nan
    ixm_ceiling: float = math.nan
    iym_ceiling: float = math.nan
    samples: int = field(kw_only=True)
    singleton_classes: int = 0
    kind: str = field(kw_only=True)
    unit: Unit = "nats"
    ixm_ci_low: float = math.nan
    ixm_ci_high: float = math.nan
    iym_ci_low: float = math.nan
    iym_ci_high: float = math.nan
    iym_null: float = math.nan
    iym_null_high: float = math.nan
    ixm_standard_error: float = math.nan
    iym_standard_error: float = math.nan
    ixm_risk_bound: float = math.nan
    doubt: str = ""
    ixm_replicates: tuple[float, ...] = field(default=(), repr=False)
    iym_replicates: tuple[float, ...] = field(default=(), repr=False)

    @property
    def ixm_saturated(self) -> bool:
        """Whether I(X;M) is above 95 % of its ceiling."""
        return is_saturated(self.ixm, self.ixm_ceiling)

    @property
    def iym_saturated(self) -> bool:
        """Whether I(Y;M) and the 95 % quantile of its null are above 95 % of its ceiling.

        Shuffled classes would show the same then. Also where the null is not known.
        """
        return is_arithmetic(self.iym, self.iym_null_high, self.iym_ceiling)

    @property
    def iym_separated(self) -> bool:
        """Whether I(Y;M) is above 95 % of its ceiling, and shuffled classes stay below that.

        The samples' classes are told apart. An untrained net may do so, too.
        """
        return is_separated(self.iym, self.iym_null_high, self.iym_ceiling)

    def to(self, unit: Unit) -> Estimate:
        """Return the same estimate in ``unit``."""
        factor = nats_per(self.unit) / nats_per(unit)
        names = [one.name for one in fields(self) if one.name.startswith(("ixm", "iym"))]
        scaled: dict[str, Any] = {name: _scaled(getattr(self, name), factor) for name in names}
        return replace(self, unit=unit, **scaled)


def _scaled(value: float | tuple[float, ...], factor: float) -> float | tuple[float, ...]:
    return tuple(one * factor for one in value) if isinstance(value, tuple) else value * factor


def is_saturated(value: float, ceiling: float) -> bool:
    """Tell whether ``value`` is above 95 % of a positive ``ceiling``."""
    return ceiling > 0 and value > SATURATION * ceiling


def is_separated(value: float, null_high: float, ceiling: float) -> bool:
    """Tell whether ``value`` is at its ceiling while its null is known to be below it."""
    is_null_low = not math.isnan(null_high) and not is_saturated(null_high, ceiling)
    return is_saturated(value, ceiling) and is_null_low


def is_arithmetic(value: float, null_high: float, ceiling: float) -> bool:
    """Tell whether ``value`` is at its ceiling and its null is, too, or is not known."""
    return is_saturated(value, ceiling) and not is_separated(value, null_high, ceiling)


def nats_per(unit: str) -> float:
    """Return how many nats one ``unit`` is; an ArgumentError for other units than bits and nats."""
    return 1.0 if one_of("unit", unit, ("bits", "nats")) == "nats" else math.log(2.0)
