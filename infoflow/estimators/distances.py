"""Squared distances between samples, through Gram matrices of centred values in float64."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from infoflow.interface import ActivationError

#: Row blocks of a symmetric product: with b blocks it costs (b + 1) / 2b of the full one. SciPy's
#: dsyrk halves it too, but on threads of its own that fight with torch's: twice as slow here.
_BLOCKS = 8
#: Narrower blocks cost more than they save.
_NARROWEST = 64
#: Rows and columns that are worked on at a time where a matrix is made symmetric.
_TILE = 256
#: Values of some rows at a time: 2 MB stay near the processor's caches.
_ROW_VALUES = 2**18
#: Values that are converted to float64 at a time.
CHUNK_BYTES = 16 * 2**20
#: So many stay near the processor's caches.
NEAR_BYTES = 2 * 2**20


def squared_distances(values: Tensor) -> Tensor:
    """Return the squared Euclidean distances between the rows of ``values``.

    Parameters
    ----------
    values
        Tensor of shape (N, d), any floating dtype.

    Returns
    -------
    Tensor
        float64, shape (N, N), symmetric, zero on the diagonal. Through the Gram matrix of centred
        values, rounding is about 1e-15 of the largest squared norm, not of each distance.

    Examples
    --------
    >>> import torch
    >>> squared_distances(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    tensor([[ 0., 25.],
            [25.,  0.]], dtype=torch.float64)
    """
    gram = torch.zeros(len(values), len(values), dtype=torch.float64, device=values.device)
    add_products(gram, values)
    return distances_from_gram(gram)


def finite_distances(values: Tensor) -> Tensor:
    """Return :func:`squared_distances`; an ActivationError where they overflow."""
    distances = squared_distances(values)
    # the largest is NaN where any is
    if distances.numel() and not bool(distances.max().isfinite()):
        raise ActivationError(
            f"activations must be below about 1e150, so that squared distances are numbers, got "
            f"{float(values.abs().max()):.3g}. Rescale them, for example by their largest value."
        )
    return distances


def add_products(gram: Tensor, values: Tensor) -> None:
    """Add the inner products of the centred rows of ``values`` to the upper part of ``gram``.

    Gram matrices add up over slices of the columns. Without the centring, float32 loses the
    distances between samples that are close to each other and far from zero.

    Parameters
    ----------
    gram
        float64, shape (N, N); changed in place on and above the diagonal.
    values
        Shape (N, d): all samples, any slice of the units.
    """
    for centred in _centred_chunks(values):
        add_upper_products(gram, centred)


def add_upper_products(gram: Tensor, rows: Tensor) -> None:
    """Add the inner products of rows to the upper part of a matrix, for half the price.

    Parameters
    ----------
    gram
        Shape (N, N); changed in place on and above the diagonal, and in small squares below it.
    rows
        Shape (N, d), of the same dtype.
    """
    step = max(_NARROWEST, -(-len(rows) // _BLOCKS))
    for start in range(0, len(rows), step):
        gram[start : start + step, start:].addmm_(rows[start : start + step], rows[start:].T)


def mirror_upper(gram: Tensor) -> None:
    """Copy what is above the diagonal of a matrix to below it, in place."""
    for start in range(0, len(gram), _TILE):
        rows = slice(start, start + _TILE)
        square = gram[rows, rows]
        square.triu_().add_(square.triu(1).T)
        for right in range(start + _TILE, len(gram), _TILE):
            columns = slice(right, right + _TILE)
            gram[columns, rows] = gram[rows, columns].T


def distances_from_gram(gram: Tensor) -> Tensor:
    """Turn the upper part of a Gram matrix into squared distances, in place, and return it.

    D_ij = G_ii + G_jj − 2 G_ij, not below 0 where rounding would have it so.
    """
    norms = gram.diagonal().clone()
    for start in range(0, len(gram), _TILE):
        rows = slice(start, start + _TILE)
        gram[rows, start:].mul_(-2.0).add_(norms[start:] + norms[rows, None]).clamp_(min=0.0)
    mirror_upper(gram)
    return gram.fill_diagonal_(0.0)


class DistanceRows:
    """Squared distances in blocks of rows, for numbers of samples whose N×N matrix has no room.

    Iterating yields (rows, N) float64 blocks, as often as asked.

    Parameters
    ----------
    values
        Shape (N, d), float32 or float64; kept, and best centred.
    rows
        Number of rows of a block.
    """

    def __init__(self, values: Tensor, rows: int) -> None:
        self.values = values
        self.rows = rows
        self.norms = torch.zeros(len(values), dtype=torch.float64, device=values.device)
        for centred in _centred_chunks(values):
            self.norms += centred.square().sum(1)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def device(self) -> torch.device:
        """Where the values are."""
        return self.values.device

    def __iter__(self) -> Iterator[Tensor]:
        for start in range(0, len(self.values), self.rows):
            rows = slice(start, min(start + self.rows, len(self.values)))
            block = self._between(rows)
            block.diagonal(start).zero_()
            yield block

    def some(self, numbers: Tensor) -> Iterator[Tensor]:
        """Yield (rows, N) blocks of some rows, as (n,) int64 numbers of samples."""
        for chosen in numbers.split(self.rows):
            yield self._between(chosen).scatter_(1, chosen[:, None], 0.0)

    def _between(self, rows: slice | Tensor) -> Tensor:
        """Return the distances of some samples to all, but for rounding of those to themselves."""
        norms = self.norms[rows, None]
        products = norms.new_zeros(len(norms), len(self.values))
        for centred in _centred_chunks(self.values):
            products.addmm_(centred[rows], centred.T)
        return products.mul_(-2.0).add_(self.norms + norms).clamp_(min=0.0)


def some_rows(distances: Tensor | DistanceRows, numbers: Tensor) -> Iterator[Tensor]:
    """Yield some rows of squared distances in blocks.

    Parameters
    ----------
    distances
        Of N samples.
    numbers
        (n,) int64 numbers of samples, in the order of the rows that are returned.

    Examples
    --------
    >>> [block.tolist() for block in some_rows(torch.eye(3), torch.tensor([2]))]
    [[[0.0, 0.0, 1.0]]]
    """
    if isinstance(distances, DistanceRows):
        yield from distances.some(numbers)
        return
    for chosen in numbers.split(max(1, _ROW_VALUES // len(distances))):
        yield distances.index_select(0, chosen)


def blocks_of(distances: Tensor | DistanceRows) -> Iterable[Tensor]:
    """Return squared distances as blocks of rows; a matrix is a single block."""
    return [distances] if isinstance(distances, Tensor) else distances


def centred_norms(distances: Tensor | DistanceRows) -> Tensor:
    """Return (N,) squared distances of the samples from their mean; they average to the variance.

    Of a matrix, ‖m_i − mean‖² = mean_j D_ij − mean_jk D_jk / 2.
    """
    if isinstance(distances, DistanceRows):
        return distances.norms
    means = distances.mean(dim=1)
    return means - means.mean() / 2


def _centred_chunks(values: Tensor) -> Iterator[Tensor]:
    """Yield slices of the columns in float64, less their means; use each before the next.

    They are converted by the few columns, which stay near the caches, and multiplied by the many.
    """
    columns = columns_per_chunk(len(values))
    few = max(1, NEAR_BYTES // (8 * max(len(values), 1)))
    room = values.new_empty(len(values), min(columns, values.shape[1]), dtype=torch.float64)
    for chunk in values.split(columns, dim=1):
        centred = room[:, : chunk.shape[1]]
        for part, place in zip(chunk.split(few, dim=1), centred.split(few, dim=1), strict=True):
            place.copy_(part)
            place -= place.mean(dim=0)
        yield centred


def without_rounding(distances: Tensor) -> Tensor:
    """Return squared distances with those set to 0 that may be rounding alone.

    For estimators that tell equal samples from near ones. What is below 1e-13 of the largest
    squared distance counts as 0, and so does what is below 1e-30: a constant layer's values differ
    from their rounded mean by less. So activations below about 1e-15 are no different from 0.

    Examples
    --------
    >>> import torch
    >>> without_rounding(torch.tensor([[0.0, 3e-16], [3e-16, 0.0]]).double() ** 2)
    tensor([[0., 0.],
            [0., 0.]], dtype=torch.float64)
    """
    floor = max(1e-13 * float(distances.max()), 1e-30)
    return torch.where(distances > floor, distances, 0.0)


def effective_dimension(distances: Tensor) -> float:
    """Return how many dimensions the samples fill, from (N, N) squared distances.

    The participation ratio (Σ λ)² / Σ λ² of the eigenvalues λ of their covariance: d for samples
    spread evenly over d dimensions, at most N − 1, and 0 where all samples are equal.
    """
    # of the centred Gram matrix: its trace, and the sum of its squares, times −2 and 4
    samples, means = len(distances), distances.mean(dim=1)
    whole = float(means.mean())
    rows = torch.linalg.vector_norm(distances, dim=1)  # no N×N matrix of squares
    squares = float(rows.square().sum() - 2 * samples * means.square().sum())
    squares += samples**2 * whole**2
    return 0.0 if whole == 0.0 or squares <= 0.0 else (samples * whole) ** 2 / squares


def columns_per_chunk(rows: int) -> int:
    """Return how many columns of ``rows`` float64 values are converted at a time."""
    return max(1, CHUNK_BYTES // (8 * max(rows, 1)))
