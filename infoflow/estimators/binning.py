"""Mutual information of a layer whose units are quantised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.estimators.classes import (
    NOT_KNOWN,
    class_counts,
    entropy_of_counts,
    label_entropy,
    most_about,
    with_ceilings,
)
from infoflow.estimators.jackknife import group_jackknife, jackknife_interval
from infoflow.estimators.noise import check_count, check_positive
from infoflow.estimators.statistics import Codes
from infoflow.estimators.uncertainty import PERMUTATIONS, null_of, shuffled, with_uncertainty
from infoflow.interface import Estimate


def code_entropy(codes: Tensor) -> Tensor:
    """Return H(Bin(M)), in nats, of (N,) code numbers."""
    return torch.tensor(
        max(0.0, entropy_of_counts(class_counts(codes))), dtype=torch.float64, device="cpu"
    )


@dataclass(frozen=True)
class Binning:
    """I(X;M) and I(Y;M) of a layer whose units are rounded down to bins of one size.

    The code of a sample is the tuple of its units' bins. For a deterministic net
    I(X;Bin(M)) = H(Bin(M)), which measures how the samples cluster (Goldfeld et al. 2019, section
    5), and I(Y;Bin(M)) is H(Bin(M)) less its mean within the classes of Y. Both are exact for the
    sample at hand.

    Parameters
    ----------
    bin_size
        Width of a bin, in the units of the activation. The paper says 0.2, its code 0.1.
    permutations
        Shuffles of the classes for the null of I(Y;M).

    Raises
    ------
    ArgumentError
        If the bin size is not a positive number.

    Examples
    --------
    >>> import infoflow, numpy as np
    >>> values = np.array([[0.01], [0.02], [0.31], [0.32]])
    >>> infoflow.estimate(values, [0, 0, 1, 1], estimator=infoflow.Binning(bin_size=0.2)).iym
    1.0
    """

    bin_size: float = 0.2
    permutations: int = PERMUTATIONS

    def __post_init__(self) -> None:
        check_positive("bin_size", self.bin_size, "The paper uses 0.2.")
        check_count("permutations", self.permutations)

    @property
    def name(self) -> str:
        """``"binning"``."""
        return "binning"

    @property
    def statistic(self) -> Codes:
        """Which samples share a code."""
        return Codes(self.bin_size)

    @property
    def kind(self) -> str:
        """What the number is of."""
        return f"information in M quantised to bins of {self.bin_size:g}, exact for the sample"

    def estimate(self, statistic: Tensor, labels: Tensor | None) -> Estimate:
        """Return the estimate in nats from (N,) code numbers and (N,) classes."""
        return estimate_codes(statistic, labels, self.kind, self.permutations)


def estimate_codes(codes: Tensor, labels: Tensor | None, kind: str, permutations: int) -> Estimate:
    """Return the estimate in nats from (N,) code numbers and (N,) classes.

    Parameters
    ----------
    codes, labels
        Codes of the samples, and classes or None.
    kind
        What the number is of.
    permutations
        Shuffles of the classes for the null.
    """
    ixm = float(code_entropy(codes))
    iym = NOT_KNOWN if labels is None else (_about_classes(codes, labels),) * 3
    estimate = with_ceilings((ixm,) * 3, iym, len(codes), labels, kind)
    about_x = jackknife_interval(
        ixm, _without_groups(codes, labels, _about_codes), 0.0, estimate.ixm_ceiling
    )
    if labels is None:
        return with_uncertainty(estimate, about_x)
    about_y = jackknife_interval(
        iym[0], _without_groups(codes, labels, _about_classes), 0.0, most_about(labels)
    )
    orders = shuffled(labels, permutations)
    shuffles = [_about_classes(codes, order) for order in orders]
    null = null_of(torch.tensor(shuffles, dtype=torch.float64, device="cpu"))
    return with_uncertainty(estimate, about_x, about_y, null)


def _about_codes(codes: Tensor, classes: Tensor) -> float:
    return float(code_entropy(codes))


def _about_classes(codes: Tensor, classes: Tensor) -> float:
    """Return H(Y) + H(codes) − H(codes and Y)."""
    joint = class_counts(codes * (int(classes.max()) + 1) + classes)
    information = label_entropy(classes) + float(code_entropy(codes)) - entropy_of_counts(joint)
    return max(0.0, information)


def _without_groups(
    codes: Tensor, classes: Tensor | None, quantity: Callable[[Tensor, Tensor], float]
) -> Tensor:
    """Return (groups,) values of a quantity without each group of samples."""
    classes = torch.zeros_like(codes) if classes is None else classes
    return group_jackknife(lambda kept: quantity(codes[kept], classes[kept]), len(codes))
