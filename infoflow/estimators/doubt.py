"""An estimate beside its intervals and its null."""

from __future__ import annotations

from dataclasses import replace

from infoflow.estimators.jackknife import Interval
from infoflow.estimators.null import Null
from infoflow.interface import Estimate


def with_doubt(
    estimate: Estimate, ixm: Interval, iym: Interval | None = None, null: Null | None = None
) -> Estimate:
    """Return ``estimate`` with the intervals of I(X;M) and I(Y;M), and the null of I(Y;M)."""
    iym, null = iym or Interval(), null or Null()
    return replace(
        estimate,
        ixm_ci_low=ixm.low,
        ixm_ci_high=ixm.high,
        iym_ci_low=iym.low,
        iym_ci_high=iym.high,
        iym_null=null.mean,
        iym_null_high=null.high,
    )
