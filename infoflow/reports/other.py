"""Any other result: its rows."""

from __future__ import annotations

from infoflow.reports.content import Section
from infoflow.reports.pictures import Gallery
from infoflow.reports.tables import LONG, frame_table, numbers_of
from infoflow.results import Result


def other(result: Result, name: str, gallery: Gallery) -> Section:
    """Return the section of a result that has no page of its own."""
    frame = result.to_frame()
    folded = f"All {len(frame):,} rows" if len(frame) > LONG else ""
    return Section(
        "result",
        type(result).__name__,
        summary=(f"{type(result).__name__}: {result.title()}.",),
        items=(frame_table(frame, result.title(), folded=folded),),
        numbers=(numbers_of(result, name, frame),),
    )
