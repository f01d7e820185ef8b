"""``Ablation``: what a net loses without its streams."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from infoflow.graph.net_result import NetResult
from infoflow.graph.text_table import counted
from infoflow.interface import ArgumentError, Skip
from infoflow.pruning.ablation.ablation_table import ablation_table, conclusion
from infoflow.pruning.ablation.stream_rows import (
    FrontierPoint,
    StreamLoss,
    frontier_point,
    ignorance,
    rules_of,
    stream_loss,
)
from infoflow.pruning.ablation.tolerance import check_above_0
from infoflow.pruning.choice import StreamNames, exact_stream
from infoflow.results import Fact
from infoflow.results.facts import lines
from infoflow.results.frame import tidy_frame

if TYPE_CHECKING:
    import pandas as pd

#: What a frame shows of each stream, beside the bits.
_SHOWN = (
    *("status", "verdict", "reason", "more_samples", "mender"),
    *("parameters", "multiply_adds", "activation_bytes", "time"),
)


@dataclass(frozen=True, eq=False, repr=False)
class Ablation(NetResult):
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
        Of the whole net: ``whole_bits``, its loss, and ``known_bits``, by how much it predicts
        better than the best constant prediction, with ``known_bits_low`` and ``known_bits_high``.
    tolerance, metric_tolerance
        What may be lost, in bits per label, and in units of the metric.

    Examples
    --------
    >>> import infoflow, torch
    >>> from infoflow.testing import UNet, blob_images
    >>> held_out = torch.utils.data.DataLoader(
    ...     torch.utils.data.TensorDataset(*blob_images(96, size=16)), batch_size=32
    ... )
    >>> ablation = infoflow.ablate(
    ...     UNet(base_channels=2), held_out, streams=["7->11", "1->20"], sets=None, mend=None,
    ...     progress=False,
    ... )
    >>> [row.skip.name for row in ablation.rows]
    ['encoder.3.2->decoder.0.0', 'encoder.0.2->decoder.3.0']
    >>> ablation.dataset["bits"].attrs["units"]
    'bits per pixel'
    """

    needs = ("stream", "label", "bits", "tolerance", "metric_tolerance", "whole_bits")
    dims = ("stream",)
    always = ("plain_bits", "mended_bits", "verdict")
    agree = ("model", "loss", "metric", "menders", "tolerance", "metric_tolerance")
    tolerance, metric_tolerance = Fact(float), Fact(float)
    whole_bits, whole_metric = Fact(float), Fact(float)
    notes = Fact(lines)

    @property
    def unit(self) -> str:
        """Such as ``"bits per label"`` or ``"bits per pixel"``."""
        return str(self.dataset.attrs["unit"])

    def with_tolerance(
        self, tolerance: float | None = None, metric_tolerance: float | None = None
    ) -> Ablation:
        """Return the same measurements with verdicts at other tolerances.

        A ``metric_tolerance`` asks for proof: *prune* needs the upper end of what the metric loses
        below it.
        """
        given = {"tolerance": tolerance, "metric_tolerance": metric_tolerance}
        for name, value in given.items():
            check_above_0(name, value)
        changed = {
            name: self.dataset[name].copy(data=value)
            for name, value in given.items()
            if value is not None
        }
        dataset = self.dataset.assign(changed)
        if metric_tolerance is not None:
            dataset = dataset.assign_attrs(metric_rule="proof")
        return self.with_dataset(dataset)

    # ------------------------------------------------------------------------------ rows

    @cached_property
    def rows(self) -> tuple[StreamLoss, ...]:
        """What is lost without each stream, in the order of the graph."""
        self.single()
        rules = rules_of(self.dataset)
        return tuple(
            stream_loss(self.dataset.isel(stream=place), self._skip(name), rules)
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
        rules = rules_of(self.dataset)
        return tuple(
            frontier_point(self.dataset.isel(point=place), self._names, labels, rules)
            for place in range(self.dataset.sizes["point"])
        )

    @property
    def chosen(self) -> FrontierPoint | None:
        """The largest set of the frontier whose verdict is *prune*, None where none has it."""
        points = [point for point in self.frontier() if point.verdict == "prune"]
        return points[-1] if points else None

    @property
    def cuttable(self) -> StreamNames:
        """Streams that can go together, mended: the largest set of the frontier that can.

        Where no set can, or none was measured, the one stream that can go alone and saves most.
        They know what mended best, which ``mend="auto"`` of :func:`infoflow.prune` then takes.
        """
        if self.chosen is not None:
            return StreamNames.of(self.chosen.streams, self.graph, self.chosen.mender)
        alone = [row for row in self.rows if row.verdict == "prune"]
        best = sorted(alone, key=_saved)[-1:]
        mender = best[0].mender if best else ""
        return StreamNames.of([row.skip.name for row in best], self.graph, mender)

    @property
    def ignorance(self) -> str:
        """Why no verdict is firm: the whole net predicts no better than a constant; else empty."""
        return ignorance(self.single().dataset)

    @property
    def conclusion(self) -> str:
        """What can go together, at what cost, and what must stay, in one or two sentences."""
        rows = self.rows
        best: StreamLoss | FrontierPoint | None = self.chosen
        if best is None and self.cuttable:
            best = self[self.cuttable[0]]
        return conclusion(self, rows, best)

    # ------------------------------------------------------------------------------ other forms

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy pandas frame, one row for each stream, with its verdict and its bits."""
        if self.joined_along:
            return self.frame_of_parts()
        columns = {name: [getattr(row, name) for row in self.rows] for name in _SHOWN}
        dataset = xr.Dataset(
            {name: ("stream", np.array(values)) for name, values in columns.items()},
            {"stream": self._names, "label": self.dataset["label"]},
        )
        for net in ("plain", "mended"):
            for end in ("", "_low", "_high"):
                numbers = self.dataset[f"bits{end}"].sel(net=net, drop=True)
                dataset[f"{net}_bits{end}"] = numbers
        return tidy_frame(dataset, self.dims, (), self.always)

    def title(self) -> str:
        """Return the number of streams and of verdicts of each kind."""
        verdicts = [row.verdict for row in self.rows]
        counts = ", ".join(
            f"{verdicts.count(kind)} {kind}" for kind in ("prune", "keep", "cannot tell")
        )
        return f"{self.model}: {counted(len(self), 'stream')}, {counts}"

    def table(self) -> str:
        """Return the conclusion, a line for each stream, and the frontier."""
        said = (self.conclusion, *self.notes)
        return ablation_table(self.dataset, self.rows, self.frontier(), said)


def _saved(row: StreamLoss) -> tuple[float, float]:
    """Return the parameters that a stream saves, and, to break ties, how few bits it loses."""
    bits = 0.0 if row.best is None else row.best.value
    return float(np.nan_to_num(row.parameters)), -bits
