"""The layer graph as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from infoflow.flow.flow_result import FlowResult
from infoflow.graph import LayerGraph
from infoflow.interface import ArgumentTypeError
from infoflow.interface.argument_checks import shown
from infoflow.plots.graphs.drawing import Pen, legend_width
from infoflow.plots.graphs.drawn_page import compose
from infoflow.plots.graphs.fitting import fold_to_page
from infoflow.plots.graphs.wording import measure, width_of
from infoflow.plots.style import axes_or_new

_TITLE_SIZE = 11.0
#: Around the drawing, above it for the title and below it for the legend, in inches.
_MARGIN, _HEAD, _FOOT = 0.15, 0.4, 0.3
#: No figure of ours is larger, in inches; what needs more room is drawn smaller.
_LARGEST = (30.0, 20.0)
_ASPECT = 1.5


def layer_graph(
    graph: LayerGraph | FlowResult,
    ax: Axes | None = None,
    *,
    unfold: str | Sequence[str] = (),
    max_places: int = 60,
) -> Axes:
    """Draw the layers as boxes, and their streams as arrows.

    Where resolution falls and rises again, the net is drawn as a U: the encoder runs down on the
    left, the decoder up on the right, and skip connections are bridges between them, named as in
    ``7→11``. Every other net runs down, in as many columns as it takes to fill the page. Merges
    are orange, streams that are skip connections blue; streams from one layer share their line.

    Parameters
    ----------
    graph
        A graph, or a result that holds one.
    ax
        Axes to draw on; a new figure as large as the graph needs where None.
    unfold
        Names or globs of modules or layers whose layers are all drawn, such as ``"layer3"`` or
        ``"encoder.*"``; ``"all"`` draws every layer.
    max_places
        A graph with more layers is folded: the layers of a module share a box, for modules as
        small as this number of boxes allows. The arms of a U are also folded to the height of a
        page.

    Returns
    -------
    Axes
        With a box and an arrow for each place and stream that is drawn, each with its name as
        ``gid``. One unit is an inch in a new figure.

    Raises
    ------
    ArgumentError
        If ``max_places`` is not positive.
    LayerNotFoundError
        If a pattern in ``unfold`` matches no module or layer.

    Examples
    --------
    >>> import infoflow, torch
    >>> from torchvision.models import resnet50
    >>> graph = infoflow.trace(resnet50(weights=None), torch.zeros(1, 3, 64, 64))
    >>> ax = infoflow.plots.layer_graph(graph, max_places=10)
    >>> [text.get_text() for text in ax.texts if "layers" in text.get_text()]
    ['×13 layers, 3 merges', '×17 layers, 4 merges', '×25 layers, 6 merges', '×13 layers, 3 merges']
    """
    graph = graph.graph if isinstance(graph, FlowResult) else graph
    if not isinstance(graph, LayerGraph):
        raise ArgumentTypeError(
            f"layer_graph draws a LayerGraph or a result that has one, got {shown(graph)}. Trace "
            "the model first: infoflow.trace(model, example)."
        )
    if ax is not None:
        ax = axes_or_new(ax, 1.0, 1.0)
    aspect = _ASPECT if ax is None else _size(ax)[0] / _size(ax)[1]
    folded, grid = fold_to_page(graph, unfold=unfold, max_places=max_places, aspect=aspect)
    widths = measure(folded, grid)
    page = compose(folded, grid, widths.box)
    title = f"{graph.model}: {_count(len(graph), 'layer')}, {_count(len(graph.merges), 'merge')}"
    title_width = width_of(title, _TITLE_SIZE)
    width = max(page.width, title_width, legend_width(folded)) + 2 * _MARGIN
    bottom, top = -_MARGIN - _FOOT, page.height + _MARGIN
    ax = _new_axes(width, top - bottom) if ax is None else ax
    pen = Pen(ax, min(_size(ax)[0] / width, _size(ax)[1] / (top - bottom)))
    ax.set_xlim((page.width - width) / 2, (page.width + width) / 2)
    ax.set_ylim(bottom, top)
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set_title(title, fontsize=_TITLE_SIZE * min(1.0, _size(ax)[0] / title_width))
    for line in page.lines:
        pen.line(line)
    for place in folded.places:
        pen.box(place, page.boxes[place.name], widths)
    for label in page.labels:
        pen.label(label)
    pen.legend(folded)
    return ax


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _new_axes(width: float, height: float) -> Axes:
    """Return axes of a new figure, which they fill but for the title."""
    whole = height + _HEAD
    scale = min(1.0, _LARGEST[0] / width, _LARGEST[1] / whole)
    figure = plt.figure(figsize=(width * scale, whole * scale))
    return figure.add_axes((0.0, 0.0, 1.0, height / whole))


def _size(ax: Axes) -> tuple[float, float]:
    """Return the width and height of axes in inches."""
    inches = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
    return inches.width, inches.height
