"""From an nn.Module to a graph of layers, streams and merges."""

from infoflow.graph.layer_graph import LayerGraph
from infoflow.graph.trace import trace

__all__ = ["LayerGraph", "trace"]
