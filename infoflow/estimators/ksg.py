"""Mutual information from nearest neighbours.

A. Kraskov, H. Stögbauer and P. Grassberger, "Estimating mutual information", Physical Review E 69,
066138 (2004), algorithm 1; B. C. Ross, "Mutual Information between Discrete and Continuous Data
Sets", PLoS ONE 9(2), e87357 (2014); and for samples that coincide W. Gao, S. Kannan, S. Oh and
P. Viswanath, "Estimating Mutual Information for Discrete-Continuous Mixtures", NeurIPS 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from infoflow.estimators.classes import (
    NOT_KNOWN,
    as_tensor,
    label_entropy,
    most_about,
    with_ceilings,
)
from infoflow.estimators.distances import effective_dimension
from infoflow.estimators.jackknife import Interval, deal_groups, jackknife_interval
from infoflow.estimators.ross import Neighbourhoods
from infoflow.estimators.statistics import Distances
from infoflow.estimators.uncertainty import (
    FEW_GROUPS,
    FEW_SHUFFLES,
    null_of,
    shuffled,
    with_uncertainty,
)
from infoflow.interface import (
    ActivationError,
    ArgumentError,
    Estimate,
    HighDimensionWarning,
    Unit,
    nats_per,
    warn,
)

Array = NDArray[np.float64]

#: Up to this many effective dimensions of M, I(Y;M) was right within its spread for two normal
#: classes of 250 and of 1000 samples; at 24 it was too low by 16 to 27 %.
MOST_DIMENSIONS = 10
#: Two correlated normal variables of 3 dimensions each, 1000 samples, came out 11 % too low.
_MOST_COLUMNS = 6


def ksg(
    x: ArrayLike | Tensor, y: ArrayLike | Tensor, *, neighbours: int = 3, unit: Unit = "bits"
) -> float:
    """Estimate I(X;Y) of two continuous variables.

    ψ(k) + ψ(N) − mean(ψ(n_x + 1) + ψ(n_y + 1)), with n_x and n_y the samples nearer, in x and in y
    alone, than the k-th neighbour in both; distances are the largest coordinate's. A sample with k
    or more duplicates counts them instead, after Gao et al.

    The estimate may be slightly negative. It has little bias in one or two dimensions, and is too
    low in many, where no sample has near neighbours: for correlated normal x and y of d dimensions
    each, 1000 samples and 0.5 nats, it says 0.55, 0.45, 0.19 and 0.08 for d = 1, 3, 10 and 25.

    Parameters
    ----------
    x, y
        Shape (N,) or (N, d), paired; finite.
    neighbours
        k, at least 1 and below N. Small k has little bias, large k little variance.
    unit
        ``"bits"`` or ``"nats"``.

    Returns
    -------
    float
        In ``unit``.

    Raises
    ------
    ArgumentError
        If ``neighbours`` is not below N, or x and y have different lengths.
    ActivationError
        If a value is NaN or infinite.

    Warns
    -----
    HighDimensionWarning
        If x and y have more than 6 columns together.

    References
    ----------
    .. [1] A. Kraskov, H. Stögbauer and P. Grassberger, Phys. Rev. E 69, 066138 (2004), eq. 8.

    Examples
    --------
    >>> import numpy as np
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 2000))
    >>> bool(abs(ksg(x, x + noise) - 0.5) < 0.05)
    True
    """
    from scipy.spatial import cKDTree
    from scipy.special import digamma

    scale = nats_per(unit)
    first, second = _as_columns(x, "x"), _as_columns(y, "y")
    if len(first) != len(second):
        raise ArgumentError(
            f"x and y must have one row per sample, got {len(first)} and {len(second)} rows."
        )
    check_neighbours(neighbours, len(first))
    joint = np.hstack([first, second])
    if joint.shape[1] > _MOST_COLUMNS:
        warn(
            f"x and y have {joint.shape[1]} columns together; above {_MOST_COLUMNS} KSG is biased "
            "towards 0. Use it to compare, or reduce the dimensions first.",
            HighDimensionWarning,
        )
    radius = np.asarray(cKDTree(joint).query(joint, neighbours + 1, p=np.inf)[0])[:, -1]
    counts = [_within(points, radius) for points in (first, second)]
    own = np.where(radius > 0, neighbours, _within(joint, radius))
    terms = digamma(own) - digamma(counts[0]) - digamma(counts[1])
    return float(digamma(len(first)) + terms.mean()) / scale


def _within(points: Array, radius: Array) -> NDArray[np.int64]:
    """Count samples nearer than ``radius``, or at distance 0 where it is 0; each counts itself."""
    from scipy.spatial import cKDTree

    inside = np.where(radius > 0, np.nextafter(radius, 0.0), 0.0)
    tree = cKDTree(points)
    return np.asarray(tree.query_ball_point(points, inside, p=np.inf, return_length=True))


def check_neighbours(neighbours: int, samples: int) -> None:
    """Raise an ArgumentError where there are not that many neighbours."""
    _check_positive(neighbours)
    if neighbours >= samples:
        raise ArgumentError(
            f"neighbours must be below the number of samples, {samples}, got {neighbours}. Use "
            "more samples or fewer neighbours; 3 is usual."
        )


def _check_positive(neighbours: object) -> None:
    is_whole = isinstance(neighbours, Integral) and not isinstance(neighbours, bool)
    if not is_whole or neighbours < 1:  # type: ignore[operator]
        raise ArgumentError(
            f"neighbours must be a whole number of at least 1, got {neighbours!r}. 3 is usual."
        )


def _as_columns(values: ArrayLike | Tensor, name: str) -> Array:
    rows = as_tensor(values, name, ActivationError).cpu().to(torch.float64)
    if rows.ndim == 0 or len(rows) < 2:
        raise ActivationError(f"{name} must hold at least 2 samples, got {tuple(rows.shape)}.")
    if not bool(torch.isfinite(rows).all()):
        raise ActivationError(f"{name} must be finite, got NaN or infinity.")
    return np.asarray(rows.reshape(len(rows), -1).numpy())


@dataclass(frozen=True)
class KSG:
    """I(Y;M) of classes and a layer's values, from nearest neighbours (Ross 2014).

    The net needs no noise for it: Y and M have a finite mutual information as they are. I(X;M) is
    NaN, since that of a deterministic net with continuous values is infinite. In many dimensions
    the estimate is too low; above about 10 effective dimensions ``kind`` and a warning say so.

    Parameters
    ----------
    neighbours
        k, at least 1 and below the number of samples.

    Raises
    ------
    ArgumentError
        If ``neighbours`` is not a positive whole number, and, when estimating, not below N.

    Warns
    -----
    HighDimensionWarning
        If the samples fill more than about 10 dimensions.

    Notes
    -----
    Effective dimensions are the participation ratio of the covariance's eigenvalues,
    (Σ λ)² / Σ λ². The bounds are those of any I(Y;M), 0 and H(Y), and the value is cut off there:
    NaN as value means that every class holds one sample.

    Examples
    --------
    >>> import infoflow, numpy as np
    >>> values = np.random.default_rng(0).normal(size=(200, 1))
    >>> values[100:] += 50.0
    >>> labels = np.repeat([0, 1], 100)
    >>> round(infoflow.estimate(values, labels, estimator=infoflow.KSG()).iym, 2)
    1.0
    """

    neighbours: int = 3

    def __post_init__(self) -> None:
        _check_positive(self.neighbours)

    @property
    def name(self) -> str:
        """``"ksg"``."""
        return "ksg"

    @property
    def statistic(self) -> Distances:
        """Squared distances between all samples."""
        return Distances()

    @property
    def kind(self) -> str:
        """What the number is of."""
        return (
            f"I(Y;M) from {self.neighbours} nearest neighbours, no noise assumed; I(X;M) of a "
            "deterministic net is infinite, and given as NaN"
        )

    def estimate(self, statistic: Tensor, labels: Tensor | None) -> Estimate:
        """Return the estimate in nats from (N, N) squared distances and (N,) classes."""
        samples = len(statistic)
        check_neighbours(self.neighbours, samples)
        if labels is None:
            return with_ceilings(NOT_KNOWN, NOT_KNOWN, samples, None, self.kind)
        around = Neighbourhoods(statistic, labels, self.neighbours)
        iym = self._about(around, labels)
        known = with_ceilings(
            NOT_KNOWN, (iym, 0.0, label_entropy(labels)), samples, labels, self.kind
        )
        known = replace(known, doubt=self._doubt_about(statistic))
        null = null_of(self._of_orders(around, shuffled(labels, FEW_SHUFFLES)))
        return with_uncertainty(known, Interval(), self._interval(around, labels, iym), null)

    def about_shuffled(self, statistic: Tensor, orders: Tensor) -> Tensor:
        """Return I(Y;M) in nats for (permutations, N) orders of the classes."""
        around = Neighbourhoods(statistic, orders[0], self.neighbours)
        return self._of_orders(around, orders)

    def _of_orders(self, around: Neighbourhoods, orders: Tensor) -> Tensor:
        values = [self._about(around, order) for order in orders]
        return torch.tensor(values, dtype=torch.float64, device="cpu")

    def _interval(self, around: Neighbourhoods, labels: Tensor, value: float) -> Interval:
        """Return the jackknife's interval; NaN where too few samples are left without a group."""
        samples = len(labels)
        groups = deal_groups(samples, labels.device, groups=FEW_GROUPS)
        least = samples - int(groups.bincount().max())
        if samples < 2 * FEW_GROUPS or self.neighbours >= least:
            return Interval()
        parts = [self._about(around, labels, groups != group) for group in range(FEW_GROUPS)]
        replicates = torch.tensor(parts, dtype=torch.float64, device="cpu")
        if math.isnan(value) or not bool(replicates.isfinite().all()):
            return Interval()
        return jackknife_interval(value, replicates, 0.0, most_about(labels))

    def _about(self, around: Neighbourhoods, labels: Tensor, keep: Tensor | None = None) -> float:
        raw = around.about(labels, keep)
        entropy = label_entropy(labels if keep is None else labels[keep])
        return raw if math.isnan(raw) else min(max(0.0, raw), entropy)

    def _doubt_about(self, distances: Tensor) -> str:
        dimensions = effective_dimension(distances)
        if dimensions <= MOST_DIMENSIONS:
            return ""
        warn(
            f"The samples fill more than {MOST_DIMENSIONS} effective dimensions, where nearest "
            "neighbours are far and KSG is biased towards 0. Use it to compare, or another "
            "estimator.",
            HighDimensionWarning,
        )
        return f"biased towards 0 in about {dimensions:.0f} effective dimensions"
