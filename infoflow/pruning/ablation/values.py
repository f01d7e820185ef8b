"""Predictions and targets as numbers that a loss can be computed from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infoflow.interface import ArgumentError, TargetError
from infoflow.interface.errors import is_out_of_memory
from infoflow.pruning.ablation.outputs import Scale

#: A probability of 0 costs this many nats, as in torch's ``binary_cross_entropy``.
WORST_NATS = 100.0


def check_nats(nats: Tensor) -> Tensor:
    """Return the losses; an ArgumentError where one is not finite."""
    bad = (~torch.isfinite(nats.detach())).nonzero()
    if len(bad):
        raise ArgumentError(
            f"The loss of each sample must be finite, got {float(nats.flatten()[bad[0, 0]])} for "
            f"sample {int(bad[0, 0])} of a batch of {len(nats)}. Check the model, the target and "
            "the loss."
        )
    return nats


def numbers_of(name: str, found: Any, samples: int, advice: str) -> Tensor:
    """Return what a caller's function gave for each sample, (B,) float64.

    Raises
    ------
    ArgumentError
        If it is not a real number for each sample.
    """
    value = torch.from_numpy(found) if isinstance(found, np.ndarray) else found
    if not isinstance(value, Tensor) or value.shape != (samples,) or value.is_complex():
        got = type(found).__name__
        if isinstance(value, Tensor):
            dtype = str(value.dtype).removeprefix("torch.")
            got = f"{dtype} of shape {tuple(value.shape)}"
        raise ArgumentError(
            f"{name} must return one number for each sample, a tensor of shape ({samples},), got "
            f"{got}. {advice}"
        )
    return value.double()


def as_tensor(target: Any) -> Tensor:
    """Return a target as a tensor, where it is, or on the CPU."""
    return target if isinstance(target, Tensor) else torch.as_tensor(target, device="cpu")


def draw_from(
    draw: Callable[..., Tensor], values: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Return ``draw(values, generator=generator)``, drawn where the generator lives.

    The same generator draws the same numbers for values of any device, and they come back to it.
    """
    home = values.device if generator is None else generator.device
    return draw(values.to(home), generator=generator).to(values.device)


def as_target(target: Any, device: torch.device) -> Tensor:
    """Return a target as a tensor; a TargetError where there is none."""
    if target is None:
        raise TargetError(
            "Held-out samples need labels to measure what the prediction loses, got none. Let the "
            "loader give (inputs, target) pairs, or pass loss='model' for a model that returns its "
            "loss."
        )
    try:
        return as_tensor(target).to(device)
    except (TypeError, ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise TargetError(
            f"A target must be a tensor, got a {type(target).__name__}. Pass loss=, a function "
            "from (output, target) to the loss of each sample in nats."
        ) from error


def are_alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether two shapes number the same values in the same order.

    They may differ by dimensions of one, and one of them may be flat.

    Examples
    --------
    >>> are_alike((1, 4, 5), (4, 5)), are_alike((3, 4, 4), (4, 4, 3)), are_alike((3, 4), (12,))
    (True, False, True)
    """
    first, second = ([size for size in shape if size != 1] for shape in (one, other))
    is_flat = min(len(first), len(second)) <= 1
    return first == second or (is_flat and math.prod(first) == math.prod(second))


def as_rows(target: Tensor, rows: Tensor) -> Tensor:
    """Return a target with the shape of (B, L) predictions; a TargetError where it has another."""
    if len(target) != len(rows) or target.numel() != rows.numel():
        raise TargetError(
            f"A prediction of {rows.shape[1]} numbers a sample needs a target of as many for each "
            f"of {len(rows)} samples, got shape {tuple(target.shape)}. Reshape the target, or pass "
            "loss=, a function from (output, target) to the loss of each sample in nats."
        )
    return target.reshape(len(rows), -1)


def log_probabilities(scores: Tensor, scale: Scale) -> Tensor:
    """Return float64 logarithms of probabilities, of classes in the last dimension."""
    if scale == "logits":
        return scores.double().log_softmax(-1)
    chances = check_probabilities(scores.double())
    return chances.clamp_min(math.exp(-WORST_NATS)).log() - chances.sum(-1, keepdim=True).log()


def check_probabilities(chances: Tensor) -> Tensor:
    """Return probabilities; an ArgumentError where they are none."""
    seen = chances.detach()
    if not bool(((seen >= 0) & (seen <= 1 + 1e-6)).all()):
        bad = seen[~((seen >= 0) & (seen <= 1 + 1e-6))].flatten()[0]
        raise ArgumentError(
            f"The prediction was taken for probabilities, between 0 and 1, got {float(bad):g}. "
            "Check that the model ends in a softmax or sigmoid, or pass loss=, a function from "
            "(output, target) to the loss of each sample in nats."
        )
    return chances.clamp(max=1.0)
