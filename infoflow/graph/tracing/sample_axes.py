"""Which dimension of a layer's value counts the samples, and whether samples stay apart."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from infoflow.graph.running.comparison import is_close
from infoflow.graph.tracing.node_info import NodeInfo
from infoflow.graph.tracing.program import per_sample

#: Samples that two batches have in common: their rows in the one and in the other.
Kept = Sequence[tuple[int, int]]


def sample_axis(
    fact: NodeInfo, value: Tensor | None, samples: int, other: int, kept: Kept
) -> tuple[int, str | None]:
    """Return the dimension that counts the samples, and why there is none, or None.

    Parameters
    ----------
    fact
        What is known of the value for a batch of ``samples``.
    value
        The value for a batch of ``other`` samples, of which some are the same.
    kept
        Which.
    """
    if value is None or fact.probe is None:
        return 0, "its value holds no tensor with a row per sample"
    if len(fact.shape) != value.ndim:
        return 0, f"its shape is {fact.shape} for one batch and {tuple(value.shape)} for another"
    axis = _axis(fact.shape, tuple(value.shape), samples, other)
    if axis is None:
        return 0, (
            f"its shape is {fact.shape} for {samples} samples and {tuple(value.shape)} for {other}"
        )
    before = per_sample(fact.probe.numbers, samples, axis)
    after = per_sample(fact.probe.of(value), other, axis)
    if len(kept) == 1:  # a view is quicker than a choice of rows
        ((row, place),) = kept
        stays = is_close(before[row], after[place])
    else:
        rows, places = [row for row, _ in kept], [place for _, place in kept]
        stays = is_close(before[rows], after[places])
    if not stays:
        return axis, "its value for one sample depends on the others in the batch"
    return axis, None


def _axis(shape: tuple[int, ...], wider: tuple[int, ...], samples: int, other: int) -> int | None:
    if samples == other:
        return 0 if shape == wider and shape and shape[0] % samples == 0 else None
    grown = [axis for axis, pair in enumerate(zip(shape, wider, strict=True)) if len({*pair}) > 1]
    if len(grown) != 1:
        return None
    (axis,) = grown
    is_multiple = shape[axis] and shape[axis] % samples == 0
    in_step = shape[axis] * other == wider[axis] * samples
    return axis if is_multiple and in_step and (axis == 0 or shape[axis] == samples) else None
