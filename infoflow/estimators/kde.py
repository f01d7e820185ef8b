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

from infoflow.estimators.classes import (
    NOT_KNOWN,
    label_entropy,
    most_about,
    numbered,
    with_ceilings,
)
from infoflow.estimators.distances import DistanceRows, blocks_of, centred_norms
from infoflow.estimators.information import (
    Information,
    about_classes,
    about_samples,
    about_shuffled_classes,
    value_about_classes,
    value_about_samples,
)
from infoflow.estimators.jackknife import deal_groups, jackknife_interval
from infoflow.estimators.kernel import Totals, bound_sums, kernel_totals
from infoflow.estimators.noise import Noise, Relative, check_count, check_positive
from infoflow.estimators.shuffles import Shuffles
from infoflow.estimators.statistics import Distances
from infoflow.estimators.uncertainty import PERMUTATIONS, null_of, with_uncertainty
from infoflow.interface import Estimate
from infoflow.interface.argument_checks import one_of


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
            check_positive("noise", self.noise, "The paper uses 1.0.")
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
        sums, others = bound_sums(
            blocks_of(statistic),
            classes,
            shuffles,
            factor=self._exponents_per_distance(norms, "lower"),
            bound=self.bound,
            with_slope=norms is not None,
        )
        upper, lower = (sums, others) if self.bound == "upper" else (others, sums)
        ixm = about_samples(sums)
        estimate = with_ceilings(
            (ixm.value, value_about_samples(lower), value_about_samples(upper)),
            NOT_KNOWN if labels is None else _about_classes(sums, lower, upper, labels),
            samples,
            labels,
            self.kind,
        )
        about_x = jackknife_interval(
            ixm.value, self._replicates(ixm, norms), 0.0, estimate.ixm_ceiling
        )
        if labels is None:
            return with_uncertainty(estimate, about_x)
        iym = about_classes(sums, labels)
        about_y = jackknife_interval(
            iym.value, self._replicates(iym, norms), 0.0, most_about(labels)
        )
        null = null_of(about_shuffled_classes(sums, labels))
        return with_uncertainty(estimate, about_x, about_y, null)

    def values(
        self, statistic: Tensor | DistanceRows, labels: Tensor | None
    ) -> tuple[float, float]:
        """Return I(X;M) and I(Y;M) of :meth:`estimate` alone, in nats, which costs less."""
        samples, device = len(statistic), statistic.device
        classes = torch.zeros(samples, dtype=torch.int64, device=device)
        if labels is not None:
            classes = numbered(labels)
        factor = self._exponents_per_distance(self._norms(statistic), self.bound)
        totals = kernel_totals(blocks_of(statistic), classes, factor)
        about_y = math.nan if labels is None else value_about_classes(totals, classes)
        return value_about_samples(totals), about_y

    def _norms(self, statistic: Tensor | DistanceRows) -> Tensor | None:
        """Return (N,) squared norms, whose mean the noise is relative to; None where it is not."""
        return centred_norms(statistic) if isinstance(self.noise, Relative) else None

    def _exponents_per_distance(self, norms: Tensor | None, bound: str) -> float:
        """Return what makes exponents of squared distances, for a bound."""
        variance = self.noise
        if isinstance(variance, Relative):
            # a layer that is constant says nothing, with whatever noise
            variance = variance.share * (0.0 if norms is None else float(norms.mean())) or 1.0
        least = max(variance, torch.finfo(torch.float64).tiny)  # else 0 distances would be NaN
        return 1.0 / ((2.0 if bound == "upper" else 8.0) * least)

    def _replicates(self, information: Information, norms: Tensor | None) -> Tensor:
        """Let the noise follow the scale of the samples that are left."""
        if norms is None or not float(norms.mean()):
            return information.replicates
        groups = deal_groups(len(norms), norms.device)
        counts = groups.bincount()
        left = norms.sum() - torch.zeros_like(counts, dtype=norms.dtype).index_add(0, groups, norms)
        change = (left / (len(norms) - counts) / norms.mean()).log()
        return information.replicates + information.slope * change


def _about_classes(
    main: Totals, lower: Totals, upper: Totals, classes: Tensor
) -> tuple[float, float, float]:
    """Return I(Y;M) with its bounds: the worst case of both terms, within 0 and H(Y)."""
    entropy = label_entropy(classes)
    inside_upper, inside_lower = (_within_classes(sums, classes) for sums in (upper, lower))
    least = max(0.0, value_about_samples(lower) - inside_upper)
    most = min(entropy, value_about_samples(upper) - inside_lower)
    return value_about_classes(main, classes), least, most


def _within_classes(sums: Totals, classes: Tensor) -> float:
    """Return Σ_y p(y) of a bound on the information within class y."""
    sizes = classes.bincount()[classes].to(torch.float64)
    return float((sizes.log() - sums.within.log()).mean())
