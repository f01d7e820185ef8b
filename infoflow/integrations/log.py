"""``infoflow.log``: a result in TensorBoard, W&B, MLflow or a logger of Lightning."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from infoflow.flow import FlowResult
from infoflow.integrations.writers import writer_of
from infoflow.interface import ArgumentTypeError
from infoflow.interface.argument_checks import is_flag, shown, whole_number
from infoflow.plots import Quantity, uplot
from infoflow.reports import report

_QUANTITIES: tuple[Quantity, ...] = ("ixm", "iym")
#: What MLflow takes in names; all others take more.
_STRANGE = re.compile(r"[^\w.\- /]", re.ASCII)


def log(
    result: FlowResult,
    writer: Any,
    step: int | None = None,
    *,
    prefix: str = "infoflow",
    figures: bool = False,
    page: bool = False,
) -> tuple[str, ...]:
    """Log the last epoch of a result: I(X;M) and I(Y;M) of each layer, and their ceilings.

    Parameters
    ----------
    result
        From :func:`infoflow.analyze` or a :class:`infoflow.Tracker`.
    writer
        Whatever has ``add_scalar`` (TensorBoard's ``SummaryWriter``) or ``log_metrics`` (the
        ``mlflow`` module, a logger of Lightning), or a run of W&B.
    step
        Where to log; the step of the measurement where it is known, else its epoch.
    prefix
        Begins all names, which go on with quantity, unit and layer: ``infoflow/iym_bits/layer``.
    figures
        Whether to log U-Plots of the last epoch as well.
    page
        Whether to log the page of :func:`infoflow.report` as well: as an artifact, and beside the
        event files of TensorBoard, which has none.

    Returns
    -------
    tuple of str
        What was logged: ``"scalars"``, and ``"figures"`` and ``"page"`` where they were wanted and
        the logger takes them.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For another result, a step below 0, or a writer without any of these methods.

    Examples
    --------
    >>> import infoflow, torch
    >>> class Printer:
    ...     def add_scalar(self, name, value, step):
    ...         print(name, round(value, 3), step)
    >>> net, points = torch.nn.Sequential(torch.nn.Linear(3, 2)), torch.eye(2, 3)
    >>> infoflow.log(infoflow.analyze(net, 2 * [points], noise=1e-9, progress=False), Printer(), 7)
    infoflow/ixm_bits/0 1.0 7
    infoflow/ixm_bits_ceiling 2.0 7
    ('scalars',)
    """
    if not isinstance(result, FlowResult):
        raise ArgumentTypeError(
            f"log takes a FlowResult, which infoflow.analyze and a Tracker return, got "
            f"{shown(result)}."
        )
    is_flag("figures", figures)
    is_flag("page", page)
    if not isinstance(prefix, str) or not prefix:
        raise ArgumentTypeError(f"prefix must be a text, such as 'infoflow', got {shown(prefix)}.")
    sink = writer_of(writer)
    moment = result.single().dataset.isel(epoch=-1)
    number = _step_of(moment) if step is None else whole_number("step", step)
    sink.scalars(_scalars(moment, prefix, result.unit), number)
    done = ["scalars"]
    drawn = list(_figures(result)) if figures else []
    taken = [sink.figure(f"{prefix}/{name}", figure, number) for name, figure in drawn]
    done += ["figures"] if taken and all(taken) else []
    if page:
        with TemporaryDirectory(prefix="infoflow") as folder:
            path = report(result, Path(folder) / "report.html")
            done += ["page"] if sink.page(path, f"{prefix}/report") else []
    return tuple(done)


def _step_of(moment: xr.Dataset) -> int:
    return int(moment["step" if "step" in moment.coords else "epoch"])


def _scalars(moment: xr.Dataset, prefix: str, unit: str) -> dict[str, float]:
    """Return the numbers by name; those that are not known are left out."""
    found: dict[str, float] = {}
    for quantity in _QUANTITIES:
        start = f"{prefix}/{quantity}_{unit}"
        values = zip(moment["layer"].values, moment[quantity].values, strict=True)
        known = [(str(name), float(value)) for name, value in values if math.isfinite(value)]
        if not known:
            continue
        for name, value in known:
            plain = f"{start}/{_STRANGE.sub('_', name)}"
            while plain in found:
                plain += "_"
            found[plain] = value
        found[f"{start}_ceiling"] = float(moment[f"{quantity}_ceiling"])
    return found


def _figures(result: FlowResult) -> Iterator[tuple[str, Figure]]:
    """Yield U-Plots of the last epoch, of what was measured."""
    measured = {"ixm": result.has_input_information, "iym": result.has_target}
    for quantity in _QUANTITIES:
        if measured[quantity]:
            figure = Figure(figsize=(8.0, 4.8), layout="constrained")
            uplot(result, figure.subplots(), quantity=quantity, epochs=result.epochs[-1:])
            yield f"uplot_{quantity}", figure
