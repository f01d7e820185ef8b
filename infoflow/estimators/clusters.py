"""How samples cluster: the entropy of each unit's bins, and distances within and between classes.

Z. Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, sections 5.1
and 5.2, Figs. 6 to 8.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from infoflow.estimators.classes import as_tensor
from infoflow.estimators.label_reading import as_classes
from infoflow.estimators.noise import check_positive
from infoflow.interface import ActivationError, ArgumentError, TargetError
from infoflow.results import Fact, Result

Array = NDArray[np.float64]
_LARGEST_BIN = 2**31 - 1


def unit_entropies(values: ArrayLike | Tensor, bin_size: float = 0.2) -> Tensor:
    """Return H(Bin(m)) of every unit alone, in bits.

    Unlike that of a whole layer, which is log N for any wide layer, the entropy of single units
    falls when they saturate and samples cluster.

    Parameters
    ----------
    values
        Shape (N, ...), one row per sample.
    bin_size
        Width of a bin, in units of the activation.

    Returns
    -------
    Tensor
        float64, shape (units,); between 0 and log2 N.

    Raises
    ------
    ArgumentError
        If the bin size is not a positive number, or too small for the values.
    ActivationError
        If a value is NaN or infinite.

    References
    ----------
    .. [1] Z. Goldfeld et al., ICML 2019, section 5.2.

    Examples
    --------
    >>> unit_entropies([[0.0, 0.0], [0.0, 1.0], [0.0, 2.0], [0.0, 3.0]], bin_size=0.5)
    tensor([0., 2.], dtype=torch.float64)
    """
    counts = UnitCounts(bin_size)
    rows = as_tensor(values, "values", ActivationError)
    if rows.ndim == 0 or not len(rows):
        raise ActivationError(
            f"values must hold a row for each sample, got shape {tuple(rows.shape)}."
        )
    counts.update(rows)
    return counts.entropies()


class UnitCounts:
    """How many samples fell into each bin of each unit, counted batch by batch.

    Memory grows with the number of pairs of a unit and a bin that occur, at 16 bytes each.

    Parameters
    ----------
    bin_size
        Width of a bin, in units of the activation.

    Raises
    ------
    ArgumentError
        If the bin size is not a positive number.
    """

    def __init__(self, bin_size: float) -> None:
        check_positive("bin_size", bin_size, "The paper uses 0.2.")
        self._bin_size = bin_size
        self._keys = torch.empty(0, dtype=torch.int64, device="cpu")
        self._counts = torch.empty(0, dtype=torch.int64, device="cpu")
        self._units: int | None = None

    def update(self, values: Tensor) -> None:
        """Count the samples of a batch of shape (batch, ...)."""
        if values.is_complex():
            values = torch.view_as_real(values)
        rows = values.detach().reshape(len(values), -1)
        if self._units not in (None, rows.shape[1]):
            raise ActivationError(
                f"Batches must have {self._units} units as the first one, got {rows.shape[1]}."
            )
        self._units = rows.shape[1]
        bins = torch.floor(rows.to(torch.float64) / self._bin_size).cpu()
        if not bool(torch.isfinite(bins).all()):
            raise ActivationError("values must be finite, got NaN or infinity.")
        if bins.numel() and float(bins.abs().max()) > _LARGEST_BIN:
            raise ArgumentError(
                f"bin_size {self._bin_size:g} is too small for these activations; use a larger one."
            )
        units = torch.arange(self._units, dtype=torch.int64, device="cpu") << 32
        keys = (units + (bins.to(torch.int64) + 2**31)).reshape(-1)
        keys, counts = torch.unique(keys, return_counts=True)
        self._add(keys, counts)

    def _add(self, keys: Tensor, counts: Tensor) -> None:
        joined, places = torch.unique(torch.cat([self._keys, keys]), return_inverse=True)
        total = torch.zeros(len(joined), dtype=torch.int64, device="cpu")
        self._keys = joined
        self._counts = total.index_add_(0, places, torch.cat([self._counts, counts]))

    def entropies(self) -> Tensor:
        """Return H(Bin(m)) of each unit, in bits, shape (units,)."""
        units, counts = self._keys >> 32, self._counts.to(torch.float64)
        zeros = torch.zeros(self._units or 0, dtype=torch.float64, device="cpu")
        samples = zeros.index_add(0, units, counts)
        surprise = zeros.index_add(0, units, counts * counts.log2())
        return (samples.log2() - surprise / samples).clamp(min=0.0)


class DistanceHistograms(Result):
    """Distances between samples of one class, and of different classes.

    Attributes
    ----------
    edges
        (bins + 1,) edges of the bins, in units of the activation.
    within, between
        (bins,) share of the pairs of either kind in each bin; each sums to 1, or is NaN where there
        is no such pair.
    within_pairs, between_pairs
        Number of pairs of either kind.
    within_median, between_median
        Median distance of either kind, NaN where there is no such pair.
    """

    needs = ("low", "high", "within", "between")
    dims = ("bin",)
    always = ("within", "between")
    within_pairs, between_pairs = Fact(int), Fact(int)
    within_median, between_median = Fact(float), Fact(float)

    @property
    def edges(self) -> Array:
        """Edges of the bins."""
        bins = self.single().dataset
        return np.append(bins["low"].values, bins["high"].values[-1:])

    @property
    def within(self) -> Array:
        """Shares of the pairs within classes."""
        return np.asarray(self.single().dataset["within"].values)

    @property
    def between(self) -> Array:
        """Shares of the pairs between classes."""
        return np.asarray(self.single().dataset["between"].values)

    def title(self) -> str:
        """Return the median distances."""
        return (
            f"within classes: median distance {self.within_median:.4g} "
            f"({self.within_pairs} pairs); between classes: {self.between_median:.4g} "
            f"({self.between_pairs} pairs)"
        )

    def table(self) -> str:
        """Return the median distances."""
        return self.title()


def distance_histograms(
    distances: ArrayLike | Tensor, labels: ArrayLike | Tensor, *, bins: int = 50
) -> DistanceHistograms:
    """Count the distances between samples, within classes and between classes.

    Clusters show as pairs within classes that move to distance 0 (Goldfeld et al., Fig. 6).

    Parameters
    ----------
    distances
        (N, N) *squared* distances, as an estimator that asks for ``Distances()`` is given them.
    labels
        (N,) classes.
    bins
        Number of bins of equal width, from 0 to the largest distance.

    Raises
    ------
    ArgumentError
        If ``bins`` is not a whole number above 0, or the distances are no square matrix.
    TargetError
        If the labels are not one class per sample.

    Examples
    --------
    >>> found = distance_histograms([[0, 1, 16], [1, 0, 25], [16, 25, 0]], [0, 0, 1], bins=5)
    >>> found.within.tolist(), found.between.tolist()
    ([0.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0])
    >>> print(found)
    within classes: median distance 1 (1 pairs); between classes: 4.5 (2 pairs)
    """
    if not isinstance(bins, int) or isinstance(bins, bool) or bins < 1:
        raise ArgumentError(f"bins must be a whole number of at least 1, got {bins!r}.")
    squared = as_tensor(distances, "distances", ActivationError).cpu().to(torch.float64)
    if squared.ndim != 2 or squared.shape[0] != squared.shape[1]:
        raise ArgumentError(
            f"distances must be squared distances of shape (N, N), got {tuple(squared.shape)}."
        )
    classes = as_classes(labels, len(squared)).cpu()
    rows, columns = torch.triu_indices(len(squared), len(squared), 1)
    apart = squared[rows, columns].clamp(min=0.0).sqrt().numpy()
    same = (classes[rows] == classes[columns]).numpy()
    if not len(apart):
        raise TargetError("labels and distances must be of at least 2 samples, got 1.")
    edges = np.linspace(0.0, float(apart.max()) or 1.0, bins + 1)
    kinds = {"within": apart[same], "between": apart[~same]}
    import xarray as xr  # late, since estimators of arrays do without it

    variables: dict[str, Any] = {
        name: ("bin", _shares(found, edges), {"long_name": f"share of pairs {name} classes"})
        for name, found in kinds.items()
    }
    for name, found in kinds.items():
        variables[f"{name}_pairs"] = ((), len(found))
        variables[f"{name}_median"] = ((), float(np.median(found)) if len(found) else math.nan)
    bounds = {"low": ("bin", edges[:-1]), "high": ("bin", edges[1:])}
    return DistanceHistograms(xr.Dataset({**bounds, **variables}))


def _shares(distances: Array, edges: Array) -> Array:
    """Return the share of the distances in each bin, NaN where there are none."""
    if not len(distances):
        return np.full(len(edges) - 1, np.nan)
    return np.asarray(np.histogram(distances, edges)[0] / len(distances))
