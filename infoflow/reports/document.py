"""From results to sections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from infoflow.comparison import Comparison
from infoflow.flow import FlowResult
from infoflow.flow.audit import Audit
from infoflow.flow.probe_result import ProbeResult
from infoflow.flow.usable_result import UsableStreams
from infoflow.graph import LayerGraph
from infoflow.pruning import Ablation, NetComparison, PruningAdvice, PruningTrial, Race
from infoflow.pruning.advice_wording import INFORMATION
from infoflow.reports.ablated import ablated
from infoflow.reports.compared import compared
from infoflow.reports.content import Document, Section
from infoflow.reports.gathering import Entry
from infoflow.reports.information_section import information
from infoflow.reports.making_section import how_made
from infoflow.reports.net import net
from infoflow.reports.numerals import sentence
from infoflow.reports.other import other
from infoflow.reports.pictures import Gallery
from infoflow.reports.readouts_section import audit, probes, usable
from infoflow.reports.smaller import smaller
from infoflow.reports.trained import advice, race, trial

#: The kinds with sections of their own, in the order of the page; all others follow.
_SECTIONS: dict[type[Any], Callable[[Any, str, Gallery], Section]] = {
    Ablation: ablated,
    NetComparison: smaller,
    PruningAdvice: advice,
    PruningTrial: trial,
    Race: race,
    Comparison: compared,
    FlowResult: information,
    UsableStreams: usable,
    ProbeResult: probes,
    Audit: audit,
}
#: What the kinds are called below the title.
_WORDS = {
    "Ablation": "ablation",
    "NetComparison": "smaller net",
    "PruningAdvice": "advice",
    "PruningTrial": "trial of removals",
    "Race": "race",
    "Comparison": "comparison",
    "FlowResult": "measured information",
    "UsableStreams": "usable information",
    "ProbeResult": "linear read-outs",
    "Audit": "audit",
    "LayerGraph": "graph",
}
#: Those that say what can go.
_DECIDING = (Ablation, NetComparison, PruningAdvice, PruningTrial, Race)


def document(entries: Sequence[Entry], gallery: Gallery, title: str | None) -> Document:
    """Return the page of results, all of them of one net."""
    sections = tuple(_sections(entries, gallery))
    model = next((entry.result.model for entry in entries if entry.result.model), "")
    kinds = Counter(_WORDS.get(entry.result.kind, entry.result.kind) for entry in entries)
    parts = [f"{count} × {kind}" if count > 1 else kind for kind, count in kinds.items()]
    subtitle = ": ".join([*([model] if title and model else []), ", ".join(parts)])
    return Document(
        title or model or "infoflow report", sentence(subtitle), sections, how_made(entries)
    )


def opening(entries: Sequence[Entry]) -> str:
    """Return what is to be said where nothing tells which streams can go; else nothing."""
    results = [entry.result for entry in entries]
    decides = any(isinstance(result, _DECIDING) for result in results)
    informs = any(isinstance(result, FlowResult) for result in results)
    return INFORMATION if informs and not decides else ""


def _sections(entries: Sequence[Entry], gallery: Gallery) -> Iterator[Section]:
    graph = next((entry.graph for entry in entries if entry.graph is not None), None)
    if graph is not None:
        yield net(graph, f"{graph.model} layers", gallery)
    shown = [entry for entry in entries if not isinstance(entry.result, LayerGraph)]
    taken: Counter[str] = Counter()
    made = [(entry, _section(entry, entries, gallery)) for entry in sorted(shown, key=_place)]
    repeated = Counter(section.title for _, section in made)
    for entry, section in made:
        taken[section.anchor] += 1
        number = taken[section.anchor]
        anchor = section.anchor if number == 1 else f"{section.anchor}-{number}"
        is_repeated = repeated[section.title] > 1
        name = f": {entry.name or number}" if is_repeated else ""
        yield section.at(anchor, section.title + name)


def _place(entry: Entry) -> int:
    kinds = [type_ for type_ in _SECTIONS if isinstance(entry.result, type_)]
    return list(_SECTIONS).index(kinds[0]) if kinds else len(_SECTIONS)


def _section(entry: Entry, entries: Sequence[Entry], gallery: Gallery) -> Section:
    name = entry.name or f"{entry.result.model} {type(entry.result).__name__}"
    if isinstance(entry.result, Ablation):
        beside = [_only(entries, kind) for kind in (FlowResult, UsableStreams)]
        return ablated(entry.result, name, gallery, *beside)
    found = next((make for kind, make in _SECTIONS.items() if isinstance(entry.result, kind)), None)
    return (
        other(entry.result, name, gallery) if found is None else found(entry.result, name, gallery)
    )


def _only(entries: Sequence[Entry], kind: type[Any]) -> Any:
    """Return the result of a kind where there is one only."""
    found = [entry.result for entry in entries if isinstance(entry.result, kind)]
    return found[0] if len(found) == 1 else None
