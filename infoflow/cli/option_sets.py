"""Options that belong together: each set is defined once, and commands take it as one argument."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infoflow.cli.commands import check_form, print_as_asked
from infoflow.cli.options import (
    AsCsv,
    AsJson,
    BitsTolerance,
    Budget,
    Calibrate,
    Data,
    DeviceOption,
    DistancesOption,
    EstimatorName,
    LargestRise,
    LayersOption,
    Leaves,
    LossOption,
    MendOption,
    MetricOption,
    MetricTolerance,
    Noise,
    Open,
    Overwrite,
    Reduce,
    SavePlots,
    Seed,
    Shape,
    Target,
    Weights,
    read_estimator,
    read_layers,
)
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import ArgumentError

if TYPE_CHECKING:
    from infoflow.results import Result


@dataclass(frozen=True)
class Sources:
    """What a MODEL is loaded with."""

    data: Data = None
    weights: Weights = None
    input_shape: Shape = None


@dataclass(frozen=True)
class Tracing:
    """How a MODEL is traced."""

    leaves: Leaves = None
    opened: Open = None
    reduce: Reduce = "flatten"

    @property
    def of_trace(self) -> dict[str, Any]:
        """The keyword arguments of :func:`infoflow.trace`."""
        return {**asdict(self._options), "reduce": self._reduce}

    @property
    def of_measuring(self) -> dict[str, Any]:
        """The keyword arguments of :func:`infoflow.analyze`, and of others that measure."""
        return {"tracing": self._options, "reduce": self._reduce}

    @property
    def _options(self) -> TracingOptions:
        return TracingOptions(tuple(self.leaves or ()), tuple(self.opened or ()))

    @property
    def _reduce(self) -> int | str:
        # a way to reduce that does not exist is told by trace
        return int(self.reduce) if self.reduce.lstrip("-").isdigit() else self.reduce


@dataclass(frozen=True)
class Measuring:
    """How information is measured, and of which layers."""

    estimator: EstimatorName = "kde"
    layers: LayersOption = "all"
    memory_budget: Budget = "2GB"
    distances: DistancesOption = "auto"

    @property
    def settings(self) -> dict[str, Any]:
        """The keyword arguments of :func:`infoflow.analyze` and :func:`infoflow.plan`."""
        return {
            "estimator": read_estimator(self.estimator),
            "layers": read_layers(self.layers),
            "memory_budget": self.memory_budget,
            "distances": self.distances,
        }


@dataclass(frozen=True)
class Judging:
    """How losses are measured, what mends, and how much may be lost."""

    calibrate: Calibrate = None
    metric: MetricOption = None
    loss: LossOption = "auto"
    mend: MendOption = "auto"
    tolerance: BitsTolerance = None
    metric_tolerance: MetricTolerance = None
    largest_rise: LargestRise = None
    device: DeviceOption = None
    seed: Seed = 0

    @property
    def settings(self) -> dict[str, Any]:
        """The keyword arguments that ablations and comparisons of nets share."""
        from infoflow.pruning import Tolerance

        return {
            "metric": self.metric,
            "loss": self.loss,
            "tolerance": Tolerance(self.tolerance, self.metric_tolerance, self.largest_rise),
            "device": self.device,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Output:
    """Where a result goes, and in which form it is printed."""

    out: Annotated[Path | None, typer.Option(help="Save the result here (netCDF).")] = None
    overwrite: Overwrite = False
    as_json: AsJson = False
    as_csv: AsCsv = False

    def check(self) -> None:
        """Raise an ArgumentError, before any work is done, for what cannot be written."""
        from infoflow.cli.figures import check_result

        check_form(self.as_json, self.as_csv)
        if self.out is not None:
            check_result(self.out, self.overwrite)

    def save(self, result: Result) -> None:
        """Save a result, if it is to be saved."""
        from infoflow.cli.figures import save_result

        if self.out is not None:
            save_result(result, self.out, as_json=self.as_json)

    def print(self, result: Any) -> None:
        """Print a result in the form that was asked for."""
        print_as_asked(result, self.as_json, self.as_csv)


@dataclass(frozen=True)
class Advising:
    """What advice is made from, and where what was measured for it goes."""

    reading: Annotated[
        str, typer.Option(help="ablation, or paper: as Lee and Bajić read I(Y;M), for a redesign.")
    ] = "ablation"
    explain: Annotated[
        bool, typer.Option("--explain", help="Show information beside the verdicts.")
    ] = False
    usable: Annotated[
        bool, typer.Option("--usable", help="Show beside the verdicts what small probes can use.")
    ] = False
    target: Target = "auto"
    noise: Noise = None
    memory_budget: Budget = "2GB"
    out: Annotated[
        Path | None, typer.Option(help="Save the measurement of a MODEL here (netCDF).")
    ] = None
    save_plots: SavePlots = None
    overwrite: Overwrite = False

    def check(self) -> None:
        """Raise an ArgumentError, before any work is done, for what cannot be read or written."""
        from infoflow.cli.figures import check_folder, check_result

        if self.reading not in ("ablation", "paper"):
            raise ArgumentError(f"--reading must be ablation or paper, got {self.reading!r}.")
        if self.save_plots is not None:
            check_folder(self.save_plots, self.overwrite)
        if self.out is not None:
            check_result(self.out, self.overwrite)
