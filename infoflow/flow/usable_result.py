"""Usable information of the streams at every merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infoflow.estimators.usable import UsableInformation
from infoflow.graph.text_table import align
from infoflow.results import Table


@dataclass(frozen=True)
class StreamBits:
    """Usable information at a merge, for one of its streams.

    Parameters
    ----------
    merge, source
        Names of the merge and of the layer (or model input) that the stream comes from.
    is_main
        Whether it is the merge's main stream; every other one is a skip connection.
    alone
        Of this stream alone.
    rest
        Of all other streams together.
    joint
        Of all streams together.
    added
        joint less rest: what this stream adds to the others, with an interval from the paired
        losses.
    """

    merge: str
    source: str
    is_main: bool
    alone: UsableInformation
    rest: UsableInformation
    joint: UsableInformation
    added: UsableInformation


class UsableStreams(Table[StreamBits]):
    """What :func:`infoflow.usable_streams` measured: a row for each stream into each merge.

    Attributes
    ----------
    rows
        Merge by merge in the order of computation.
    """

    dims = ("stream",)

    @property
    def unit(self) -> str:
        """``"bits per label"`` or ``"bits per pixel"``."""
        return self.rows[0].joint.unit

    def table(self) -> str:
        """Return a line for each stream."""
        first = self.rows[0].joint
        header = ["merge", "stream", "", "alone", "rest", "joint", "added", "95 % interval"]
        rows = [header, *(_cells(row) for row in self.rows)]
        return "\n".join(
            [
                f"{first.kind}, {first.samples} samples, in {self.unit}; of Y: {first.entropy:.3f}",
                "",
                *align(rows, right=(3, 4, 5, 6)),
            ]
        )


def streams_of(rows: Sequence[StreamBits], model: str) -> UsableStreams:
    """Return the rows, which are of one net, as a result."""
    numbers = ("alone", "rest", "joint", "added")
    endings = ("", "_ci_low", "_ci_high", "_entropy", "_remaining")
    first = rows[0].joint
    return UsableStreams.of(
        rows,
        units={name + ending: first.unit for name in numbers for ending in endings},
        names=[f"{row.source}->{row.merge}" for row in rows],
        model=model,
        kind=first.kind,
    )


def _cells(row: StreamBits) -> list[str]:
    values = (row.alone, row.rest, row.joint, row.added)
    return [
        row.merge,
        row.source,
        "main" if row.is_main else "skip",
        *(f"{number.value:.3f}" for number in values),
        f"{row.added.ci_low:.3f} to {row.added.ci_high:.3f}",
    ]
