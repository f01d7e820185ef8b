"""``infoflow.plan``: what a measurement will cost, from shapes alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from infoflow.capture.budget import format_bytes, parse_bytes
from infoflow.capture.reading_options import DistanceMode, DistanceOptions
from infoflow.capture.session import measurable
from infoflow.estimators import make_estimator
from infoflow.estimators.statistics import Draws
from infoflow.flow.measuring_costs import costs_of, course_of
from infoflow.graph import LayerGraph
from infoflow.graph.selection import LayerChoice
from infoflow.graph.text_table import as_number, counted
from infoflow.interface import (
    ArgumentError,
    ArgumentTypeError,
    Estimator,
)
from infoflow.interface.argument_checks import shown, whole_number
from infoflow.results import Fact, Result
from infoflow.results.facts import if_known


class MeasurementPlan(Result):
    """What a measurement will do and cost.

    Attributes
    ----------
    samples, layers
        Number of samples, and of measured layers.
    capture
        How statistics are collected: exact, or from sketches.
    passes
        How often the samples are read.
    forward
        Multiply-adds of one plain forward pass over the samples; None where they are not known.
    extra
        Multiply-adds, or what costs as much, for the distances or codes.
    relative_time
        All of it over one plain forward pass, with the speed of products against convolutions that
        of a usual CPU: an estimate within a factor of about 2. None where ``forward`` is.
    memory
        Bytes above the model's own, at most.
    """

    samples, layers, passes, memory = Fact(int), Fact(int), Fact(int), Fact(int)
    extra, forward, relative_time = Fact(float), Fact(if_known), Fact(if_known)
    capture = Fact(str)

    def title(self) -> str:
        """Return the net, and how much will be measured."""
        return (
            f"{self.model}: {counted(self.layers, 'layer')} for {counted(self.samples, 'sample')}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain strings and numbers."""
        names = ("model", "samples", "layers", "capture", *_COSTS)
        return {name: getattr(self, name) for name in names}

    def table(self) -> str:
        """Return what it costs, line by line."""
        passes = "1 pass" if self.passes == 1 else f"{self.passes} passes"
        return "\n".join(
            [
                self.title(),
                f"Capture: {self.capture}, {passes} over the samples",
                f"Forward pass: {as_number(self.forward, '.3g')} multiply-adds; "
                f"for the statistics: as much as {self.extra:.3g}",
                f"Time: about {as_number(self.relative_time, '.1f')} plain forward passes",
                f"Memory above the model's own: at most {format_bytes(self.memory)}",
            ]
        )


#: The costs, with their units.
_COSTS = {
    "passes": "1",
    "forward": "multiply-adds",
    "extra": "multiply-adds",
    "relative_time": "forward passes",
    "memory": "bytes",
}


def plan(
    graph: LayerGraph,
    samples: int,
    *,
    estimator: str | Estimator = "kde",
    layers: LayerChoice = "all",
    distances: DistanceMode | DistanceOptions = "auto",
    memory_budget: int | float | str = "2GB",
) -> MeasurementPlan:
    """Say what :func:`infoflow.analyze` will do and cost, before it runs.

    Nothing is computed: shapes and multiply-adds of the traced graph are enough.

    Parameters
    ----------
    graph
        From :func:`infoflow.trace`.
    samples
        Number of samples, at least 2.
    estimator, layers, distances, memory_budget
        As for :func:`infoflow.analyze`, with a target: the distances of streams take some of the
        budget.

    Raises
    ------
    ArgumentError, MemoryBudgetError
        As :func:`infoflow.analyze` would raise.

    Examples
    --------
    >>> import infoflow, torch
    >>> from infoflow.testing import UNet
    >>> graph = infoflow.trace(UNet(base_channels=16), torch.zeros(1, 3, 128, 128))
    >>> plan = infoflow.plan(graph, samples=605, memory_budget="8GB")
    >>> plan.capture, plan.passes
    ('exact', 1)
    """
    if not isinstance(graph, LayerGraph):
        raise ArgumentTypeError(
            f"plan needs a LayerGraph, got {shown(graph)}. Write "
            "infoflow.plan(infoflow.trace(model, example), samples)."
        )
    budget, samples = parse_bytes(memory_budget), whole_number("samples", samples, least=2)
    chosen = make_estimator(estimator)
    if isinstance(chosen.statistic, Draws):
        raise ArgumentError(
            f"plan knows what estimators cost that see each sample once, got {chosen.name}, which "
            "draws noise until its standard error is small enough. Measure a few samples first."
        )
    options, measured = DistanceOptions.of(distances), measurable(graph, layers)

    course = course_of(graph, measured, samples, chosen, options, budget)
    costs = costs_of(graph, measured, samples, chosen, course)
    variables = {
        name: ((), np.nan if cost is None else cost, {"units": unit})
        for (name, unit), cost in zip(_COSTS.items(), costs, strict=True)
    }
    about = {"model": graph.model, "capture": str(course.strategy)}
    sizes = {"samples": ((), samples), "layers": ((), len(measured))}
    return MeasurementPlan(xr.Dataset({**sizes, **variables}, attrs=about))
