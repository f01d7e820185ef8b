"""The kernel density estimate from some rows of distances, which come in blocks of samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from infoflow.estimators.anchored_sums import AnchoredBounds, AnchoredTotals
from infoflow.estimators.information import value_about_classes, value_about_samples
from infoflow.estimators.kde import KDE
from infoflow.estimators.kde_estimate import estimate_of, scale_changes
from infoflow.estimators.noise import Relative
from infoflow.estimators.rows import Rows
from infoflow.estimators.shuffles import Shuffles
from infoflow.interface import Estimate


class AnchoredKDE:
    """What :meth:`infoflow.KDE.estimate` says, from the distances of some rows to all samples.

    From all rows it is the same to rounding. From some, its mean over the choice of the rows is
    that of all; see :func:`infoflow.estimators.rows.choose_rows`.

    Parameters
    ----------
    kde
        The estimator.
    rows
        The n rows.
    labels
        (N,) int64 classes, numbered from 0, or None.
    shuffles
        The classes in other orders, for the null; none where None.
    variance
        Sum over units of the variance of the layer, which relative noise is a share of.
    """

    def __init__(
        self,
        kde: KDE,
        rows: Rows,
        labels: Tensor | None,
        shuffles: Shuffles | None = None,
        *,
        variance: float = math.nan,
    ) -> None:
        self._kde, self._rows, self._labels = kde, rows, labels
        self._is_relative = isinstance(kde.noise, Relative)
        self._norms = rows.weights.new_zeros(rows.samples if self._is_relative else 0)
        self._sums = AnchoredBounds(
            rows,
            torch.zeros_like(rows.strata) if labels is None else labels,
            shuffles,
            factor=kde.exponents_per_distance(variance, "lower"),
            bound=kde.bound,
            with_slope=self._is_relative,
        )

    def add(self, distances: Tensor, samples: slice, norms: Tensor) -> None:
        """Add a block.

        Parameters
        ----------
        distances
            (samples, n) float64 squared distances of samples to the rows.
        samples
            Which samples these are.
        norms
            (samples,) float64 squared distances of the samples from the mean of all.
        """
        self._sums.add(distances, samples)
        if self._is_relative:
            self._norms[samples] = norms

    def sums(self) -> list[Tensor]:
        """Return what adds up over shares of the samples."""
        return [*self._sums.sums(), self._norms]

    def estimate(self) -> Estimate:
        """Return the estimate in nats, when all samples were added."""
        sums, others = self._sums.result()
        return estimate_of(
            sums,
            others,
            self._labels,
            bound=self._kde.bound,
            kind=self._kde.kind,
            scale_changes=scale_changes(self._norms) if self._is_relative else None,
        )


class AnchoredValues:
    """What :meth:`infoflow.KDE.values` says, from the distances of some rows to all samples.

    Parameters
    ----------
    kde, rows, labels, variance
        As for :class:`AnchoredKDE`.
    """

    def __init__(self, kde: KDE, rows: Rows, labels: Tensor | None, *, variance: float) -> None:
        classes = torch.zeros_like(rows.strata) if labels is None else labels
        self._totals, self._labels = AnchoredTotals(rows, classes), labels
        self._factor = kde.exponents_per_distance(variance, kde.bound)

    def add(self, distances: Tensor, samples: slice) -> None:
        """Add a (samples, n) block of squared distances."""
        self._totals.add((distances * -self._factor).exp_(), samples)

    def sums(self) -> list[Tensor]:
        """Return what adds up over shares of the samples."""
        return self._totals.sums()

    def values(self) -> tuple[float, float]:
        """Return I(X;M) and I(Y;M) in nats; NaN for what is not known."""
        totals = self._totals.result()
        about_y = math.nan if self._labels is None else value_about_classes(totals, self._labels)
        return value_about_samples(totals), about_y
