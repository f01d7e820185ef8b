"""What is written in a box, no wider than the box."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from infoflow.plots.graphs.cells import Grid
from infoflow.plots.graphs.folding import FoldedGraph, Place

NAME_SIZE, DETAIL_SIZE, INDEX_SIZE, RANGE_SIZE, END_SIZE = 7.0, 6.0, 7.0, 6.0, 8.0
#: Text on a screen is wider than its outlines, by up to this factor; bold text by the next.
_HINTING, _BOLD = 1.06, 1.15
#: Of what is written beside an index, in inches; less where more slots are beside each other.
_WIDEST, _NARROWEST, _LESS = 1.65, 0.7, 0.06


@dataclass(frozen=True)
class Widths:
    """How wide a box is, in inches, and how much of it the index and the words have."""

    index: float
    words: float

    @property
    def box(self) -> float:
        """Width of a box."""
        return self.index + self.words + 0.1


def measure(folded: FoldedGraph, grid: Grid) -> Widths:
    """Return widths in which most names fit; longer names have to be cut."""
    index = [
        width_of(line, INDEX_SIZE if place.role == "layer" else RANGE_SIZE) * _BOLD
        for place in folded.places
        for line in index_of(place).split("\n")
    ]
    names = [width_of(place.label, NAME_SIZE) for place in folded.places if place.layers]
    details = {place.name: width_of(detail_of(place), DETAIL_SIZE) for place in folded.places}
    slots = max(grid.slots(column) for column in range(grid.columns))
    widest = max(
        # the counts of a fold are short, and worthless when cut
        [_WIDEST - _LESS * (slots - 1), _NARROWEST, *(details[fold.name] for fold in folded.folds)]
    )
    needed = max([_NARROWEST, *names, *details.values()])
    return Widths(max(index, default=0.0) + 0.08, min(widest, needed))


@lru_cache(maxsize=4096)
def width_of(text: str, size: float) -> float:
    """Return the width in inches of a text in the usual font at a size in points."""
    font = FontProperties(size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0]) / 72 * _HINTING


def index_of(place: Place) -> str:
    """Return the index of a layer, or the first and last of a fold in two lines."""
    if not place.layers:
        return ""
    first, last = place.layers[0].index, place.layers[-1].index
    return str(first) if first == last else f"{first}\n–{last}"


def detail_of(place: Place) -> str:
    """Return the operation and shape of a layer, or the counts of a fold.

    Examples
    --------
    >>> from infoflow.interface import Layer
    >>> conv = Layer(11, "up.conv", "Conv2d", (32, 8, 8), ("a", "b"), is_merge=True)
    >>> detail_of(Place("up.conv", "up.conv", "layer", (conv,), ("concat",)))
    'concat, Conv2d 32×8×8'
    >>> detail_of(Place("up", "up", "fold", (conv, conv), ("concat", "concat")))
    '×2 layers, 2 merges'
    """
    merges = len(place.merges)
    if place.role == "fold":
        many = f", {merges} merge{'s' if merges > 1 else ''}" if merges else ""
        return f"×{len(place.layers)} layers{many}"
    if place.role != "layer":
        return ", ".join(dict.fromkeys(place.merges))
    (layer,) = place.layers
    kinds = dict.fromkeys(kind for kind in (*place.merges, layer.kind) if kind)
    if layer.kind == "MultiheadAttention":
        kinds.pop("attention", None)
    return f"{', '.join(kinds)} {'×'.join(map(str, layer.shape))}".strip()


def shortened(name: str, size: float, width: float) -> str:
    """Return a module's name cut from the left, at a dot where there is one, to fit a width.

    Examples
    --------
    >>> shortened("encoder.layer.0.attention.output.dense", 7, 1.0)
    '…output.dense'
    """
    if width_of(name, size) <= width:
        return name
    dots = (f"…{name.split('.', n)[-1]}" for n in range(1, name.count(".") + 1))
    letters = (f"…{name[n:]}" for n in range(1, len(name)))
    at_dot = next((text for text in dots if width_of(text, size) <= width), "")
    anywhere = next((text for text in letters if width_of(text, size) <= width), "…")
    return at_dot if len(at_dot) >= 0.7 * len(anywhere) else anywhere


def cut(text: str, size: float, width: float) -> str:
    """Return a text cut from the right to fit a width."""
    if width_of(text, size) <= width:
        return text
    parts = (f"{text[:n].rstrip(' ,×')}…" for n in range(len(text) - 1, 0, -1))
    return next((part for part in parts if width_of(part, size) <= width), "")
