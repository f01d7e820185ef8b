"""Other inputs of the same kind as an example, to try a recording on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.comparison import is_plain
from infoflow.graph.running.pytree import first_tensor
from infoflow.graph.running.ragged import change_numbers, is_ragged
from infoflow.graph.tracing.sample_axes import Kept


def random_like(call: Arguments, seed: int = 1) -> Arguments:
    """Return a call of the same shapes with random numbers of the same range.

    Booleans that are not the first tensor are rows of the example in another order. Integers stay
    within the range of the example, so that token numbers remain valid; those that are all the same
    stay as they are, as masks must, unless they are the first.
    """
    generator = torch.Generator().manual_seed(seed)
    first = first_tensor(call.first)

    def draw(tensor: Tensor) -> Tensor:
        if tensor.numel() == 0 or tensor.is_meta:
            return tensor
        if is_ragged(tensor):
            varied: Tensor = change_numbers(draw, tensor)
            return varied
        if not is_plain(tensor):
            return tensor
        if tensor.is_complex():
            scale = tensor.abs().max() + (tensor.abs().max() == 0)
            noise = torch.rand(
                (*tensor.shape, 2), generator=generator, dtype=torch.float32, device="cpu"
            ).to(tensor.device)
            return (torch.view_as_complex(noise) * scale).to(tensor.dtype)
        if tensor.dtype is torch.bool:
            if tensor is not first:
                return tensor.flip(0) if tensor.ndim else tensor
            return (
                torch.rand(tensor.shape, generator=generator, dtype=torch.float32, device="cpu")
                < 0.5
            ).to(tensor.device)
        low, high = tensor.min(), tensor.max()
        if tensor.is_floating_point():
            noise = torch.rand(
                tensor.shape, generator=generator, dtype=torch.float32, device="cpu"
            ).to(tensor.device, tensor.dtype)
            is_flat = not bool(high > low) or not bool(torch.isfinite(high - low))
            return noise if is_flat else low + (high - low) * noise
        if bool(high > low):
            top = int(high) + 1
        elif tensor is first:
            top = int(high) + 2
        else:
            return tensor
        drawn = torch.randint(int(low), top, tensor.shape, generator=generator, device="cpu")
        return drawn.to(tensor.device, tensor.dtype)

    return call.map(draw)


def last_and_new(call: Arguments, fresh: Arguments) -> Arguments:
    """Return the last sample of a call beside the first of another."""
    others = iter(fresh.per_sample())
    return call.combine(lambda leaf: torch.cat([leaf[-1:], next(others)[:1]]))


def with_another(call: Arguments, fresh: Arguments) -> tuple[Arguments, Kept]:
    """Return the call with a sample of another, before the last, and where the others went."""
    added = iter(fresh.per_sample())

    def grow(leaf: Any) -> Any:
        more = next(added)[:1]
        if isinstance(leaf, Tensor):
            return torch.cat([leaf[:-1], more, leaf[-1:]])
        return [*leaf[:-1], *more, leaf[-1]]

    samples = call.samples
    kept = [*((row, row) for row in range(samples - 1)), (samples - 1, samples)]
    return call.combine(grow), kept


def with_other_last(call: Arguments, fresh: Arguments) -> Arguments:
    """Return the call with the last sample of another in the place of its last."""
    others = iter(fresh.per_sample())

    def change(leaf: Any) -> Any:
        other = next(others)
        if isinstance(leaf, Tensor):
            return torch.cat([leaf[:-1], other[-1:]])
        return [*leaf[:-1], other[-1]]

    return call.combine(change)
