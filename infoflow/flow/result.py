"""``FlowResult``: estimates by epoch and layer, with the graph and every doubt, in one file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
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
    missing_fields,
    with_missing,
)
from infoflow.flow.files import write_whole
from infoflow.flow.measure import Measurement
from infoflow.flow.result_table import result_table
from infoflow.flow.sweep import OrderChange, order_changes
from infoflow.graph import LayerGraph
from infoflow.interface import ArgumentError, Estimator, InfoflowError, ResultFileError, Unit

#: Version of the file's layout; raised when a file of before can no longer be read.
SCHEMA = 1


class FlowResult:
    """What :func:`infoflow.analyze` and :class:`infoflow.Tracker` measured.

    Attributes
    ----------
    dataset : xarray.Dataset
        ``ixm``, ``iym``, their bounds, intervals, nulls and saturation flags by ``epoch``
        and ``layer``; ceilings, ``samples`` and ``singleton_classes`` by ``epoch``; after a sweep,
        ``ixm_sweep`` and ``iym_sweep`` by ``epoch``, ``noise`` and ``layer``. Units are in each
        variable's attributes; the kind of quantity, the estimator and Y are in the dataset's.
    graph : LayerGraph
        The net. After :func:`infoflow.load` it has no program to run.

    Examples
    --------
    >>> import torch, infoflow
    >>> from infoflow.testing import UNet, blob_images
    >>> loader = torch.utils.data.DataLoader(blob_images(16, size=32)[0], batch_size=8)
    >>> result = infoflow.analyze(UNet(base_channels=4), loader, progress=False, noise_variance=9.0)
    >>> result.ixm.sel(epoch=0, layer="output").item() <= 4.0
    True
    """

    def __init__(self, dataset: xr.Dataset, graph: LayerGraph) -> None:
        self.dataset = dataset
        self.graph = graph

    @property
    def ixm(self) -> xr.DataArray:
        """I(X;M) by epoch and layer."""
        return self.dataset["ixm"]

    @property
    def iym(self) -> xr.DataArray:
        """I(Y;M) by epoch and layer; NaN where there was no Y."""
        return self.dataset["iym"]

    @property
    def unit(self) -> str:
        """``"bits"`` or ``"nats"``."""
        return str(self.dataset["ixm"].attrs["units"])

    @property
    def epochs(self) -> list[int]:
        """The epochs measured, ascending."""
        return [int(epoch) for epoch in self.dataset["epoch"].values]

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
        if f"{quantity}_sweep" not in self.dataset:
            raise InfoflowError(
                f"This result holds no sweep of {quantity!r}. Measure with several noises, such as "
                "noise=[0.1, 1.0, 10.0]."
            )
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
        >>> result = infoflow.analyze(chain, points, noise_variance=0.1, progress=False)
        >>> [row.finding for row in result.audit()]
        ['noise model']
        """
        return audit(self.dataset, self.graph, self._checked_epoch(epoch))

    def joined(self, later: FlowResult) -> FlowResult:
        """Return one result with the epochs of both; where both have one, ``later`` counts."""
        keep = [epoch for epoch in self.epochs if epoch not in later.epochs]
        parts = [self.dataset.sel(epoch=keep), later.dataset]
        joined = xr.concat(parts, dim="epoch", combine_attrs="override", join="exact")
        return FlowResult(joined.sortby("epoch"), later.graph)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write netCDF; a file that is there is replaced only when the new one is complete.

        Raises
        ------
        ResultFileError
            If the file cannot be written.
        """
        # a variable, since an HDF5 attribute may not exceed 64 kB, and a DenseNet's graph does
        graph = json.dumps(self.graph.to_dict())
        return write_whole(self.dataset.assign(graph=graph), path)

    def to_dict(self, epoch: int | None = None) -> dict[str, Any]:
        """Return one epoch (the last, unless said otherwise) as plain lists and numbers."""
        moment = self.dataset.sel(epoch=self._checked_epoch(epoch))
        about = {key: self.dataset.attrs[key] for key in ("model", "estimator", "kind", "target")}
        about["capture"] = self.dataset.attrs.get("capture", "exact")
        columns = {
            name: moment[name].values.tolist()
            for name in (*PER_LAYER, *SKETCH_ERRORS, *WHERE_KNOWN, *FLAGS, DOUBT)
            if name in moment
        }
        rows = [
            {"index": int(i), "layer": name, **{key: _plain(columns[key][row]) for key in columns}}
            for row, (i, name) in enumerate(zip(moment["index"].values, self.layers, strict=True))
        ]
        numbers = (*PER_EPOCH, "samples", "singleton_classes")
        per_epoch = {name: _plain(moment[name].item()) for name in numbers}
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

    def _checked_epoch(self, epoch: int | None) -> int:
        if epoch is not None and epoch not in self.epochs:
            raise ArgumentError(
                f"epoch must be among the measured ones, {self.epochs}, got {epoch}."
            )
        return self.epochs[-1] if epoch is None else epoch

    def __str__(self) -> str:
        return result_table(self.to_dict(), self.epochs)

    def __repr__(self) -> str:
        return (
            f"FlowResult({self.graph.model}: {len(self.layers)} layers, "
            f"{len(self.epochs)} epochs, in {self.unit})"
        )


def _plain(value: Any) -> Any:
    """Return a JSON value: NaN, which JSON lacks, becomes None."""
    return None if isinstance(value, float) and np.isnan(value) else value


def result_of(
    measurement: Measurement, estimator: Estimator, unit: Unit, *, epoch: int
) -> FlowResult:
    """Label a measurement."""
    dataset = dataset_of(measurement, estimator, unit, epoch)
    return FlowResult(dataset.assign_attrs(infoflow_schema=SCHEMA), measurement.graph)


def load(path: str | os.PathLike[str]) -> FlowResult:
    """Read a result that :meth:`FlowResult.save` wrote.

    Raises
    ------
    ResultFileError
        If there is no such file, it is truncated, no infoflow result, or of another schema.
    """
    source = Path(path)
    if not source.is_file():
        raise ResultFileError(f"There is no file {source}. Expected a result that .save() wrote.")
    try:
        with xr.open_dataset(source, engine="h5netcdf") as stored:
            dataset = stored.load()
    except Exception as error:
        raise ResultFileError(
            f"{source} cannot be read as an infoflow result ({type(error).__name__}): it is "
            "truncated or no netCDF file. Measure again, or take the file from a complete copy."
        ) from error
    schema = dataset.attrs.get("infoflow_schema")
    if schema is None:
        raise ResultFileError(
            f"{source} is netCDF, but no infoflow result: it has no infoflow_schema. Expected a "
            "file that FlowResult.save() wrote."
        )
    if schema != SCHEMA:
        raise ResultFileError(
            f"{source} has schema {schema}, this version of infoflow reads schema {SCHEMA}. Use "
            "the version that wrote it, or measure again."
        )
    lacking = missing_fields(dataset)
    if lacking:
        raise ResultFileError(
            f"{source} lacks {', '.join(lacking)}, which every infoflow result has. Measure again, "
            "or take the file from a complete copy."
        )
    try:
        graph = LayerGraph.from_dict(json.loads(dataset["graph"].item()))
    except (KeyError, TypeError, ValueError) as error:
        raise ResultFileError(
            f"{source} lacks the layer graph of an infoflow result, or holds a damaged one "
            f"({type(error).__name__}). Measure again, or take the file from a complete copy."
        ) from error
    return FlowResult(with_missing(dataset.drop_vars("graph")), graph)
