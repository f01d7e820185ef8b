"""Usable information of the streams at every merge, as rows, a table and a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from infoflow.estimators.usable import UsableInformation
from infoflow.graph.text_table import align


@dataclass(frozen=True)
class StreamBits:
    """Usable information at a merge, for one of its streams.

    Parameters
    ----------
    merge, stream
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
    stream: str
    is_main: bool
    alone: UsableInformation
    rest: UsableInformation
    joint: UsableInformation
    added: UsableInformation


_QUANTITIES = {
    "alone": "usable information of the stream alone",
    "rest": "usable information of all other streams",
    "joint": "usable information of all streams",
    "added": "usable information that the stream adds to the others",
}


@dataclass(frozen=True)
class UsableStreams:
    """What :func:`infoflow.usable_streams` measured: a row for each stream into each merge.

    Parameters
    ----------
    rows
        Merge by merge in the order of computation.
    """

    rows: tuple[StreamBits, ...]

    @property
    def unit(self) -> str:
        """``"bits per label"`` or ``"bits per pixel"``."""
        return self.rows[0].joint.unit

    def to_dataset(self) -> xr.Dataset:
        """Return an xarray dataset by ``stream`` (``"source->merge"``), intervals included."""
        variables: dict[str, Any] = {}
        for name, label in _QUANTITIES.items():
            numbers = [getattr(row, name) for row in self.rows]
            for ending, field in (("", "value"), ("_ci_low", "ci_low"), ("_ci_high", "ci_high")):
                values = np.array([getattr(number, field) for number in numbers])
                attributes = {"long_name": label, "units": self.unit}
                variables[name + ending] = ("stream", values, attributes)
        coordinates = {
            "stream": [f"{row.stream}->{row.merge}" for row in self.rows],
            "source": ("stream", [row.stream for row in self.rows]),
            "merge": ("stream", [row.merge for row in self.rows]),
            "is_main": ("stream", [row.is_main for row in self.rows]),
        }
        first = self.rows[0].joint
        about = {"kind": first.kind, "family": first.family, "entropy": first.entropy}
        return xr.Dataset(variables, coordinates, about)

    def __str__(self) -> str:
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


def _cells(row: StreamBits) -> list[str]:
    values = (row.alone, row.rest, row.joint, row.added)
    return [
        row.merge,
        row.stream,
        "main" if row.is_main else "skip",
        *(f"{number.value:.3f}" for number in values),
        f"{row.added.ci_low:.3f} to {row.added.ci_high:.3f}",
    ]
