"""What is refitted: a layer with weights, or the running statistics of a batch norm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, fx, nn

from infoflow.pruning.mending.finding import Look, Place, attribute
from infoflow.pruning.mending.kernels import as_matrices, from_matrices, row_count, rows
from infoflow.pruning.mending.moments import Moments, about_zero
from infoflow.pruning.mending.regression import solve
from infoflow.pruning.mending.regression_targets import Target

_CHUNK_BYTES = 2**26


class Site(Protocol):
    """Something that is refitted from what both nets compute."""

    @property
    def name(self) -> str:
        """The module, or the weights."""

    @property
    def node(self) -> fx.Node:
        """The node of the net without streams before which it is refitted."""

    @property
    def reads(self) -> tuple[fx.Node, ...]:
        """Nodes of the net without streams whose values it needs."""

    @property
    def wanted(self) -> tuple[fx.Node, ...]:
        """Nodes of the whole net whose values it needs."""

    @property
    def unknowns(self) -> int:
        """Number of unknowns of a regression."""

    def count(self, look: Look, whole: Look) -> int:
        """Return how many rows a batch has."""

    def pairs(self, look: Look, whole: Look, chosen: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield features and targets of chosen rows."""

    def apply(self, net: nn.Module, found: Moments, ridge: float) -> None:
        """Give the net what fits."""


@dataclass(frozen=True)
class LayerSite:
    """A linear layer or convolution that is refitted by ridge regression.

    Parameters
    ----------
    place
        The layer, and where its weights lie.
    target
        What its output shall be.
    norm
        Name of the batch norm that takes the layer's intercept into its running mean, where the
        layer has no bias and the norm is its only reader; or None.
    """

    place: Place
    target: Target
    norm: str | None = None

    @property
    def name(self) -> str:
        """The module, or the weights."""
        return self.place.name

    @property
    def node(self) -> fx.Node:
        """The layer's node."""
        return self.place.node

    @property
    def reads(self) -> tuple[fx.Node, ...]:
        """What the layer reads, and what is added to its output."""
        return (*self.place.values, *self.target.others)

    @property
    def wanted(self) -> tuple[fx.Node, ...]:
        """The value to be learned."""
        return (self.target.node,)

    @property
    def unknowns(self) -> int:
        """Number of weights of one output."""
        return self.place.kernel.unknowns

    def count(self, look: Look, whole: Look) -> int:
        """Return the number of positions of all samples."""
        return row_count(self.place.kernel, whole(self.target.node))

    def pairs(self, look: Look, whole: Look, chosen: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what the layer reads and what it shall give."""
        kernel = self.place.kernel
        chunk = max(1, _CHUNK_BYTES // (8 * kernel.groups * (kernel.unknowns + 1)))
        target = self.target.of(whole(self.target.node), look)
        return rows(kernel, self.place.features(look), target, chosen, chunk)

    def apply(self, net: nn.Module, found: Moments, ridge: float) -> None:
        """Write new weights into the net's own tensors."""
        place, kernel = self.place, self.place.kernel
        weight, bias = place.weights(net)
        start = as_matrices(kernel, weight)
        has_intercept = bias is not None or self.norm is not None
        fit = solve(found if has_intercept else about_zero(found), ridge, start)
        silent = self.target.silent()
        stays = None if silent is None else silent.to(weight.device).view(kernel.groups, -1)
        matrices = fit.weight if stays is None else torch.where(stays[:, None], start, fit.weight)
        intercept = fit.intercept.reshape(-1)
        with torch.no_grad():
            weight.copy_(from_matrices(kernel, matrices).to(weight))
            if bias is not None:
                bias.copy_(_unless(silent, intercept.to(bias), bias))
            elif self.norm is not None:
                mean: Any = attribute(net, f"{self.norm}.running_mean")
                mean.copy_(_unless(silent, mean - intercept.to(mean), mean))


def _unless(silent: Tensor | None, new: Tensor, old: Tensor) -> Tensor:
    return new if silent is None else torch.where(silent, old, new)


@dataclass(frozen=True)
class NormSite:
    """A batch norm whose running statistics follow those of what it reads.

    The mean moves by as much, and the variance grows by the same factor, as they do from the whole
    net to this one. Where nothing has changed, the statistics stay, whatever the samples are like.

    Parameters
    ----------
    node
        The node that calls it.
    value
        The node that it reads.
    whole
        The node of the whole net in whose place that one is.
    """

    node: fx.Node
    value: fx.Node
    whole: fx.Node

    @property
    def name(self) -> str:
        """The module."""
        return str(self.node.target)

    @property
    def reads(self) -> tuple[fx.Node, ...]:
        """What the norm reads."""
        return (self.value,)

    @property
    def wanted(self) -> tuple[fx.Node, ...]:
        """What it reads in the whole net."""
        return (self.whole,)

    @property
    def unknowns(self) -> int:
        """A mean; the spread follows from it."""
        return 1

    def count(self, look: Look, whole: Look) -> int:
        """Return the number of positions of all samples."""
        value = look(self.value)
        return value.numel() // value.shape[1]

    def pairs(self, look: Look, whole: Look, chosen: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the value in both nets, channel by channel."""
        yield _channels(look(self.value), chosen), _channels(whole(self.whole), chosen)

    def apply(self, net: nn.Module, found: Moments, ridge: float) -> None:
        """Write mean and variance into the norm's buffers."""
        norm: Any = net.get_submodule(self.name)
        moved = (found.feature_mean - found.target_mean).flatten()
        now, before = found.gram.flatten(), found.target_squares.flatten()
        grown = torch.where((now > 0) & (before > 0), now / before, torch.ones_like(now))
        with torch.no_grad():
            norm.running_mean.add_(moved.to(norm.running_mean))
            norm.running_var.mul_(grown.to(norm.running_var))


def _channels(value: Tensor, chosen: Tensor) -> Tensor:
    """Return chosen positions of a value as (channels, rows, 1)."""
    value = value.movedim(1, -1)
    return value.reshape(-1, value.shape[-1])[chosen].T.unsqueeze(-1)
