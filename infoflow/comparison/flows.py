"""Information of two results, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator

import xarray as xr

from infoflow.comparison.alike import check_same
from infoflow.comparison.comparison_result import Difference
from infoflow.comparison.difference_intervals import joint_interval
from infoflow.comparison.graph_difference import same_layers
from infoflow.flow import FlowResult
from infoflow.graph.text_table import counted

_SYMBOLS = {"ixm": "I(X;M)", "iym": "I(Y;M)", "above": "I(Y;M) above its null"}


def flow_rows(first: FlowResult, second: FlowResult) -> tuple[list[Difference], list[str]]:
    """Return the differences of the last epochs in layers that both have, and notes."""
    again = "Measure both with the same estimator=, noise= and target=."
    check_same("kind of estimate", first.dataset.attrs["kind"], second.dataset.attrs["kind"], again)
    second = second if second.unit == first.unit else second.to(first.unit)  # type: ignore[arg-type]
    moments = (first.dataset.isel(epoch=-1), second.dataset.isel(epoch=-1))
    same = same_layers(first.graph, second.graph)
    shared = [(name, same[name]) for name in first.layers if same.get(name) in second.layers]
    rows = [
        row
        for quantity in _quantities(first, second)
        for name, other in shared
        for row in _rows(quantity, moments, (name, other))
    ]
    return rows, list(_notes(first, second, moments, len(shared)))


def _quantities(first: FlowResult, second: FlowResult) -> list[str]:
    found = []
    if first.has_input_information and second.has_input_information:
        found.append("ixm")
    targets = [one.dataset.attrs.get("target") for one in (first, second)]
    if first.has_target and second.has_target and targets[0] == targets[1]:
        found += ["iym", "above"]
    return found


def _rows(
    quantity: str, moments: tuple[xr.Dataset, xr.Dataset], names: tuple[str, str]
) -> Iterator[Difference]:
    one, two = (
        _numbers(quantity, moment.sel(layer=name))
        for moment, name in zip(moments, names, strict=True)
    )
    if one[0] == one[0] and two[0] == two[0]:
        is_saturated = quantity != "above" and any(
            bool(moment.sel(layer=name)[f"{quantity}_saturated"])
            for moment, name in zip(moments, names, strict=True)
        )
        yield Difference(
            *(_SYMBOLS[quantity], names[1], one[0], two[0], two[0] - one[0]),
            *joint_interval(one, two),
            is_saturated=is_saturated,
        )


def _numbers(quantity: str, row: xr.Dataset) -> tuple[float, float, float]:
    """Return a number with its interval; above the null, both less what shuffled classes give."""
    chance = float(row["iym_null"]) if quantity == "above" else 0.0
    name = "iym" if quantity == "above" else quantity
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_ci_low", "_ci_high"))
    return value - chance, low - chance, high - chance


def _notes(
    first: FlowResult, second: FlowResult, moments: tuple[xr.Dataset, xr.Dataset], shared: int
) -> Iterator[str]:
    epochs = (first.epochs[-1], second.epochs[-1])
    if epochs[0] != epochs[1]:
        yield f"Epoch {epochs[1]:,} is compared with epoch {epochs[0]:,}."
    targets = [one.dataset.attrs.get("target") for one in (first, second)]
    if targets[0] != targets[1]:
        yield f"I(Y;M) is not compared, since Y differs: {targets[0]}, and {targets[1]}."
    counts = [int(moment["samples"]) for moment in moments]
    if counts[0] != counts[1]:
        yield (
            f"They were measured on {counts[0]:,} and {counts[1]:,} samples, so the ceilings "
            "differ, and numbers near them differ for that alone."
        )
    full = sum(
        int(moment[f"{name}_saturated"].sum()) for moment in moments for name in ("ixm", "iym")
    )
    if full:
        yield (
            f"{full} of the numbers are saturated (=) and say more about samples than about nets: "
            "no difference is read off them. What lies above the null can be compared."
        )
    alone = len(first.layers) + len(second.layers) - 2 * shared
    if alone:
        yield f"Measured in one of them only, and not compared: {counted(alone, 'layer')}."
