"""The results that a report is of: single ones, with names, of one net."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infoflow.graph import LayerGraph
from infoflow.graph.net_result import NetResult
from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.results import Result

#: What :func:`infoflow.report` takes.
Results = Result | Sequence[Result] | Mapping[str, Result]


@dataclass(frozen=True)
class Entry:
    """A result that joins no others, and what it is called in the page; empty for its kind."""

    name: str
    result: Result

    @property
    def graph(self) -> LayerGraph | None:
        """The graph of its net, where it holds one."""
        if isinstance(self.result, LayerGraph):
            return self.result
        return self.result.graph if isinstance(self.result, NetResult) else None

    @property
    def shown(self) -> str:
        """Its name, or its kind where it has none."""
        return self.name or type(self.result).__name__


def gathered(results: Results) -> tuple[Entry, ...]:
    """Return single results with their names; what was joined is taken apart.

    Raises
    ------
    ArgumentError
        If there is none, or they are of different nets.
    ArgumentTypeError
        If one is no result.
    """
    given = _named(results)
    if not given:
        raise ArgumentError(
            "A report needs at least one result, got none. Pass what infoflow.ablate or "
            "infoflow.analyze returned."
        )
    for _, one in given:
        if not isinstance(one, Result):
            raise ArgumentTypeError(
                "A report is of results such as those of infoflow.ablate and infoflow.analyze, "
                f"got {type(one).__name__}. Read a file with infoflow.load(path) first."
            )
    entries = tuple(entry for name, one in given for entry in _single(name, one))
    _check_one_net(entries)
    return entries


def _named(results: Any) -> list[tuple[str, Any]]:
    if isinstance(results, Result):  # some are sequences or mappings themselves
        return [("", results)]
    if isinstance(results, Mapping):
        return [(str(name), one) for name, one in results.items()]
    if isinstance(results, Sequence) and not isinstance(results, str):
        return [("", one) for one in results]
    return [("", results)]


def _single(name: str, result: Result) -> Iterator[Entry]:
    if not result.joined_along:
        yield Entry(name, result)
        return
    along = result.joined_along[0]
    for label in dict.fromkeys(result.dataset[along].values.tolist()):
        part = f"{along} {label}"
        yield from _single(f"{name}, {part}" if name else part, result.sel(**{along: label}))


def _check_one_net(entries: Sequence[Entry]) -> None:
    """Raise an ArgumentError where two results are of nets that differ."""
    for what in (_model, _layers):
        known = [(entry, what(entry)) for entry in entries if what(entry)]
        for entry, found in known[1:]:
            if found != known[0][1]:
                raise ArgumentError(
                    f"A report is of one net, got {_described(known[0][0])} and "
                    f"{_described(entry)}, which differ. Write a report of each, or of "
                    "infoflow.compare(one, other)."
                )


def _model(entry: Entry) -> str:
    return entry.result.model or ""


def _layers(entry: Entry) -> list[tuple[str, str]]:
    """Return the layers; two nets of one class may have other ones. Shapes are those of inputs."""
    return [] if entry.graph is None else [(layer.name, layer.kind) for layer in entry.graph]


def _described(entry: Entry) -> str:
    layers = "" if entry.graph is None else f" with {len(entry.graph)} layers"
    return f"{entry.shown} ({entry.result.model}{layers})"
