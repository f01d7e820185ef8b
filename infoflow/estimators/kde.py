"""Mutual information of a layer with Gaussian measurement noise, from pairwise distances.

A. Kolchinsky and B. D. Tracey, "Estimating Mixture Entropy with Pairwise Distances", Entropy 19(7),
361 (2017), equations 10 and 11, for mixtures of N Gaussians of the same variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from infoflow.estimators.classes import numbered
from infoflow.estimators.distances import DistanceRows, blocks_of, centred_norms
from infoflow.estimators.information import value_about_classes, value_about_samples
from infoflow.estimators.kde_estimate import estimate_of, scale_changes
from infoflow.estimators.kernel import bound_sums, kernel_totals
from infoflow.estimators.noise import Noise, Relative, check_count, check_positive
from infoflow.estimators.sampled_estimate import sampled_estimate_of
from infoflow.estimators.sampled_kde import FEW_SAMPLES, Kernels, sampled_doubt
from infoflow.estimators.shuffles import Shuffles
from infoflow.estimators.statistics import Distances
from infoflow.estimators.uncertainty import PERMUTATIONS
from infoflow.interface import Estimate, Estimator
from infoflow.interface.argument_checks import one_of

_HINT = "The paper uses 1.0."


@dataclass(frozen=True)
class KDE:
    """Kernel density estimate of I(X;M) and I(Y;M), the estimator of Lee and Bajić (2021).

    What is estimated is the information in M + Z, with Z Gaussian noise of variance
    ``noise`` that is added for the measurement only. X is uniform over the N samples.
    I(Y;M) is I(X;M) less its mean within the classes of Y, from the same distances.

    With squared distances D and noise variance v, the upper bound on I(X;M) is
    log N − mean_i logsumexp_j(−D_ij / 2v), from Kullback-Leibler divergences between the mixture's
    components; the lower bound has 8v for 2v, from Bhattacharyya distances.

    Parameters
    ----------
    noise
        Variance of the noise in every unit, in squared units of the activation, or
        :class:`infoflow.Relative` for a share of the layer's own variance.
    bound
        Which bound the value is: ``"upper"`` as in the paper, or ``"lower"``. The other one is
        always reported beside it.
    permutations
        Shuffles of the classes for the null of I(Y;M).

    Notes
    -----
    Beyond 2,000 samples, interval, null and the other bound are made from 500 rows of the kernel,
    always the same ones. The other bound is then widened by twice its standard error. The values
    take all rows.

    Raises
    ------
    ArgumentError
        If the noise variance is not a positive number, or the bound has another name.

    Examples
    --------
    >>> import infoflow, numpy as np
    >>> far_apart = 100.0 * np.eye(8)
    >>> round(infoflow.estimate(far_apart, estimator=infoflow.KDE(noise=1.0)).ixm, 6)
    3.0
    """

    noise: Noise = 1.0
    bound: Literal["upper", "lower"] = "upper"
    permutations: int = PERMUTATIONS

    def __post_init__(self) -> None:
        if not isinstance(self.noise, Relative):
            is_word = isinstance(self.noise, str)
            hint = "infoflow.Relative(0.1) scales it to each layer." if is_word else _HINT
            check_positive("noise", self.noise, hint)
        check_count("permutations", self.permutations)
        one_of("bound", self.bound, ("upper", "lower"))

    @property
    def name(self) -> str:
        """``"kde"``."""
        return "kde"

    @property
    def statistic(self) -> Distances:
        """Squared distances between all samples."""
        return Distances()

    @property
    def kind(self) -> str:
        """What the number is of."""
        noise = self.noise
        variance = f"{noise:g}" if isinstance(noise, (int, float)) else noise
        return (
            f"{self.bound} bound on I(X; M + Gaussian noise of variance {variance}, "
            "added for the measurement only); I(Y;M) is a difference of such bounds"
        )

    @property
    def takes_row_blocks(self) -> bool:
        """Whether distances may come in blocks of rows; they may."""
        return True

    @property
    def exponent_factor(self) -> float:
        """What times the noise variance squared distances are divided by in the exponent."""
        return 2.0 if self.bound == "upper" else 8.0

    def estimate(self, statistic: Tensor | DistanceRows, labels: Tensor | None) -> Estimate:
        """Return the estimate in nats.

        Parameters
        ----------
        statistic
            (N, N) float64 squared distances, or an object that gives them in blocks of rows.
        labels
            (N,) int64 classes, or None.
        """
        samples = len(statistic)
        if labels is None:
            classes = torch.zeros(samples, dtype=torch.int64, device=statistic.device)
        else:
            classes = labels = numbered(labels)
        norms = self._norms(statistic)
        shuffles = None if labels is None else Shuffles.of(labels, self.permutations)
        if samples > FEW_SAMPLES:
            return self._sampled(statistic, labels, classes, shuffles, norms)
        sums, others = bound_sums(
            blocks_of(statistic),
            classes,
            shuffles,
            factor=self.exponents_per_distance(variance_of(norms), "lower"),
            bound=self.bound,
            with_slope=norms is not None,
        )
        changes = None if norms is None else scale_changes(norms)
        return estimate_of(
            sums, others, labels, bound=self.bound, kind=self.kind, scale_changes=changes
        )

    def values(
        self, statistic: Tensor | DistanceRows, labels: Tensor | None
    ) -> tuple[float, float]:
        """Return I(X;M) and I(Y;M) of :meth:`estimate` alone, in nats, which costs less."""
        samples, device = len(statistic), statistic.device
        classes = torch.zeros(samples, dtype=torch.int64, device=device)
        if labels is not None:
            classes = numbered(labels)
        factor = self.exponents_per_distance(variance_of(self._norms(statistic)), self.bound)
        totals = kernel_totals(blocks_of(statistic), classes, factor)
        about_y = math.nan if labels is None else value_about_classes(totals, classes)
        return value_about_samples(totals), about_y

    def _sampled(
        self,
        statistic: Tensor | DistanceRows,
        labels: Tensor | None,
        classes: Tensor,
        shuffles: Shuffles | None,
        norms: Tensor | None,
    ) -> Estimate:
        """Return the estimate with interval, null and the other bound from some rows."""
        variance = variance_of(norms)
        factor = self.exponents_per_distance(variance, self.bound)
        totals = kernel_totals(blocks_of(statistic), classes, factor)
        kernels = Kernels(
            self.exponents_per_distance(variance, "lower"), self.bound, norms is not None
        )
        doubt = sampled_doubt(statistic, totals, classes, shuffles, kernels)
        return sampled_estimate_of(
            totals, doubt, labels, shuffles, bound=self.bound, kind=self.kind, norms=norms
        )

    def _norms(self, statistic: Tensor | DistanceRows) -> Tensor | None:
        """Return (N,) squared norms, whose mean the noise is relative to; None where it is not."""
        return centred_norms(statistic) if isinstance(self.noise, Relative) else None

    def exponents_per_distance(self, layer_variance: float, bound: str) -> float:
        """Return what makes exponents of squared distances, for a bound.

        Parameters
        ----------
        layer_variance
            Sum over units of the variance of the layer, which relative noise is a share of.
        bound
            ``"upper"`` or ``"lower"``.
        """
        variance = self.noise
        if isinstance(variance, Relative):
            # a layer that is constant says nothing, with whatever noise
            variance = variance.share * layer_variance or 1.0
        least = max(variance, torch.finfo(torch.float64).tiny)  # else 0 distances would be NaN
        return 1.0 / ((2.0 if bound == "upper" else 8.0) * least)


def variance_of(norms: Tensor | None) -> float:
    """Return a layer's variance from (N,) squared distances to its mean; 0 without them."""
    return 0.0 if norms is None else float(norms.mean())


def takes_anchors(estimator: Estimator) -> bool:
    """Tell whether an estimator can be made from anchors: the KDE, and no estimate of a subclass.

    Examples
    --------
    >>> takes_anchors(KDE(noise=0.1))
    True
    """
    return isinstance(estimator, KDE) and type(estimator).estimate is KDE.estimate
