"""Two results beside each other: what differs, and by how much."""

from infoflow.comparison.compare import compare
from infoflow.comparison.comparison_result import Comparison, Difference
from infoflow.comparison.graph_difference import GraphDifference, graph_difference

__all__ = ["Comparison", "Difference", "GraphDifference", "compare", "graph_difference"]
