"""Figures: functions that take a result and an Axes, draw on it, and return it."""

from infoflow.plots.distances import distances
from infoflow.plots.graph import layer_graph
from infoflow.plots.maps import feature_maps
from infoflow.plots.plane import information_plane, information_planes
from infoflow.plots.probes import probes
from infoflow.plots.rankings import rankings
from infoflow.plots.style import Quantity
from infoflow.plots.trial import trial
from infoflow.plots.uplot import uplot

__all__ = [
    "Quantity",
    "distances",
    "feature_maps",
    "information_plane",
    "information_planes",
    "layer_graph",
    "probes",
    "rankings",
    "trial",
    "uplot",
]
