"""What a drawn graph is made of: boxes, lines and labels, in points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infoflow.plots.graphs.folding import PlaceStream

Point = tuple[float, float]


LABEL_SIZE = 6.5


@dataclass(frozen=True)
class Box:
    """A rectangle with its middle at (x, y), inches from the lower left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """A line along points, and what is written at its end."""

    stream: PlaceStream
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Label:
    """A text with its middle at (x, y)."""

    text: str
    x: float
    y: float


@dataclass(frozen=True)
class Page:
    """A drawing.

    Parameters
    ----------
    boxes
        The box of every place.
    lines
        A line for every stream of the folded graph.
    labels
        Names of skip connections between the arms of a U.
    width, height
        In inches.
    """

    boxes: Mapping[str, Box]
    lines: tuple[Line, ...]
    labels: tuple[Label, ...]
    width: float
    height: float
