"""Histograms of the distances between samples."""

from __future__ import annotations

from matplotlib.axes import Axes

from infoflow.estimators.clusters import DistanceHistograms
from infoflow.plots.style import MERGE_COLOUR, SKIP_COLOUR, axes_or_new, check_kind


def distances(histograms: DistanceHistograms, ax: Axes | None = None) -> Axes:
    """Draw how far apart samples of one class are, and samples of different classes.

    Parameters
    ----------
    histograms
        What :func:`infoflow.distance_histograms` returned.
    ax
        Axes to draw on; a new figure where None.

    Returns
    -------
    Axes

    References
    ----------
    Goldfeld et al. (2019), Fig. 6.
    """
    check_kind(histograms, DistanceHistograms, "infoflow.distance_histograms")
    ax = axes_or_new(ax, 5.0, 3.4)
    kinds = (
        ("within classes", histograms.within, histograms.within_median, SKIP_COLOUR),
        ("between classes", histograms.between, histograms.between_median, MERGE_COLOUR),
    )
    for label, shares, median, colour in kinds:
        ax.stairs(shares, histograms.edges, fill=True, alpha=0.35, color=colour, label=label)
        ax.stairs(shares, histograms.edges, color=colour, linewidth=1.0)
        ax.axvline(median, color=colour, linestyle="--", linewidth=0.9)
    ax.set_xlim(0.0, float(histograms.edges[-1]))
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("distance between two samples")
    ax.set_ylabel("share of pairs")
    ax.legend(frameon=False)
    return ax
