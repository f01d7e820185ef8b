"""Rényi entropies of kernel matrices, from their eigenvalues or from sums of squares.

L. G. Sanchez Giraldo, M. Rao and J. C. Principe, "Measures of Entropy From Data Using Infinitely
Divisible Kernels", IEEE Transactions on Information Theory 61(1), 535-548 (2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

#: Nearer to 1 than this, α is 1: the power sum would lose all digits in the division by 1 − α.
_NEAR_ONE = 1e-6
#: Rows of a kernel whose squares are kept at a time.
_ROWS = 256


def gaussian_kernel(distances: Tensor, width: float | Literal["median"] = "median") -> Tensor:
    """Return exp(−D / 2σ²), shape (N, N), with ones on the diagonal.

    Parameters
    ----------
    distances
        (N, N) squared distances.
    width
        σ in the units of the activation, or ``"median"``: the median of the distances between
        samples that differ. Where no two samples differ, the kernel is one everywhere.
    """
    if width != "median":
        return torch.exp(-0.5 * (distances.sqrt() / width).square())  # width² may be 0 in float64
    return (distances / (-2.0 * _median_apart(distances))).exp_()


def _median_apart(distances: Tensor) -> float:
    """Return the lower median of what is above 0 for pairs of samples; 1 where nothing is."""
    values = distances.detach().cpu().numpy().ravel()
    zeros = int(np.count_nonzero(values <= 0))
    if zeros == len(values):
        return 1.0
    # every pair is there twice
    place = zeros + 2 * (((len(values) - zeros) // 2 - 1) // 2)
    return float(np.partition(values, place)[place])


def matrix_entropy(kernel: Tensor, alpha: float = 1.01) -> Tensor:
    """Return S_α of a kernel matrix, in nats.

    log(Σ λ^α) / (1 − α) over the eigenvalues λ of the matrix divided by its trace; for α = 1 the
    limit, −Σ λ log λ (von Neumann). For α = 2 the power sum is that of the matrix's squares, and
    takes no eigenvalues.

    Parameters
    ----------
    kernel
        (N, N) positive semidefinite matrix.
    alpha
        Order, greater than 0.

    Examples
    --------
    >>> import torch
    >>> round(float(matrix_entropy(torch.eye(8, dtype=torch.float64))), 4)  # log 8
    2.0794
    """
    return _blocks_entropy([kernel.to(torch.float64)], alpha)


def _blocks_entropy(blocks: Sequence[Tensor], alpha: float) -> Tensor:
    """Return S_α, in nats, of the matrix that has these blocks on its diagonal."""
    if alpha == 2.0:
        trace = sum(float(block.diagonal().sum()) for block in blocks)
        squares = torch.stack([torch.linalg.vector_norm(block) for block in blocks]).square()
        clipped: Tensor = -(squares.sum() / trace**2).log()
        return clipped.clamp(min=0.0)
    spectra = [torch.linalg.eigvalsh(block).clamp(min=0.0) for block in blocks]
    return spectrum_entropy(torch.cat(spectra), alpha)


def spectrum_entropy(eigenvalues: Tensor, alpha: float) -> Tensor:
    """Return the Rényi entropy of order ``alpha``, in nats, of eigenvalues divided by their sum."""
    shares = eigenvalues.to(torch.float64) / eigenvalues.sum()
    # what is rounding of the largest would count where the order is below 1
    rounding = len(shares) * torch.finfo(torch.float64).eps * shares.max()
    shares = torch.where(shares > rounding, shares, 0.0)
    if abs(alpha - 1.0) < _NEAR_ONE:
        entropy = torch.special.entr(shares).sum()
    else:
        entropy = shares.pow(alpha).sum().log() / (1.0 - alpha)
    clipped: Tensor = entropy.clamp(min=0.0)
    return clipped


def joint_entropy_with_classes(kernel: Tensor, labels: Tensor, alpha: float = 1.01) -> Tensor:
    """Return S_α of the Hadamard product of a kernel with that of classes, in nats.

    The kernel of classes is 1 within a class and 0 between classes, so the product falls into one
    block per class, and so do its eigenvalues.
    """
    members = [(labels == label).nonzero().squeeze(1) for label in torch.unique(labels)]
    blocks = [kernel[some[:, None], some].to(torch.float64) for some in members]
    return _blocks_entropy(blocks, alpha)


def class_squares(kernel: Tensor, orders: Tensor) -> Tensor:
    """Return for each order of the classes the sum of the kernel's squares within classes.

    One product serves all orders.

    Parameters
    ----------
    kernel
        (N, N).
    orders
        (orders, N) classes, numbered from 0.

    Examples
    --------
    >>> import torch
    >>> kernel = torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    >>> class_squares(kernel, torch.tensor([[0, 0], [0, 1]]))
    tensor([2.5000, 2.0000], dtype=torch.float64)
    """
    members = torch.nn.functional.one_hot(orders).to(kernel.dtype)
    columns = members.movedim(0, 1).flatten(1)
    found = kernel.new_zeros(len(orders))
    for rows, mine in zip(kernel.split(_ROWS), members.split(_ROWS, dim=1), strict=True):
        sums = (rows.square() @ columns).view(len(rows), len(orders), -1)
        found += (sums.movedim(0, 1) * mine).sum(dim=(1, 2))
    return found
