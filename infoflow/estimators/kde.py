"""Mutual information of a layer with Gaussian measurement noise, from pairwise distances.

A. Kolchinsky and B. D. Tracey, "Estimating Mixture Entropy with Pairwise Distances", Entropy 19(7),
361 (2017), equations 10 and 11, for mixtures of N Gaussians of the same variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from infoflow.estimators.classes import NOT_KNOWN, label_entropy, mean_within_classes, with_ceilings
from infoflow.interface import ArgumentError, Distances, Estimate


def kde_upper(distances: Tensor, noise_variance: float) -> Tensor:
    """Return the upper bound on I(X; M + noise), in nats.

    log N − mean_i logsumexp_j(−D_ij / 2v): the entropy bound from Kullback-Leibler divergences,
    less the entropy of the noise.

    Parameters
    ----------
    distances
        (N, N) squared distances.
    noise_variance
        Variance v of the noise in every unit.
    """
    return _information(distances, 2.0 * noise_variance)


def kde_lower(distances: Tensor, noise_variance: float) -> Tensor:
    """Return the lower bound on I(X; M + noise), in nats: 8v in the place of 2v.

    The entropy bound from Bhattacharyya distances, less the entropy of the noise.
    """
    return _information(distances, 8.0 * noise_variance)


def _information(distances: Tensor, scale: float) -> Tensor:
    information = math.log(len(distances)) - torch.logsumexp(distances / -scale, dim=1).mean()
    return information.clamp(min=0.0)


@dataclass(frozen=True)
class KDE:
    """Kernel density estimate of I(X;M) and I(Y;M), the estimator of Lee and Bajić (2021).

    What is estimated is the information in M + Z, with Z Gaussian noise of variance
    ``noise_variance`` that is added for the measurement only. X is uniform over the N samples.
    I(Y;M) is I(X;M) less its mean within the classes of Y, from the same distances.

    Parameters
    ----------
    noise_variance
        Variance of the noise in every unit, in squared units of the activation.
    bound
        Which bound the value is: ``"upper"`` as in the paper, or ``"lower"``. The other one is
        always reported beside it.

    Raises
    ------
    ArgumentError
        If the noise variance is not a positive number, or the bound has another name.

    Examples
    --------
    >>> import infoflow, numpy as np
    >>> far_apart = 100.0 * np.eye(8)
    >>> round(infoflow.estimate(far_apart, estimator=infoflow.KDE(noise_variance=1.0)).ixm, 6)
    3.0
    """

    noise_variance: float = 1.0
    bound: Literal["upper", "lower"] = "upper"

    def __post_init__(self) -> None:
        if (
            not isinstance(self.noise_variance, (int, float))
            or not 0 < self.noise_variance < math.inf
        ):
            raise ArgumentError(
                f"noise_variance must be a number greater than 0, got {self.noise_variance!r}. "
                "The paper uses 1.0."
            )
        if self.bound not in ("upper", "lower"):
            raise ArgumentError(f"bound must be 'upper' or 'lower', got {self.bound!r}.")

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
        return (
            f"{self.bound} bound on I(X; M + Gaussian noise of variance {self.noise_variance:g}, "
            "added for the measurement only); I(Y;M) is a difference of such bounds"
        )

    def estimate(self, statistic: Tensor, labels: Tensor | None) -> Estimate:
        """Return the estimate in nats from (N, N) squared distances and (N,) classes."""
        both = {
            "upper": kde_upper(statistic, self.noise_variance),
            "lower": kde_lower(statistic, self.noise_variance),
        }
        ixm = (float(both[self.bound]), float(both["lower"]), float(both["upper"]))
        iym = NOT_KNOWN if labels is None else self._about_classes(statistic, labels, both)
        return with_ceilings(ixm, iym, len(statistic), labels, self.kind)

    def _about_classes(
        self, distances: Tensor, labels: Tensor, both: dict[str, Tensor]
    ) -> tuple[float, float, float]:
        within_upper, within_lower = (
            _within_classes(distances, labels, bound, self.noise_variance)
            for bound in (kde_upper, kde_lower)
        )
        inside = {"upper": within_upper, "lower": within_lower}
        value = float(both[self.bound] - inside[self.bound])
        lower = max(0.0, float(both["lower"] - inside["upper"]))
        upper = min(label_entropy(labels), float(both["upper"] - inside["lower"]))
        return value, lower, upper


def _within_classes(
    distances: Tensor,
    labels: Tensor,
    bound: Callable[[Tensor, float], Tensor],
    noise_variance: float,
) -> Tensor:
    """Return Σ_y p(y) of a bound on the information within class y, from the same distances."""
    return mean_within_classes(
        labels, lambda members: bound(distances[members][:, members], noise_variance)
    )
