"""Mutual information of a layer whose values are cut into bins of equal mass."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.estimators.bin_codes import BLOCK, bin_digests, number_digests
from infoflow.estimators.binning import estimate_codes
from infoflow.estimators.statistics import Values
from infoflow.estimators.uncertainty import PERMUTATIONS
from infoflow.interface import ArgumentError, Estimate

#: Quantiles are taken of at most this many of a layer's values, evenly spaced ones.
_MOST_SORTED = 2**20


def equal_mass_edges(values: Tensor, bins: int) -> Tensor:
    """Return the inner edges that cut a layer's values into bins of equal mass.

    They are the quantiles 1/bins, 2/bins, … over all samples and units, without repeats: where many
    values are equal, as after a ReLU, there are fewer bins. Of more than about a million values,
    evenly spaced ones are sorted.

    Parameters
    ----------
    values
        Shape (N, units).
    bins
        Number of bins, at least 2.

    Returns
    -------
    Tensor
        Ascending, at most bins − 1 of them.

    Examples
    --------
    >>> import torch
    >>> equal_mass_edges(torch.arange(8.0)[:, None], 4).tolist()
    [2.0, 4.0, 6.0]
    """
    flat = values.reshape(-1)
    if not len(flat):
        return flat
    step = -(-len(flat) // _MOST_SORTED)
    while math.gcd(step, values.shape[1]) > 1:
        step += 1  # else it would meet some of the units only
    ordered = flat[::step].sort().values
    places = torch.arange(1, bins, device=values.device, dtype=torch.int64) * len(ordered) // bins
    edges: Tensor = torch.unique(ordered[places])
    return edges


@dataclass(frozen=True)
class EqualMassBinning:
    """I(X;M) and I(Y;M) of a layer whose values are cut into bins that are equally full.

    The edges are quantiles over all samples and units of the layer, so they follow it as it grows,
    and unbounded activations need no bin size. A sample's code is the tuple of its units' bins, as
    for :class:`infoflow.Binning`. Both numbers are exact for the sample at hand, but the bins have
    another width in each layer and each epoch, so that layers are compared by the order of their
    values, not by their scale.

    Parameters
    ----------
    bins
        Bins a layer, at least 2. Saxe et al. use 30.

    Raises
    ------
    ArgumentError
        If ``bins`` is not a whole number of at least 2.

    References
    ----------
    .. [1] A. M. Saxe et al., "On the Information Bottleneck Theory of Deep Learning", ICLR 2018.

    Examples
    --------
    >>> import infoflow, numpy as np
    >>> values = np.array([[0.0], [1.0], [1000.0], [2000.0]])
    >>> infoflow.estimate(values, [0, 0, 1, 1], estimator=infoflow.EqualMassBinning(bins=2)).ixm
    1.0
    """

    bins: int = 30

    def __post_init__(self) -> None:
        if not isinstance(self.bins, int) or isinstance(self.bins, bool) or self.bins < 2:
            raise ArgumentError(
                f"bins must be a whole number of at least 2, got {self.bins!r}. 30 is usual."
            )

    @property
    def name(self) -> str:
        """``"equal-mass"``."""
        return "equal-mass"

    @property
    def statistic(self) -> Values:
        """The values of the whole layer, from which the quantiles are taken."""
        return Values()

    @property
    def kind(self) -> str:
        """What the number is of."""
        return (
            f"information in M quantised to {self.bins} bins of equal mass over the layer, exact "
            "for the sample"
        )

    def estimate(self, statistic: Tensor, labels: Tensor | None) -> Estimate:
        """Return the estimate in nats from (N, units) values and (N,) classes."""
        edges = equal_mass_edges(statistic, self.bins)
        rows = statistic.split(max(1, BLOCK // max(statistic.shape[1], 1)))
        digests = [
            digest
            for block in rows
            for digest in bin_digests(torch.bucketize(block, edges, right=True), 1.0)
        ]
        codes = number_digests(digests).to(statistic.device)
        return estimate_codes(codes, labels, self.kind, PERMUTATIONS)
