"""``FlowResult``: estimates by epoch and layer, with the graph and every doubt, in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import xarray as xr

from infoflow.flow.audit import Audit, audit
from infoflow.flow.dataset import (
    DOUBT,
    FLAGS,
    PER_EPOCH,
    PER_LAYER,
    SKETCH_ERRORS,
    STREAM_PREFIX,
    WHERE_KNOWN,
    dataset_of,
)
from infoflow.flow.journal import waiting
from infoflow.flow.measurement import Measurement
from infoflow.flow.missing_fields import NEEDED, with_missing
from infoflow.flow.result_table import result_table
from infoflow.flow.schedule import epoch_number
from infoflow.flow.sweep import OrderChange, order_changes
from infoflow.graph.net_result import NetResult
from infoflow.interface import ArgumentError, ArgumentTypeError, Estimator, InfoflowError, Unit
from infoflow.interface.argument_checks import one_of, shown
from infoflow.results import concat
from infoflow.results.frame import tidy_frame
from infoflow.results.plain import plain

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class FlowResult(NetResult):
    """What :func:`infoflow.analyze` and :class:`infoflow.Tracker` measured.

    Parameters
    ----------
    dataset
        ``ixm``, ``iym``, their bounds, intervals, nulls and saturation flags by ``epoch``
        and ``layer``; ceilings, ``samples`` and ``singleton_classes`` by ``epoch``; after a sweep,
        ``ixm_sweep`` and ``iym_sweep`` by ``epoch``, ``noise`` and ``layer``. Units are in each
        variable's attributes; the kind of quantity, the estimator and Y are in the dataset's.
    graph
        The net. It computes values as long as the model is there, which the result does not keep
        alive; after :func:`infoflow.load` or unpickling it has no program to run.

    Examples
    --------
    >>> import torch, infoflow
    >>> from infoflow.testing import UNet, blob_images
    >>> loader = torch.utils.data.DataLoader(blob_images(16, size=32)[0], batch_size=8)
    >>> result = infoflow.analyze(UNet(base_channels=4), loader, progress=False, noise=9.0)
    >>> result.ixm.sel(epoch=0, layer="output").item() <= 4.0
    True
    >>> result
    FlowResult(UNet: 23 layers, 1 epoch, in bits)
    """

    needs = NEEDED
    dims = ("epoch", "layer")
    always = ("ixm", "iym")
    agree = (*NetResult.agree, "estimator", "capture")

    @property
    def ixm(self) -> xr.DataArray:
        """I(X;M) by epoch and layer."""
        return self.dataset["ixm"]

    @property
    def iym(self) -> xr.DataArray:
        """I(Y;M) by epoch and layer; NaN where there was no Y."""
        return self.dataset["iym"]

    @property
    def epochs(self) -> list[int]:
        """The epochs measured, ascending."""
        return [int(epoch) for epoch in self.dataset["epoch"].values]

    @property
    def counts(self) -> Literal["epoch", "step"]:
        """What the dimension ``epoch`` counts: steps, where the coordinate ``step`` is the same."""
        steps = self.dataset.coords.get("step")
        if steps is None or steps.dims != ("epoch",) or not self.epochs[-1]:
            return "epoch"
        return "step" if steps.values.tolist() == self.epochs else "epoch"

    @property
    def layers(self) -> list[str]:
        """Names of the layers measured, in the order of computation."""
        return [str(name) for name in self.dataset["layer"].values]

    @property
    def has_target(self) -> bool:
        """Whether there was a Y."""
        return bool(self.iym.notnull().any())

    @property
    def has_input_information(self) -> bool:
        """Whether there is I(X;M); nearest neighbours give none."""
        return bool(self.ixm.notnull().any())

    @property
    def streams(self) -> xr.Dataset:
        """What each stream into a merge knows of Y, by ``epoch``, ``noise`` and ``stream``.

        ``all``, ``rest`` and ``own`` are I(Y; all streams of the merge), I(Y; all but this one) and
        I(Y; this one). ``added`` is all − rest, with its null (the classes shuffled among the
        samples); it is ``unique`` and ``synergy`` together, while ``shared`` is known to both.
        Coordinates name the ``source``, ``merge`` and ``role`` (main or skip) of a stream.

        Raises
        ------
        InfoflowError
            If streams were not measured.

        References
        ----------
        Shared information is that of Ince (2017), Entropy 19(7), 318: what changes the surprise of
        a sample's class on both sides alike.
        """
        mine = [name for name in self.dataset.variables if str(name).startswith(STREAM_PREFIX)]
        if not mine:
            raise InfoflowError(
                "This result holds no streams. They are measured with estimator='kde', a target, "
                "and layers='all' or 'merges', where streams of layers merge; a merge with the "
                "model's own input is left out."
            )
        names = {name: str(name).removeprefix(STREAM_PREFIX) for name in mine}
        return self.dataset[mine].rename(names)

    def order_changes(
        self, quantity: Literal["ixm", "iym"] = "iym", epoch: int | None = None
    ) -> tuple[OrderChange, ...]:
        """Say between which points of a sweep of noise the order of the layers changes.

        Raises
        ------
        InfoflowError
            If the result is of a single noise.
        """
        self._check_sweep(quantity)
        return order_changes(
            self.dataset[f"{quantity}_sweep"].sel(epoch=self._checked_epoch(epoch))
        )

    def audit(self, epoch: int | None = None) -> Audit:
        """Check the data processing inequality along the dominators; see :class:`Audit`.

        What a layer knows, the layers that dominate it must know too. Where an estimate says
        otherwise, the finding says why. The epoch is the last one, unless said otherwise.

        Examples
        --------
        >>> import torch, infoflow
        >>> chain = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.Linear(2, 2))
        >>> chain[0].weight.data = 0.1 * torch.eye(2)
        >>> chain[1].weight.data = 10.0 * torch.eye(2)
        >>> points = [torch.randn(200, 2, generator=torch.Generator().manual_seed(0))]
        >>> result = infoflow.analyze(chain, points, noise=0.1, progress=False)
        >>> [row.finding for row in result.audit()]
        ['noise model']
        """
        return audit(self.dataset, self.graph, self._checked_epoch(epoch))

    def joined(self, later: FlowResult) -> FlowResult:
        """Return one result with the epochs of both; where both have one, ``later`` counts."""
        if not isinstance(later, FlowResult):
            raise ArgumentTypeError(
                f"joined takes another FlowResult, got {shown(later)}. infoflow.load(path) reads "
                "one."
            )
        keep = [epoch for epoch in self.epochs if epoch not in later.epochs]
        return concat([self.sel(epoch=keep), later], "epoch") if keep else later

    @classmethod
    def from_stored(cls, dataset: xr.Dataset, path: Path) -> Self:
        """Return the result that :meth:`stored` gave, with the epochs in the file's journal."""
        found = super().from_stored(dataset, path)
        later = {int(one["epoch"][0]): found.with_dataset(one) for one in waiting(path)}
        keep = [epoch for epoch in found.epochs if epoch not in later]
        whole = [found.sel(epoch=keep)] if keep else []
        return concat([*whole, *later.values()], "epoch") if later else found

    def net(self) -> object:
        """Return the kinds and shapes of the measured layers."""
        layers = [self.graph[name] for name in self.layers]
        return self.model, [(layer.name, layer.kind, tuple(layer.shape)) for layer in layers]

    def to_frame(self, rows: Literal["layer", "noise", "stream"] = "layer") -> pd.DataFrame:
        """Return a tidy pandas frame.

        Parameters
        ----------
        rows
            One row for each epoch and ``"layer"``; for each noise of a sweep as well
            (``"noise"``); or for each ``"stream"`` into a merge, whose words are those of
            :attr:`streams`.
        """
        if one_of("rows", rows, ("layer", "noise", "stream")) == "layer":
            return super().to_frame()
        dims = {"noise": ("epoch", "noise", "layer"), "stream": ("epoch", "noise", "stream")}
        if rows == "noise":
            self._check_sweep("ixm")
            sweeps = [str(name) for name in self.dataset if str(name).endswith("_sweep")]
            return tidy_frame(self.dataset[sweeps], dims[rows], self.joined_along, sweeps)
        return tidy_frame(self.streams, dims[rows], self.joined_along, ("all", "rest", "added"))

    @classmethod
    def completed(cls, dataset: xr.Dataset) -> xr.Dataset:
        """Return a stored dataset with what older files lack."""
        return with_missing(dataset)

    def to_dict(self, epoch: int | None = None) -> dict[str, Any]:
        """Return one epoch (the last, unless said otherwise) as plain lists and numbers.

        Raises
        ------
        ArgumentError
            If several results were joined: take one with ``.sel(seed=0)``.
        """
        moment = self.dataset.sel(epoch=self._checked_epoch(epoch))
        about = {key: self.dataset.attrs[key] for key in ("model", "estimator", "kind", "target")}
        about["capture"] = self.dataset.attrs.get("capture", "exact")
        columns = {
            name: moment[name].values.tolist()
            for name in (*PER_LAYER, *SKETCH_ERRORS, *WHERE_KNOWN, *FLAGS, DOUBT)
            if name in moment
        }
        rows = [
            {"index": int(i), "layer": name, **{key: plain(columns[key][row]) for key in columns}}
            for row, (i, name) in enumerate(zip(moment["index"].values, self.layers, strict=True))
        ]
        numbers = (*PER_EPOCH, "samples", "singleton_classes")
        per_epoch = {name: plain(moment[name].item()) for name in numbers}
        changes = (
            {name: [str(c) for c in self.order_changes(name, epoch)] for name in ("ixm", "iym")}
            if "noise" in self.dataset.dims
            else {}
        )
        return {
            **about,
            "order_changes": changes,
            "unit": self.unit,
            "epoch": int(moment["epoch"]),
            **per_epoch,
            "layers": rows,
        }

    def _check_sweep(self, quantity: str) -> None:
        if f"{quantity}_sweep" not in self.dataset:
            raise InfoflowError(
                f"This result holds no sweep of {quantity!r}. Measure with several noises, such as "
                "noise=[0.1, 1.0, 10.0]."
            )

    def _checked_epoch(self, epoch: int | None) -> int:
        self.single()
        if epoch is None:
            return self.epochs[-1]
        number = epoch_number(epoch)
        if number not in self.epochs:
            raise ArgumentError(
                f"epoch must be among the measured ones, {self.epochs}, got {epoch}."
            )
        return number

    def table(self) -> str:
        """Return the table of the last epoch."""
        return result_table(self.to_dict(), self.epochs, self.counts)


def result_of(
    measurement: Measurement, estimator: Estimator, unit: Unit, *, epoch: int
) -> FlowResult:
    """Label a measurement."""
    dataset = dataset_of(measurement, estimator, unit, epoch)
    return FlowResult(dataset, measurement.graph)
