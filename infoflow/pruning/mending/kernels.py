"""Linear layers and convolutions as regressions: what a row of features and a target are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

Kind = Literal["linear", "matrix", "convolution", "transposed"]


@dataclass(frozen=True)
class Kernel:
    """An affine map from values to values, whatever module or function computes it.

    Parameters
    ----------
    kind
        ``"linear"``: weights (outputs, inputs), on the last dimension; ``"matrix"``: the same
        with weights (inputs, outputs), as ``addmm`` takes them; ``"convolution"``: weights
        (outputs, inputs per group, …); ``"transposed"``: weights (inputs, outputs per group, …).
    shape
        Shape of the weights.
    stride, dilation
        A number for each spatial dimension.
    padding
        Numbers before and after each spatial dimension; of a transposed convolution, what its
        ``padding`` takes off.
    padding_mode
        As for :func:`torch.nn.functional.pad`: ``"constant"``, ``"reflect"``, ``"replicate"`` or
        ``"circular"``.
    groups
        Groups of channels that are mapped apart.
    """

    kind: Kind
    shape: tuple[int, ...]
    stride: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()
    dilation: tuple[int, ...] = ()
    padding_mode: str = "constant"
    groups: int = 1

    @property
    def spatial(self) -> int:
        """Number of spatial dimensions."""
        return 0 if self.kind in ("linear", "matrix") else len(self.shape) - 2

    @property
    def outputs(self) -> int:
        """Number of output channels."""
        if self.kind == "transposed":
            return self.shape[1] * self.groups
        return self.shape[1] if self.kind == "matrix" else self.shape[0]

    @property
    def inputs(self) -> int:
        """Number of input channels of a group."""
        if self.kind == "transposed":
            return self.shape[0] // self.groups
        return self.shape[0] if self.kind == "matrix" else self.shape[1]

    @property
    def unknowns(self) -> int:
        """Number of weights that one output channel has."""
        return self.inputs * math.prod(self.shape[2:])

    @property
    def gram_bytes(self) -> int:
        """Memory of a regression: its sums, those of a batch, and what solves them."""
        return 8 * self.groups * self.unknowns * (5 * self.unknowns + 4 * self.outputs)


def as_matrices(kernel: Kernel, weight: Tensor) -> Tensor:
    """Return weights as (groups, unknowns, outputs per group).

    Unknowns are ordered by position in the window, then by channel.
    """
    weight = weight.detach()
    if kernel.kind == "matrix":
        return weight.unsqueeze(0)
    if kernel.kind == "transposed":
        weight = _turned(kernel, weight)
    split = weight.reshape(kernel.groups, kernel.outputs // kernel.groups, weight.shape[1], -1)
    return split.permute(0, 3, 2, 1).flatten(1, 2)


def from_matrices(kernel: Kernel, matrices: Tensor) -> Tensor:
    """Return weights in the layer's own shape; undoes :func:`as_matrices`."""
    if kernel.kind == "matrix":
        return matrices.squeeze(0)
    size = kernel.shape[2:]
    outputs = kernel.outputs // kernel.groups
    split = matrices.reshape(kernel.groups, math.prod(size), -1, outputs).permute(0, 3, 2, 1)
    if kernel.kind != "transposed":
        return split.reshape(kernel.shape)
    turned = split.transpose(1, 2).reshape(kernel.shape)
    return turned.flip(tuple(range(2, len(kernel.shape))))


def _turned(kernel: Kernel, weight: Tensor) -> Tensor:
    """Return a transposed convolution's weights as those of the convolution that it is."""
    groups, size = kernel.groups, kernel.shape[2:]
    inputs, outputs = kernel.shape[0] // groups, kernel.shape[1]
    flipped = weight.flip(tuple(range(2, weight.ndim)))
    split = flipped.reshape(groups, inputs, outputs, *size).transpose(1, 2)
    return split.reshape(groups * outputs, inputs, *size)


def row_count(kernel: Kernel, output: Tensor) -> int:
    """Return how many rows, positions of all samples, an output has."""
    return output.numel() // kernel.outputs


def rows(
    kernel: Kernel, value: Tensor, target: Tensor, chosen: Tensor, chunk: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield features and targets of chosen rows, chunk by chunk.

    Parameters
    ----------
    kernel
        The layer.
    value
        What it reads.
    target
        What its output shall be, in the output's shape.
    chosen
        Numbers of rows, in the order of the output's positions.
    chunk
        Most rows at once.

    Yields
    ------
    tuple of Tensor
        (groups, rows, unknowns) and (groups, rows, outputs per group).
    """
    outputs, inputs = _output_rows(kernel, target), kernel.inputs
    windows = None if kernel.spatial == 0 else _windows(kernel, value, target)
    for part in chosen.split(chunk):
        if windows is None:
            features = value.reshape(-1, value.shape[-1])[part].unsqueeze(0)
        else:
            place = torch.unravel_index(part, windows.shape[: kernel.spatial + 1])
            split = windows[place].reshape(len(part), -1, kernel.groups, inputs)
            features = split.permute(2, 0, 1, 3).flatten(2)
        yield features, outputs[part].reshape(len(part), kernel.groups, -1).transpose(0, 1)


def _output_rows(kernel: Kernel, output: Tensor) -> Tensor:
    """Return an output as (rows, channels)."""
    if kernel.spatial and output.ndim == kernel.spatial + 2:
        output = output.movedim(1, -1)
    elif kernel.spatial:
        output = output.movedim(0, -1)
    return output.reshape(-1, kernel.outputs)


def _windows(kernel: Kernel, value: Tensor, output: Tensor) -> Tensor:
    """View a value as (samples, positions …, window …, channels)."""
    if value.ndim == kernel.spatial + 1:
        value, output = value.unsqueeze(0), output.unsqueeze(0)
    if kernel.kind == "transposed":
        view, stride = _spread(kernel, value, output), (1,) * kernel.spatial
    else:
        view, stride = _padded(kernel, value), kernel.stride
    view = view.movedim(1, -1).contiguous()  # channels last: long runs are copied faster
    for axis, (step, gap) in enumerate(zip(stride, kernel.dilation, strict=True)):
        size = kernel.shape[2 + axis]
        view = view.unfold(1 + axis, (size - 1) * gap + 1, step)[..., ::gap]
    return view.movedim(1 + kernel.spatial, -1)


def _padded(kernel: Kernel, value: Tensor) -> Tensor:
    if not any(before or after for before, after in kernel.padding):
        return value
    flat = [number for pair in reversed(kernel.padding) for number in pair]
    return functional.pad(value, flat, mode=kernel.padding_mode)


def _spread(kernel: Kernel, value: Tensor, output: Tensor) -> Tensor:
    """Return a value with zeros between its positions, as a transposed convolution reads it."""
    sizes, wanted = value.shape[2:], output.shape[2:]
    between = [(size - 1) * step + 1 for size, step in zip(sizes, kernel.stride, strict=True)]
    spread = value.new_zeros(*value.shape[:2], *between)
    places: tuple[Any, ...] = tuple(slice(None, None, step) for step in kernel.stride)
    spread[(..., *places)] = value
    flat: list[int] = []
    for axis in reversed(range(kernel.spatial)):
        reach = (kernel.shape[2 + axis] - 1) * kernel.dilation[axis]
        before = reach - kernel.padding[axis][0]
        flat += [before, wanted[axis] + reach - before - between[axis]]
    return functional.pad(spread, flat)
