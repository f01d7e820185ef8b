"""Figures: functions that take a result and an Axes, draw on it, and return it."""

from infoflow.plots.differences import differences
from infoflow.plots.distance_histograms import distances
from infoflow.plots.maps import feature_maps
from infoflow.plots.net_graph import layer_graph
from infoflow.plots.plane import information_plane, information_planes
from infoflow.plots.probe_scores import probes
from infoflow.plots.pruning_frontier import frontier
from infoflow.plots.pruning_trial import trial
from infoflow.plots.rankings import rankings
from infoflow.plots.style import Quantity
from infoflow.plots.uplot import uplot

__all__ = [
    "Quantity",
    "differences",
    "distances",
    "feature_maps",
    "frontier",
    "information_plane",
    "information_planes",
    "layer_graph",
    "probes",
    "rankings",
    "trial",
    "uplot",
]
