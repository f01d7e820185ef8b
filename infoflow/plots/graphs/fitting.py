"""Folding until the arms of a U fit on a page."""

from __future__ import annotations

from collections.abc import Sequence

from infoflow.graph import LayerGraph
from infoflow.plots.graphs.cells import Grid, lay_out
from infoflow.plots.graphs.folding import FoldedGraph, fold

#: Arms cannot be wrapped. Longer ones are folded further than the number of places asks for.
_TALLEST = 24
_FEWEST = 6


def fold_to_page(
    graph: LayerGraph,
    *,
    unfold: str | Sequence[str] = (),
    max_places: int = 60,
    aspect: float = 1.5,
) -> tuple[FoldedGraph, Grid]:
    """Return what is drawn of a graph, and in which cells.

    Parameters
    ----------
    graph
        The graph.
    unfold, max_places
        As for :func:`fold`; the arms of a U are folded further where they are too tall.
    aspect
        As for :func:`lay_out`.

    Returns
    -------
    tuple of FoldedGraph and Grid
    """
    folded = fold(graph, unfold=unfold, max_places=max_places)
    grid = lay_out(folded, aspect)
    for fewer in range(min(max_places, len(graph)) - 1, _FEWEST, -1):
        if not grid.rising or grid.rows <= _TALLEST:
            break
        coarser = fold(graph, unfold=unfold, max_places=fewer)
        if len(coarser.places) < len(folded.places):
            again = lay_out(coarser, aspect)
            if not again.rising:
                break
            folded, grid = coarser, again
    return folded, grid
