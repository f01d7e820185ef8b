"""How well each layer's read-out does, against depth."""

from __future__ import annotations

from matplotlib.axes import Axes

from infoflow.estimators.scores import METRICS
from infoflow.flow.probe_result import ProbeResult
from infoflow.plots.style import (
    MERGE_COLOUR,
    SKIP_COLOUR,
    axes_or_new,
    check_kind,
    draw_merges,
    label_layers,
)

_COLOURS = {"dice": SKIP_COLOUR, "iou": "#0f766e", "accuracy": MERGE_COLOUR}
_MARKERS = {"dice": "o", "iou": "s", "accuracy": "^"}


def probes(result: ProbeResult, ax: Axes | None = None) -> Axes:
    """Draw what :func:`infoflow.probe` found against the layer index, a line for each metric.

    Bands are one standard deviation of the folds to both sides; dashed lines are the most frequent
    class everywhere. Layers, merges and limits are drawn as by :func:`infoflow.plots.uplot`, so
    that the two can share a horizontal axis.

    Parameters
    ----------
    result
        From :func:`infoflow.probe`.
    ax
        Axes to draw on; a new figure where None.

    Returns
    -------
    Axes

    Examples
    --------
    Under a U-Plot, on a common axis:

    >>> import infoflow, torch
    >>> import matplotlib.pyplot as plt
    >>> from infoflow.testing import UNet, blob_images
    >>> images, masks = blob_images(16, size=32)
    >>> loader = torch.utils.data.DataLoader(list(zip(images, masks)), batch_size=8)
    >>> net, target = UNet(base_channels=2), infoflow.KMeans(clusters=2)
    >>> flow = infoflow.analyze(net, loader, target=target, noise=100.0, progress=False)
    >>> found = infoflow.probe(net, loader, folds=2, pixels=8, progress=False)
    >>> figure, (above, below) = plt.subplots(
    ...     2, 1, sharex=True, layout="constrained", height_ratios=(3, 2), figsize=(8, 7)
    ... )
    >>> _ = infoflow.plots.uplot(flow, above).set_xlabel("")
    >>> infoflow.plots.probes(found, below).get_ylabel()
    'Dice, IoU'
    """
    check_kind(result, ProbeResult, "infoflow.probe")
    ax = axes_or_new(ax, 8.0, 3.2)
    data = result.dataset
    index = data["index"].values
    for metric in result.metrics:
        colour, name = _COLOURS[metric], METRICS[metric]
        values, spread = data[metric].values, data[f"{metric}_sd"].values
        ax.plot(index, values, marker=_MARKERS[metric], markersize=4, color=colour, label=name)
        ax.fill_between(
            index, values - spread, values + spread, color=colour, alpha=0.15, linewidth=0
        )
        chance = float(data[f"{metric}_chance"])
        ax.axhline(chance, color=colour, linestyle="--", linewidth=1, alpha=0.7, zorder=0)
    ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel(", ".join(METRICS[metric] for metric in result.metrics))
    met = index[data["is_merge"].values.astype(bool)]
    draw_merges(ax, met.tolist())
    label_layers(ax, index, met.tolist())
    ax.legend(frameon=False, fontsize=8, loc="upper left", ncols=len(result.metrics))
    return ax
