"""Nets with data whose mutual information is known at every layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from infoflow.interface import LayerNotFoundError


@dataclass(frozen=True)
class LayerTruth:
    """What is known of one layer, in nats.

    Parameters
    ----------
    layer
        Name of the layer in the traced graph.
    ixm, iym
        I(X;M) and I(Y;M) of the quantity that the net's ``quantity`` names.
    """

    layer: str
    ixm: float
    iym: float


@dataclass(frozen=True)
class StreamTruth:
    """What is known of one stream into a merge, in nats; the words are those of ``FlowResult``.

    Parameters
    ----------
    source
        Name of the layer that the stream comes from.
    own, rest, all
        I(Y; this stream), I(Y; all but this one), I(Y; all streams).
    """

    source: str
    own: float
    rest: float
    all: float

    @property
    def added(self) -> float:
        """What would be lost with the stream."""
        return self.all - self.rest

    @property
    def shared(self) -> float:
        """What the stream and the others know both: the least of what either side knows."""
        return min(self.own, self.rest)

    @property
    def unique(self) -> float:
        """What only this stream knows."""
        return self.own - self.shared

    @property
    def synergy(self) -> float:
        """What neither the stream nor the others know alone."""
        return self.added - self.unique


@dataclass(frozen=True, eq=False)
class KnownNet:
    """A net with data, and the truth at every layer.

    Parameters
    ----------
    name
        What it is, for tables.
    model
        Takes ``inputs``; deterministic.
    inputs, labels
        (N, features) float32, and (N,) int64 classes of Y.
    truths
        One per layer of the traced graph, in its order.
    quantity
        What the truths are of.
    streams
        What is known of each stream into the net's merge; empty where there is none.
    noise_covariances
        By layer, the (units, units) float64 covariance of the noise that the quantity speaks of;
        empty where there is no noise.
    """

    name: str
    model: nn.Module
    inputs: Tensor
    labels: Tensor
    truths: tuple[LayerTruth, ...]
    quantity: str
    streams: tuple[StreamTruth, ...] = ()
    noise_covariances: Mapping[str, Tensor] = field(default_factory=dict)

    def truth(self, layer: str) -> LayerTruth:
        """Return the truth of a layer by its name.

        Raises
        ------
        LayerNotFoundError
            If no layer has that name.
        """
        for truth in self.truths:
            if truth.layer == layer:
                return truth
        raise LayerNotFoundError(
            f"layer must be one of {', '.join(truth.layer for truth in self.truths)}, got "
            f"{layer!r}."
        )
