"""A layer graph as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infoflow.interface import Layer, Merge, Verification


def graph_table(
    model: str,
    layers: Sequence[Layer],
    merges: Sequence[Merge],
    verification: Verification,
    unmeasurable: Mapping[str, str],
) -> str:
    """Return a title, how far to trust the graph, one line per layer, and one per merge.

    Layers without a row per sample come last, each with the reason.
    """
    index = {layer.name: str(layer.index) for layer in layers}
    header = ("", "layer", "kind", "shape", "reads", "parameters", "mult-adds")
    rows = [header, *(_layer_row(layer, index) for layer in layers)]
    skips = sum(len(merge.skips) for merge in merges)
    numbers = ((len(layers), "layer"), (len(merges), "merge"), (skips, "skip"))
    title = f"{model}: {', '.join(counted(*one) for one in numbers)}"
    lines = [title, *str(verification).splitlines(), "", *align(rows, right=(0, 5, 6))]
    if merges:
        lines += ["", *align([("", "merge", "main", "skips"), *(_merge_row(m) for m in merges)])]
    if unmeasurable:
        rows = [("no row per sample", "reason"), *unmeasurable.items()]
        lines += ["", *align(rows)]
    return "\n".join(lines)


def _layer_row(layer: Layer, index: dict[str, str]) -> tuple[str, ...]:
    reads = "+".join(index.get(name, name) for name in layer.streams)
    return (
        str(layer.index),
        layer.name,
        "+".join((layer.kind, *layer.followed_by)),
        "×".join(map(str, layer.shape)) or "1",
        f"{reads} *" if layer.is_merge else reads,
        f"{layer.parameters:,}",
        as_number(layer.multiply_adds),
    )


def _merge_row(merge: Merge) -> tuple[str, ...]:
    where = "output" if merge.index is None else str(merge.index)
    return (
        f"* {where}",
        f"{merge.kind} in {merge.name}",
        merge.main,
        ", ".join(map(str, merge.skips)),
    )


def listed(names: Sequence[str], most: int = 8) -> str:
    """Return names in a sentence; more than ``most`` are counted.

    Examples
    --------
    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def as_number(value: float | None, form: str = ",") -> str:
    """Return a number as text, a question mark where it is not known.

    Examples
    --------
    >>> as_number(1234), as_number(None)
    ('1,234', '?')
    """
    return "?" if value is None else format(value, form)


def align(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return the rows as lines, with columns two spaces apart and a rule under the first row."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "─" * max(len(line) for line in lines), *lines[1:]]


def counted(count: int, what: str) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> counted(1, "layer"), counted(1200, "class"), counted(2, "epoch")
    ('1 layer', '1,200 classes', '2 epochs')
    """
    is_hissed = what.endswith(("s", "ch")) and not what.endswith("poch")
    many = f"{what}es" if is_hissed else f"{what}s"
    return f"{count:,} {what if count == 1 else many}"
