"""The nets of a race: the whole one, and the variants that lack some of its streams."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from infoflow.graph import LayerGraph, trace
from infoflow.graph.running.random_state import seeded
from infoflow.interface import ArgumentError, ArgumentTypeError, PruningWarning, Skip
from infoflow.interface.argument_checks import noted
from infoflow.pruning.choice import StreamName, find_streams, removals
from infoflow.pruning.rewrite import prune

#: Returns an untrained net, for a seed.
Build = Callable[..., nn.Module]
#: Sets of streams to leave out: each stream alone, or sets by the name of the variant.
Variants = Iterable[StreamName] | Mapping[str, StreamName | Iterable[StreamName]]

WHOLE = "whole"


@dataclass(frozen=True)
class Entrant:
    """A net that takes part in a race.

    Parameters
    ----------
    name
        What it is called in tables; ``"whole"`` lacks nothing.
    streams
        ``source->merge`` of each stream that it lacks.
    """

    name: str
    streams: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it lacks no stream."""
        return not self.streams


@dataclass(frozen=True)
class Workshop:
    """Builds the nets of a race.

    Parameters
    ----------
    build
        Returns an untrained net; called with a seed where it takes an argument.
    example
        A batch of inputs.
    """

    build: Build
    example: Any

    def whole(self, seed: int) -> nn.Module:
        """Return the whole net with the weights of a seed.

        Raises
        ------
        ArgumentError
            If ``build`` returns no module.
        """
        with seeded(seed), noted(f"Raised by the caller's build, for seed {seed}."):
            net = self.build(seed) if _takes_argument(self.build) else self.build()
        if not isinstance(net, nn.Module):
            raise ArgumentTypeError(
                f"build must return an untrained torch.nn.Module, got {type(net).__name__}. Pass a "
                "function from a seed to a new net."
            )
        return net

    def net(self, entrant: Entrant, seed: int) -> nn.Module:
        """Return an entrant's untrained net: the whole one's weights, without what is left out."""
        whole = self.whole(seed)
        if entrant.is_whole:
            return whole
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PruningWarning)
            return prune(whole, entrant.streams, self.example)

    def graph(self, seed: int) -> LayerGraph:
        """Return the graph of the whole net."""
        return trace(self.whole(seed), self.example)


def _takes_argument(build: Build) -> bool:
    try:
        parameters = inspect.signature(build).parameters.values()
    except (TypeError, ValueError):
        return True
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(p.kind in places and p.default is inspect.Parameter.empty for p in parameters)


def entrants_of(graph: LayerGraph, variants: Variants | None) -> tuple[Entrant, ...]:
    """Return the whole net and the variants.

    Parameters
    ----------
    graph
        Of the whole net.
    variants
        Streams, each of which is left out alone; sets by name; None for each skip connection alone.

    Raises
    ------
    ArgumentError
        If a stream does not exist, or two variants have one name or the same streams.
    PruningError
        If nothing would be left of a merge.
    """
    if isinstance(variants, (str, Skip)):
        variants = [variants]
    chosen: list[Entrant] = []
    if isinstance(variants, Mapping):
        for name, streams in variants.items():
            left_out = tuple(skip.name for skip in find_streams(graph, streams))
            if not left_out or name == WHOLE:
                raise ArgumentError(
                    f"Every variant must leave out a stream and not be named {WHOLE!r}, got "
                    f"{name!r} without {left_out or 'any'}. The whole net takes part by itself."
                )
            chosen.append(Entrant(str(name), left_out))
    else:
        every = graph.skips if variants is None else find_streams(graph, variants)
        chosen = [Entrant(f"without {skip}", (skip.name,)) for skip in every]
    if not chosen:
        raise ArgumentError(
            f"A race needs at least one variant, got none: {graph.model} has no skip connections, "
            "or variants is empty. Pass variants=, names of streams."
        )
    _check_distinct(chosen)
    for entrant in chosen:
        removals(graph, entrant.streams)
    return (Entrant(WHOLE), *chosen)


def _check_distinct(chosen: list[Entrant]) -> None:
    known: dict[object, str] = {}
    for entrant in chosen:
        for key in (entrant.name, frozenset(entrant.streams)):
            if key in known:
                raise ArgumentError(
                    f"Two variants are the same: {known[key]!r} and {entrant.name!r}. Give every "
                    "set of streams once, under a name of its own."
                )
            known[key] = entrant.name
