"""``infoflow.compare``: two results beside each other."""

from __future__ import annotations

from typing import Any

from infoflow.comparison.ablations import ablation_rows
from infoflow.comparison.comparison_result import Comparison, Difference, comparison_of
from infoflow.comparison.flows import flow_rows
from infoflow.comparison.graph_difference import graph_difference
from infoflow.flow import FlowResult
from infoflow.graph import LayerGraph
from infoflow.graph.net_result import NetResult
from infoflow.interface import ArgumentTypeError
from infoflow.pruning import Ablation
from infoflow.results import Result

_TAKEN = "two graphs, two results of infoflow.analyze or Tracker, or two of infoflow.ablate"


def compare(first: Result, second: Result, *, names: tuple[str, str] | None = None) -> Comparison:
    """Put two results beside each other: two seeds, runs, epochs, nets, or a net before and after.

    Layers and streams are compared where both nets have them. Of measured information, the last
    epochs are compared; ``result.sel(epoch=[10])`` chooses another. Intervals are paired where the
    results say which samples they share: the losses of whole nets in ablations. Elsewhere they are
    made of the two intervals, and hold whatever the two have in common.

    Parameters
    ----------
    first, second
        Two graphs, two results of :func:`infoflow.analyze` or :class:`infoflow.Tracker`, or two
        of :func:`infoflow.ablate`.
    names
        What they are called; their nets, or "first" and "second", where None.

    Returns
    -------
    Comparison
        ``.rows`` with differences, ``.graph_difference``, and a ``.conclusion``.

    Raises
    ------
    ArgumentTypeError
        If they are of different or other kinds.
    ArgumentError
        If their numbers do not mean the same: another estimator or noise, another loss.

    Examples
    --------
    >>> import infoflow, torch
    >>> points = [(torch.randn(64, 2, generator=torch.Generator().manual_seed(0)),)]
    >>> results = []
    >>> for scale in (0.1, 1.0):
    ...     net = torch.nn.Sequential(torch.nn.Linear(2, 2))
    ...     net[0].weight.data = scale * torch.eye(2)
    ...     results.append(infoflow.analyze(net, points, noise=0.1, progress=False))
    >>> found = infoflow.compare(*results)
    >>> found.rows[0].finding
    'higher'
    >>> found.conclusion
    'The graphs are the same. I(X;M), of 1: 1 higher.'
    """
    kinds = (LayerGraph, FlowResult, Ablation)
    kind = next((one for one in kinds if isinstance(first, one) and isinstance(second, one)), None)
    if kind is None:
        raise ArgumentTypeError(
            f"compare takes {_TAKEN}; got {type(first).__name__} and {type(second).__name__}."
        )
    for one in (first, second):
        one.single()
    graphs = [_graph(first), _graph(second)]
    called = names or _names(first, second)
    rows: list[Difference] = []
    notes: list[str] = []
    unit = ""
    if isinstance(first, FlowResult) and isinstance(second, FlowResult):
        rows, notes = flow_rows(first, second)
        unit = first.unit
    elif isinstance(first, Ablation) and isinstance(second, Ablation):
        rows, notes = ablation_rows(first, second)
        unit = first.unit
    if rows:
        notes = [*notes, *_reading(rows)]
    return comparison_of(
        rows,
        graph_difference(*graphs),
        unit=unit,
        model=first.model if first.model == second.model else "",
        first=called[0],
        second=called[1],
        notes=notes,
    )


def _graph(result: Any) -> LayerGraph:
    graph: LayerGraph = result.graph if isinstance(result, NetResult) else result
    return graph


def _names(first: Result, second: Result) -> tuple[str, str]:
    if first.model != second.model:
        return first.model, second.model
    return f"first {first.model}", f"second {second.model}"


def _reading(rows: list[Difference]) -> list[str]:
    """Return how the intervals are to be read."""
    found = []
    if any(not row.samples for row in rows):
        found.append(
            "Intervals that are not paired are made of the two 95 % intervals and hold whatever "
            "samples they share; they are wider than paired ones would be."
        )
    known = sum(row.finding != "not known" for row in rows)
    if known >= 20:
        found.append(
            f"Each of the {known} intervals is 95 % on its own: about {round(known / 20)} of them "
            "may miss by chance."
        )
    return found
