"""Matrix-based Rényi α-entropy: from the eigenvalues of Gram matrices, without a density.

L. G. Sanchez Giraldo, M. Rao and J. C. Principe, "Measures of Entropy From Data Using Infinitely
Divisible Kernels", IEEE Transactions on Information Theory 61(1), 535-548 (2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from infoflow.estimators.classes import NOT_KNOWN, class_counts, with_ceilings
from infoflow.estimators.distances import without_rounding
from infoflow.estimators.matrix_entropy import (
    class_squares,
    gaussian_kernel,
    joint_entropy_with_classes,
    matrix_entropy,
    spectrum_entropy,
)
from infoflow.estimators.noise import check_positive, is_positive
from infoflow.estimators.statistics import Distances
from infoflow.estimators.uncertainty import FEW_SHUFFLES, null_of, shuffled
from infoflow.interface import ArgumentError, Estimate
from infoflow.interface.argument_checks import shown

#: Classes up to which one product serves all shuffles; blocks of more are smaller than it.
_MOST_AT_ONCE = 32


@dataclass(frozen=True)
class Renyi:
    """Matrix-based Rényi α-information of a layer's Gram matrix.

    X is which of the N samples it is, so its kernel is the identity and I_α(X;M) = S_α(M).
    I_α(Y;M) = S_α(Y) + S_α(M) − S_α(Y,M), where the kernel of Y is 1 within a class and 0 between.
    Both are exact for the samples and the kernel; they are no estimates of Shannon's information,
    which a deterministic net does not have, and they depend on the kernel's width.

    Parameters
    ----------
    alpha
        Order, greater than 0. 1.01, as in the literature, is nearly Shannon's; 1 is the limit.
    width
        Width σ of the Gaussian kernel, in units of the activation; or ``"median"``, the median
        distance between samples that differ, with which the scale of a layer does not matter.

    Raises
    ------
    ArgumentError
        If α or the width is not a positive number.

    Notes
    -----
    Rényi's entropy is subadditive for α = 1 only. For other orders I_α(Y;M) may come out below
    0, by little for 1.01, and is then given as 0.
    ``iym_ceiling`` is min(log N, S_α(Y)), with S_α(Y) the Rényi entropy of the classes: below
    Shannon's H(Y) where α is above 1.

    Examples
    --------
    >>> import infoflow, numpy as np
    >>> far_apart = 100.0 * np.eye(8)
    >>> numbers = infoflow.estimate(far_apart, [0, 1] * 4, estimator=infoflow.Renyi(width=1.0))
    >>> round(numbers.ixm, 6), round(numbers.iym, 6)
    (3.0, 1.0)
    """

    alpha: float = 1.01
    width: float | Literal["median"] = "median"

    def __post_init__(self) -> None:
        check_positive("alpha", self.alpha, "The literature uses 1.01.")
        is_word = isinstance(self.width, str) and self.width == "median"
        if not is_word and not is_positive(self.width):
            raise ArgumentError(
                f"width must be a number greater than 0 or 'median', got {shown(self.width)}."
            )

    @property
    def name(self) -> str:
        """``"renyi"``."""
        return "renyi"

    @property
    def statistic(self) -> Distances:
        """Squared distances between all samples."""
        return Distances()

    @property
    def kind(self) -> str:
        """What the number is of."""
        width = "the median distance" if self.width == "median" else f"{self.width:g}"
        return (
            f"matrix-based Rényi information of order {self.alpha:g}, Gaussian kernel of width "
            f"{width}, exact for the samples and the kernel"
        )

    def estimate(self, statistic: Tensor, labels: Tensor | None) -> Estimate:
        """Return the estimate in nats from (N, N) squared distances and (N,) classes."""
        kernel, entropy = self._solved(statistic)
        ixm = (min(entropy, math.log(len(kernel))) + 0.0,) * 3
        if labels is None:
            return with_ceilings(ixm, NOT_KNOWN, len(kernel), None, self.kind)
        iym = (self._about(kernel, entropy, labels),) * 3
        estimate = with_ceilings(ixm, iym, len(kernel), labels, self.kind)
        shuffles = shuffled(labels, FEW_SHUFFLES)
        null = null_of(self._about_orders(kernel, entropy, shuffles))
        return replace(
            estimate,
            iym_ceiling=self._ceiling(labels),
            iym_null=null.mean,
            iym_null_high=null.high,
        )

    def values(self, statistic: Tensor, labels: Tensor | None) -> tuple[float, float]:
        """Return I(X;M) and I(Y;M) in nats, as :meth:`estimate` does, without the null."""
        kernel, entropy = self._solved(statistic)
        iym = math.nan if labels is None else self._about(kernel, entropy, labels)
        return min(entropy, math.log(len(kernel))) + 0.0, iym

    def about_shuffled(self, statistic: Tensor, orders: Tensor) -> Tensor:
        """Return I(Y;M) in nats for (permutations, N) orders of the classes.

        The kernel, and its entropy, are the same for all of them.
        """
        return self._about_orders(*self._solved(statistic), orders)

    def _about_orders(self, kernel: Tensor, entropy: float, orders: Tensor) -> Tensor:
        if self.alpha == 2.0 and int(orders.max()) < _MOST_AT_ONCE:
            joint = -(class_squares(kernel, orders) / kernel.diagonal().sum() ** 2).log()
            joints = joint.clamp(min=0.0).tolist()
        else:
            joints = [self._joint(kernel, order) for order in orders]
        values = [
            self._shared(entropy, order, joint) for order, joint in zip(orders, joints, strict=True)
        ]
        return torch.tensor(values, dtype=torch.float64, device="cpu")

    def _solved(self, statistic: Tensor) -> tuple[Tensor, float]:
        """Return the kernel, and its entropy in nats."""
        kernel = gaussian_kernel(without_rounding(statistic), self.width)
        return kernel, float(matrix_entropy(kernel, self.alpha))

    def _about(self, kernel: Tensor, entropy: float, labels: Tensor) -> float:
        return self._shared(entropy, labels, self._joint(kernel, labels))

    def _joint(self, kernel: Tensor, labels: Tensor) -> float:
        return float(joint_entropy_with_classes(kernel, labels, self.alpha))

    def _shared(self, entropy: float, labels: Tensor, joint: float) -> float:
        of_classes = float(spectrum_entropy(class_counts(labels), self.alpha))
        return min(max(0.0, of_classes + entropy - joint), self._ceiling(labels))

    def _ceiling(self, labels: Tensor) -> float:
        of_classes = float(spectrum_entropy(class_counts(labels), self.alpha))
        return min(math.log(len(labels)), of_classes)
