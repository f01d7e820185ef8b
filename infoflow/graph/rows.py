"""Whether a layer's value has one row per sample, proved by changing one sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from infoflow.graph.program import Program, first_tensor, per_sample


def find_unmeasurable(
    program: Program, values: Mapping[fx.Node, str], inputs: Sequence[Any], samples: int
) -> dict[str, str]:
    """Return the layers whose value mixes samples, each with the reason.

    The program runs on ``inputs`` and on the same with another last sample, side by side: every
    other row of a layer's value must stay as it was. Sequence-first tensors, whose first dimension
    is time, and operations across the batch fail this. With one sample only the shape is looked at.
    """
    reasons: dict[str, str] = {}
    both = zip(program.run(inputs), program.run(_with_other_last(inputs, samples)), strict=True)
    for (node, value), (_, changed) in both:
        if node in values:
            reason = _reason(first_tensor(value), first_tensor(changed), samples)
            if reason:
                reasons[values[node]] = reason
    return reasons


def _with_other_last(inputs: Sequence[Any], samples: int) -> Any:
    generator = torch.Generator().manual_seed(0)

    def change(tensor: Tensor) -> Tensor:
        if samples < 2 or tensor.ndim == 0 or len(tensor) != samples:
            return tensor
        changed = tensor.clone()
        if tensor.is_floating_point():
            noise = torch.randn(tensor[-1].shape, generator=generator)
            changed[-1] += noise.to(tensor.device, tensor.dtype)
        else:
            changed[-1] = tensor[-1].flatten().roll(1).view_as(tensor[-1])
        return changed

    return pytree.tree_map_only(Tensor, change, list(inputs))


def _reason(value: Tensor | None, changed: Tensor | None, samples: int) -> str | None:
    if value is None or changed is None:
        return "its value holds no tensor"
    try:
        before, after = per_sample(value, samples)[:-1], per_sample(changed, samples)[:-1]
    except ValueError as error:
        return str(error)
    if before.is_floating_point():
        scale = float(before.abs().nan_to_num(0.0, 0.0, 0.0).max()) if before.numel() else 0.0
        same = torch.allclose(before, after, rtol=1e-4, atol=1e-5 * scale, equal_nan=True)
    else:
        same = torch.equal(before, after)
    return None if same else "its value for one sample depends on the others in the batch"
