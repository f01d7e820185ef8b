"""``Ablation``: what a net loses without its streams, in one file."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from infoflow.graph import LayerGraph
from infoflow.interface import ArgumentError, ResultFileError, Skip
from infoflow.pruning.ablation.ablation_table import ablation_html, ablation_table, conclusion
from infoflow.pruning.ablation.rows import FrontierPoint, StreamLoss, frontier_point, stream_loss
from infoflow.pruning.choice import StreamNames, exact_stream
from infoflow.results.files import write_whole

#: Version of the file's layout.
SCHEMA = 1
_KIND = "ablation"


class Ablation:
    """What :func:`infoflow.ablate` measured.

    Attributes
    ----------
    dataset : xarray.Dataset
        By ``stream`` and ``net`` (``"plain"``, as it is; ``"mended"``): ``bits``, the rise of the
        held-out loss, with ``bits_low`` and ``bits_high`` (95 % interval) and ends that also hold
        with rare large losses (``bits_robust_low``, ``bits_robust_high``); ``metric_loss`` with its
        interval. By ``stream``: what is saved (``parameters``, ``multiply_adds``,
        ``activation_bytes``, ``time``), ``status``, ``choosing_bits`` by ``mender``, and numbers
        that only rank: ``screen_fisher``, ``screen_absolute``, ``screen_residual``. By ``point``:
        the frontier. By ``sample``: what it was used for. Units are in the attributes of each
        variable, settings in those of the dataset.
    tolerance, metric_tolerance
        What may be lost, in bits per label, and in units of the metric.

    Examples
    --------
    >>> import infoflow, torch
    >>> from infoflow.testing import UNet, blob_images
    >>> held_out = torch.utils.data.DataLoader(
    ...     torch.utils.data.TensorDataset(*blob_images(96, size=16)), batch_size=32
    ... )
    >>> ablation = infoflow.ablate(UNet(base_channels=2), held_out, mend=None, progress=False)
    >>> [row.skip.name for row in ablation.rows][:2]
    ['encoder.3.2->decoder.0.0', 'encoder.2.2->decoder.1.0']
    >>> ablation.dataset["bits"].attrs["units"]
    'bits per pixel'
    """

    def __init__(
        self,
        dataset: xr.Dataset,
        graph: LayerGraph | None = None,
        *,
        tolerance: float | None = None,
        metric_tolerance: float | None = None,
    ) -> None:
        self.dataset = dataset
        self._graph = graph
        known = dataset.attrs
        self.tolerance = float(known["tolerance"] if tolerance is None else tolerance)
        self.metric_tolerance = float(
            known["metric_tolerance"] if metric_tolerance is None else metric_tolerance
        )

    @cached_property
    def graph(self) -> LayerGraph:
        """The net. After :func:`infoflow.load` it has no program to run."""
        if self._graph is not None:
            return self._graph
        return LayerGraph.from_dict(json.loads(self.dataset.attrs["graph"]))

    @property
    def unit(self) -> str:
        """Such as ``"bits per label"`` or ``"bits per pixel"``."""
        return str(self.dataset.attrs["unit"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed or left out, in words."""
        return tuple(line for line in str(self.dataset.attrs["notes"]).splitlines() if line)

    def with_tolerance(
        self, tolerance: float | None = None, metric_tolerance: float | None = None
    ) -> Ablation:
        """Return the same measurements with verdicts at other tolerances."""
        for name, value in (("tolerance", tolerance), ("metric_tolerance", metric_tolerance)):
            if value is not None and not 0 < value < np.inf:
                raise ArgumentError(f"{name} must be a number greater than 0, got {value}.")
        return Ablation(
            self.dataset,
            self._graph,
            tolerance=self.tolerance if tolerance is None else tolerance,
            metric_tolerance=self.metric_tolerance
            if metric_tolerance is None
            else metric_tolerance,
        )

    # ------------------------------------------------------------------------------ rows

    @cached_property
    def rows(self) -> tuple[StreamLoss, ...]:
        """What is lost without each stream, in the order of the graph."""
        return tuple(
            stream_loss(
                *(self.dataset.isel(stream=place), self._skip(name)),
                *(self.tolerance, self.metric_tolerance),
            )
            for place, name in enumerate(self._names)
        )

    @property
    def _names(self) -> list[str]:
        return [str(name) for name in self.dataset["stream"].values]

    def _skip(self, name: str) -> Skip:
        return exact_stream(self.graph, name)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, stream: str | Skip) -> StreamLoss:
        """Return the row of a stream, by its name, its label (``"1→20"``) or the Skip."""
        wanted = stream.name if isinstance(stream, Skip) else str(stream).replace("→", "->")
        for row in self.rows:
            if wanted in (row.skip.name, str(row.skip).replace("→", "->")):
                return row
        raise ArgumentError(
            f"No stream {stream!r} was ablated; expected one of {', '.join(self._names[:8])}."
        )

    def frontier(self) -> tuple[FrontierPoint, ...]:
        """Return the nested sets that cost least, the smallest first, each measured as a set."""
        labels = [str(label) for label in self.dataset["label"].values]
        return tuple(
            frontier_point(
                *(self.dataset.isel(point=place), self._names, labels),
                *(self.tolerance, self.metric_tolerance),
            )
            for place in range(self.dataset.sizes["point"])
        )

    @property
    def chosen(self) -> FrontierPoint | None:
        """The largest set of the frontier up to which all sets can go, None where none can."""
        found = None
        for point in self.frontier():
            if point.verdict != "prune":
                break
            found = point
        return found

    @property
    def cuttable(self) -> StreamNames:
        """Streams that can go together, mended: the largest such set of the frontier."""
        names = () if self.chosen is None else self.chosen.streams
        graph = self._graph if self._graph is not None and self._graph.has_program else None
        return StreamNames.of(names, graph)

    @property
    def conclusion(self) -> str:
        """What can go together, at what cost, and what must stay, in one or two sentences."""
        return conclusion(self)

    # ------------------------------------------------------------------------------ other forms

    def to_frame(self) -> pd.DataFrame:
        """Return a table with a row for each stream."""
        flat = [
            {
                "stream": row.skip.name,
                "label": str(row.skip),
                "status": row.status,
                "verdict": row.verdict,
                "reason": row.reason,
                "more_samples": row.more_samples,
                "mender": row.mender,
                "parameters": row.parameters,
                "multiply_adds": row.multiply_adds,
                "activation_bytes": row.activation_bytes,
                "time": row.time,
            }
            for row in self.rows
        ]
        frame = pd.DataFrame(flat).set_index("stream")
        for net in ("plain", "mended"):
            for end in ("", "_low", "_high"):
                frame[f"{net}_bits{end}"] = self.dataset[f"bits{end}"].sel(net=net).values
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, strings and numbers, from which :meth:`from_dict` makes it again."""
        return {
            "tolerance": self.tolerance,
            "metric_tolerance": self.metric_tolerance,
            "dataset": self.dataset.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Ablation:
        """Make an ablation from what :meth:`to_dict` returned."""
        return cls(
            xr.Dataset.from_dict(data["dataset"]),
            tolerance=data["tolerance"],
            metric_tolerance=data["metric_tolerance"],
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to a netCDF file, whole or not at all."""
        attributes = {
            "infoflow_schema": SCHEMA,
            "infoflow_kind": _KIND,
            "tolerance": self.tolerance,
            "metric_tolerance": self.metric_tolerance,
        }
        return write_whole(self.dataset.assign_attrs(attributes), path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ablation:
        """Read a file that :meth:`save` wrote.

        Raises
        ------
        ResultFileError
            If it is no such file.
        """
        try:
            with xr.open_dataset(path, engine="h5netcdf") as file:
                dataset = file.load()
        except (OSError, ValueError, KeyError) as error:
            raise ResultFileError(
                f"{path} cannot be read ({type(error).__name__}: {error}); expected a file that "
                "Ablation.save wrote."
            ) from error
        if dataset.attrs.get("infoflow_kind") != _KIND:
            raise ResultFileError(
                f"{path} holds no ablation; expected a file that Ablation.save wrote."
            )
        return cls(dataset)

    def __repr__(self) -> str:
        verdicts = [row.verdict for row in self.rows]
        counts = ", ".join(
            f"{verdicts.count(kind)} {kind}" for kind in ("prune", "keep", "cannot tell")
        )
        return f"Ablation({self.dataset.attrs['model']}: {len(self)} streams, {counts})"

    def __str__(self) -> str:
        return ablation_table(self)

    def _repr_html_(self) -> str:
        return ablation_html(self)
