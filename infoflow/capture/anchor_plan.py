"""What anchors take of a memory budget, and how many pairs of passes that makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infoflow.capture.budget import enough_bytes, format_bytes
from infoflow.capture.layer_anchors import BLOCK
from infoflow.capture.sketch import columns_of
from infoflow.estimators.anchored_sums import CELL_SUMS
from infoflow.estimators.distances import CHUNK_BYTES
from infoflow.estimators.jackknife import GROUPS
from infoflow.interface import Layer, MemoryBudgetError

#: Blocks of distances and kernels that are alive at a time.
_BLOCKS = 16
#: Cells that classes are shuffled among, where Y is not known yet.
USUAL_CELLS = 1024


@dataclass(frozen=True)
class AnchorItem:
    """What is measured in one pair of passes.

    Parameters
    ----------
    layers
        The layers whose distances it needs: one, or the streams of a merge.
    sums
        How many sets of kernel sums it keeps.
    subject
        What it is, for the caller.
    """

    layers: tuple[Layer, ...]
    sums: int = 1
    subject: Any = None


@dataclass(frozen=True)
class AnchorPart:
    """A pair of passes: the layers to visit, in the order of computation, and what is measured."""

    layers: tuple[Layer, ...]
    items: tuple[AnchorItem, ...]


def plan_anchors(
    items: Sequence[AnchorItem],
    anchors: int,
    size: int,
    budget: int,
    bytes_per_value: int,
    *,
    cells: int = USUAL_CELLS,
) -> list[AnchorPart]:
    """Divide items over as few pairs of passes as the budget allows, in their order.

    Parameters
    ----------
    items
        What is measured.
    anchors
        Number of anchors.
    size
        Columns of a sketch.
    budget
        Bytes that may be used.
    bytes_per_value
        Of the layers' values.
    cells
        How many cells the classes are shuffled among.

    Raises
    ------
    MemoryBudgetError
        If an item does not fit by itself; says how much would do.
    """
    parts: list[tuple[dict[str, Layer], list[AnchorItem]]] = []
    room, whole = 0, budget - _fixed(anchors)
    for item in items:
        own = {layer.name: layer for layer in item.layers}
        sizes = {
            name: _bytes_of_layer(layer, anchors, size, bytes_per_value)
            for name, layer in own.items()
        }
        sums = item.sums * _bytes_of_sums(anchors, cells)
        visited = parts[-1][0] if parts else {}
        needed = sums + sum(each for name, each in sizes.items() if name not in visited)
        if not parts or needed > room:
            room, needed = whole, sums + sum(sizes.values())
            if needed > room:
                raise _too_small(item, anchors, budget, needed + _fixed(anchors))
            parts.append(({}, []))
        parts[-1][0].update(own)
        parts[-1][1].append(item)
        room -= needed
    return [
        AnchorPart(tuple(sorted(layers.values(), key=lambda one: one.index)), tuple(chosen))
        for layers, chosen in parts
    ]


def anchor_bytes(part: AnchorPart, anchors: int, size: int, bytes_per_value: int) -> int:
    """Return what one pair of passes takes."""
    sums = sum(item.sums for item in part.items) * _bytes_of_sums(anchors, USUAL_CELLS)
    values = sum(_bytes_of_layer(layer, anchors, size, bytes_per_value) for layer in part.layers)
    return _fixed(anchors) + sums + values


def _bytes_of_layer(layer: Layer, anchors: int, size: int, bytes_per_value: int) -> int:
    # anchors and a block of samples; the signs with the first sample, mean and variance; distances
    kept = columns_of(layer, size) * (anchors + 1 + BLOCK) * bytes_per_value
    return kept + 28 * layer.units + 8 * BLOCK * anchors


def _bytes_of_sums(anchors: int, cells: int) -> int:
    # by group of the jackknife, twice; and some vectors; by cell of the shuffles, in float32
    return anchors * (16 * GROUPS + 80) + 4 * min(anchors * cells, CELL_SUMS)


def _fixed(anchors: int) -> int:
    return 2 * CHUNK_BYTES + _BLOCKS * 8 * BLOCK * anchors


def _too_small(item: AnchorItem, anchors: int, budget: int, needed: int) -> MemoryBudgetError:
    names = ", ".join(layer.name for layer in item.layers)
    return MemoryBudgetError(
        f"memory_budget of {format_bytes(budget)} does not hold {anchors} anchors of "
        f"{names}. Expected at least {enough_bytes(needed)}. Raise it, or use fewer anchors, such "
        f"as distances=infoflow.DistanceOptions('anchors', anchors={max(100, anchors // 4)})."
    )
