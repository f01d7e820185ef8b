"""What is kept of a weight when channels go."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class KeptChannels:
    """The part of a tensor that stays.

    Parameters
    ----------
    shape
        Shape of the whole tensor.
    dim
        The dimension along which numbers go.
    kept
        The indices along ``dim`` that stay, one tuple for each of the equal blocks of dimension 0
        that lose different ones; a single tuple where all lose the same.
    """

    shape: tuple[int, ...]
    dim: int
    kept: tuple[tuple[int, ...], ...]

    def take(self, whole: Tensor) -> Tensor:
        """Return the part of ``whole`` that stays, as a tensor of its own."""
        blocks = whole.detach().chunk(len(self.kept))
        pairs = zip(blocks, self.kept, strict=True)
        return torch.cat([block.index_select(self.dim, _index(block, k)) for block, k in pairs])

    def put(self, part: Tensor, into: Tensor) -> Tensor:
        """Return a copy of ``into``, of the whole shape, with ``part`` in its place."""
        whole = into.detach().clone()
        pieces = zip(
            whole.chunk(len(self.kept)), part.chunk(len(self.kept)), self.kept, strict=True
        )
        for block, piece, kept in pieces:
            block.index_copy_(self.dim, _index(block, kept), piece.detach().to(block))
        return whole


def _index(tensor: Tensor, kept: tuple[int, ...]) -> Tensor:
    return torch.tensor(kept, dtype=torch.int64, device=tensor.device)
