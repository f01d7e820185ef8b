"""The data processing inequality in the estimates: where it fails, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import xarray as xr

from infoflow.flow.rises import AuditFinding, LayerNumbers, finding_of, layer_numbers
from infoflow.graph import LayerGraph
from infoflow.graph.text_table import align
from infoflow.results import Fact, Table

#: What each finding means, for the table's foot.
MEANINGS: Mapping[AuditFinding, str] = {
    "within interval": "a rise whose 95 % interval, from the samples of both, holds 0",
    "noise model": "real in what is measured: noise or bins are put on each layer anew, and are "
    "not propagated",
    "estimator": "the bounds disagree on whether there is a rise, or the noise is part of the net, "
    "so the estimate is at fault",
    "merge": "no violation: other streams come in",
}
_ROUNDING = 1e-9
#: The table leaves out rises that its digits would not show.
_SHOWN = 0.001
#: The fields that are information.
_NUMBERS = ("before_value", "before_low", "before_high", "value", "low", "high")
_SYMBOLS = {"ixm": "I(X;M)", "iym": "I(Y;M)"}


@dataclass(frozen=True)
class AuditRow:
    """One comparison of a layer with a layer before it.

    Parameters
    ----------
    quantity
        ``"I(X;M)"`` or ``"I(Y;M)"``.
    before, layer
        Names of a dominator (or, where ``finding`` is ``"merge"``, of a stream into the merge), and
        of the layer after it.
    before_index, layer_index
        Their indices.
    before_value, before_low, before_high, value, low, high
        The two estimates and their 95 % confidence intervals, in the result's unit.
    finding
        ``"holds"``; ``"within interval"`` where the 95 % interval of the rise itself holds 0;
        ``"noise model"`` where the rise is in what is measured, since measurement noise is not
        propagated; ``"estimator"`` where the bounds disagree, or the noise is part of the net; or
        ``"merge"``, which is no violation.
    """

    quantity: str
    before: str
    layer: str
    before_index: int
    layer_index: int
    before_value: float
    before_low: float
    before_high: float
    value: float
    low: float
    high: float
    finding: AuditFinding

    @property
    def rise(self) -> float:
        """By how much the later layer exceeds the earlier one."""
        return self.value - self.before_value


class Audit(Table[AuditRow]):
    """All comparisons of one epoch; ``print`` shows the rises as a short table.

    Attributes
    ----------
    rows
        Every pair of a dominator and a layer, and every rise from a stream across its merge.
    epoch
        Of the result.
    """

    dims = ("comparison",)
    epoch = Fact(int)

    @property
    def violations(self) -> tuple[AuditRow, ...]:
        """The rises where none may be."""
        return tuple(row for row in self.rows if row.finding not in ("holds", "merge"))

    def count(self, value: Any) -> int:
        """Return how many rows have a finding."""
        return sum(row.finding == value for row in self.rows)

    def table(self) -> str:
        """Return the counts of all findings, and the largest rise to each layer."""
        return _table(self)


def audit(dataset: xr.Dataset, graph: LayerGraph, epoch: int) -> Audit:
    """Compare every measured layer with its measured dominators, and merges with their streams.

    Parameters
    ----------
    dataset, graph
        Of a :class:`infoflow.FlowResult`.
    epoch
        One of the epochs measured.
    """
    moment = dataset.sel(epoch=epoch)
    layers = [str(name) for name in dataset["layer"].values]
    is_propagated = bool(dataset.attrs.get("is_propagated", 0))
    has_target = bool(dataset["iym"].notnull().any())
    rows: list[AuditRow] = []
    rises: list[AuditRow] = []
    for quantity in ("ixm", "iym") if has_target else ("ixm",):
        known = layer_numbers(moment, layers, quantity)
        row = partial(_row, graph, _SYMBOLS[quantity], known)
        rows += [
            row(before, layer, finding_of(known[before], known[layer], is_propagated))
            for layer in layers
            for before in _dominators(graph, layer)
            if before in known
        ]
        rises += [row(source, layer, "merge") for source, layer in _across_merges(graph, known)]
    finite = [row for row in [*rows, *rises] if row.rise == row.rise]
    kept = tuple(row for row in finite if row.finding != "merge" or row.rise > _ROUNDING)
    unit = str(dataset["ixm"].attrs["units"])
    units = dict.fromkeys(_NUMBERS, unit)
    return Audit.of(kept, units=units, model=graph.model, unit=unit, epoch=epoch)


def _dominators(graph: LayerGraph, layer: str) -> list[str]:
    """Return the layers that every path to ``layer`` goes through, nearest first."""
    found = []
    above = graph.dominators.get(layer)
    while above is not None:
        found.append(above)
        above = graph.dominators.get(above)
    return found


def _across_merges(graph: LayerGraph, measured: Collection[str]) -> Iterator[tuple[str, str]]:
    for merge in graph.merges:
        for layer in merge.layers:
            for source in merge.streams:
                is_measured = layer in measured and source in measured
                if is_measured and source not in _dominators(graph, layer):
                    yield source, layer


def _row(
    graph: LayerGraph,
    symbol: str,
    known: Mapping[str, LayerNumbers],
    before: str,
    layer: str,
    finding: AuditFinding,
) -> AuditRow:
    early, late = known[before], known[layer]
    return AuditRow(
        symbol,
        before,
        layer,
        graph[before].index,
        graph[layer].index,
        early.value,
        early.low,
        early.high,
        late.value,
        late.low,
        late.high,
        finding,
    )


# --------------------------------------------------------------------------- text


def _table(audit: Audit) -> str:
    pairs = len(audit) - audit.count("merge")
    counts = Counter(row.finding for row in audit.violations)
    found = ", ".join(f"{number} {finding}" for finding, number in counts.items()) or "no rise"
    title = (
        f"Data processing inequality in {audit.model}, epoch {audit.epoch}: {pairs} pairs of a "
        f"layer and a dominator, {audit.count('holds')} hold, {found}."
    )
    shown = _largest_rises(audit)
    if not shown:
        return title
    header = ("", "layers", f"before ({audit.unit})", "", f"after ({audit.unit})", "", "finding")
    lines = align([header, *(_cells(row) for row in shown)], right=(2, 4))
    used = dict.fromkeys(row.finding for row in shown)
    meanings = [f"{finding}: {MEANINGS[finding]}." for finding in used]
    about = f"The largest rise to each layer, of those above {_SHOWN}."
    return "\n".join([title, "", *lines, "", about, *meanings])


def _largest_rises(audit: Audit) -> list[AuditRow]:
    largest: dict[tuple[str, str, bool], AuditRow] = {}
    for row in audit:
        key = (row.quantity, row.layer, row.finding == "merge")
        if (
            row.rise > _SHOWN
            and row.finding != "holds"
            and (key not in largest or row.rise > largest[key].rise)
        ):
            largest[key] = row
    return sorted(largest.values(), key=lambda row: (row.quantity, row.layer_index))


def _cells(row: AuditRow) -> tuple[str, ...]:
    return (
        row.quantity,
        f"{row.before_index}→{row.layer_index}",
        f"{row.before_value:.3f}",
        f"[{row.before_low:.2f}, {row.before_high:.2f}]",
        f"{row.value:.3f}",
        f"[{row.low:.2f}, {row.high:.2f}]",
        row.finding,
    )
