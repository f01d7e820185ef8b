"""From a layer graph to boxes and lines on a page: what is folded, and what lies where."""

from infoflow.plots.graphs.folding import FoldedGraph, fold

__all__ = ["FoldedGraph", "fold"]
