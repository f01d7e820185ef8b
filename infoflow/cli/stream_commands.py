"""``infoflow ablate``, ``prune-suggest``, ``prune`` and ``verify``: what a net can do without."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infoflow.cli.commands import app, check_form, print_as_asked, typed
from infoflow.cli.options import (
    AsCsv,
    AsJson,
    BitsTolerance,
    Budget,
    Calibrate,
    Data,
    DeviceOption,
    LargestRise,
    Leaves,
    LossOption,
    MendOption,
    MetricOption,
    MetricTolerance,
    Model,
    Noise,
    Open,
    Overwrite,
    Reduce,
    SavePlots,
    Seed,
    Shape,
    Shapes,
    Target,
    TypedTracing,
    Weights,
    read_noise,
)
from infoflow.interface import ArgumentError


@app.command("ablate")
def ablate_command(
    model: Model,
    data: Data = None,
    calibrate: Calibrate = None,
    weights: Weights = None,
    metric: MetricOption = None,
    loss: LossOption = "auto",
    mend: MendOption = "auto",
    frontier: Annotated[bool, typer.Option(help="Measure nested sets of streams, too.")] = True,
    tolerance: BitsTolerance = None,
    metric_tolerance: MetricTolerance = None,
    largest_rise: LargestRise = None,
    journal: Annotated[
        Path | None, typer.Option(help="A run that was stopped goes on from this file.")
    ] = None,
    device: DeviceOption = None,
    memory_budget: Budget = "2GB",
    input_shape: Shape = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Save the ablation here (netCDF).")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Measure what MODEL loses on held-out --data without each stream, as it is and mended."""
    from infoflow.cli.ablating import Ablating, print_ablation
    from infoflow.cli.figures import check_result, save_result
    from infoflow.pruning import Tolerance

    check_form(as_json, as_csv)
    if out is not None:
        check_result(out, overwrite)
    allowed = Tolerance(tolerance, metric_tolerance, largest_rise)
    ablating = Ablating(
        *(calibrate, metric, loss, mend, frontier, allowed, journal, device, memory_budget, seed)
    )
    ablation = ablating.of(model, data, weights, input_shape)
    if out is not None:
        save_result(ablation, out, as_json=as_json)
    if as_csv:
        print_as_asked(ablation, as_json, as_csv)
    else:
        print_ablation(ablation, as_json=as_json)


@app.command()
def prune_suggest(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(help="A saved ablation or result (.nc), or a MODEL to ablate on --data."),
    ],
    data: Data = None,
    calibrate: Calibrate = None,
    weights: Weights = None,
    metric: MetricOption = None,
    loss: LossOption = "auto",
    mend: MendOption = "auto",
    tolerance: BitsTolerance = None,
    metric_tolerance: MetricTolerance = None,
    largest_rise: LargestRise = None,
    reading: Annotated[
        str, typer.Option(help="ablation, or paper: as Lee and Bajić read I(Y;M), for a redesign.")
    ] = "ablation",
    explain: Annotated[
        bool, typer.Option("--explain", help="Measure information, too, beside the verdicts.")
    ] = False,
    usable: Annotated[
        bool, typer.Option("--usable", help="Explain by small probes, with held-out Y.")
    ] = False,
    target: Target = "auto",
    noise: Noise = None,
    device: DeviceOption = None,
    memory_budget: Budget = "2GB",
    input_shape: Shape = None,
    leaves: Leaves = None,
    opened: Open = None,
    reduce: Reduce = "flatten",
    fail_if_prunable: Annotated[
        bool, typer.Option("--fail-if-prunable", help="Exit with 3 if a stream could go.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Save what was measured of a MODEL here (netCDF).")
    ] = None,
    save_plots: SavePlots = None,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Say which streams MODEL can do without, at what price, and what must stay."""
    from infoflow.cli.ablating import Ablating, Advising, advice_of_file
    from infoflow.cli.figures import check_folder, check_result, save_figures
    from infoflow.cli.pruning import print_advice
    from infoflow.cli.subject import load_subject
    from infoflow.pruning import Tolerance

    if reading not in ("ablation", "paper"):
        raise ArgumentError(f"--reading must be ablation or paper, got {reading!r}.")
    if save_plots is not None:
        check_folder(save_plots, overwrite)
    if out is not None:
        check_result(out, overwrite)
    tracing = TypedTracing(leaves, opened, reduce)
    if model.endswith(".nc"):
        # a configuration file may set them for other commands
        if typed(
            context,
            *("data", "weights", "noise", "device", "input_shape", "out", "calibrate", "usable"),
            *("explain", "seed", "target", "leaves", "opened", "reduce"),
            *("metric", "metric_tolerance", "largest_rise"),
        ):
            raise ArgumentError(
                f"{model} is a saved result and is read as it is; --data, --weights, --usable, "
                "--out and what says how to measure are for a MODEL. Leave them out."
            )
        advice, result = advice_of_file(model, tolerance, reading)
        if save_plots is not None and result is not None:
            save_figures(result, save_plots)
    else:
        allowed = Tolerance(tolerance, metric_tolerance, largest_rise)
        ablating = Ablating(
            *(calibrate, metric, loss, mend, True, allowed, None, device, memory_budget, seed)
        )
        advising = Advising(ablating, reading, explain, usable, out, save_plots)
        advice = advising.of(
            lambda: load_subject(
                model, data, weights, input_shape, target=target, seed=seed, tracing=tracing
            ),
            {"noise": read_noise(noise), "device": device, "memory_budget": memory_budget},
            *(model, data, weights, input_shape),
        )
    print_advice(advice, as_json=as_json)
    if fail_if_prunable and (advice.prunable or advice.cuttable):
        raise typer.Exit(3)


@app.command()
def prune(
    model: Model,
    out: Annotated[
        Path, typer.Option(help="The exported program (.pt2); the weights go beside it (.pt).")
    ],
    streams: Annotated[
        list[str] | None,
        typer.Option(help="A stream such as '1->20', in quotes, or 1-20; once for each."),
    ] = None,
    weights: Weights = None,
    data: Data = None,
    input_shape: Shapes = None,
    leaves: Leaves = None,
    opened: Open = None,
    mode: Annotated[str, typer.Option(help="auto, cut, zero, or mean (over --data).")] = "auto",
    mend: Annotated[
        str,
        typer.Option(help="none, reader, cascade, or auto (the best, on a part of --calibrate)."),
    ] = "none",
    calibrate: Calibrate = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write MODEL without some of its streams: weights, and an exported program."""
    from infoflow.cli.pruning import prune_model

    prune_model(
        model,
        streams or [],
        weights=weights,
        data=data,
        shapes=input_shape or [],
        leaves=leaves or [],
        opened=opened or [],
        mode=mode,
        mending=(mend, calibrate, seed),
        out=out,
        overwrite=overwrite,
        as_json=as_json,
    )


@app.command()
def verify(
    model: Model,
    data: Data = None,
    pruned: Annotated[
        str | None, typer.Option(help="The net without streams, as infoflow prune wrote it (.pt2).")
    ] = None,
    streams: Annotated[
        list[str] | None,
        typer.Option(help="Or streams to leave out, such as '1->20'; once for each."),
    ] = None,
    ablation: Annotated[
        Path | None, typer.Option(help="Or what infoflow ablate saved: leave out what can go.")
    ] = None,
    calibrate: Calibrate = None,
    mend: MendOption = "auto",
    weights: Weights = None,
    metric: MetricOption = None,
    loss: LossOption = "auto",
    tolerance: BitsTolerance = None,
    metric_tolerance: MetricTolerance = None,
    largest_rise: LargestRise = None,
    device: DeviceOption = None,
    input_shape: Shape = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Save the comparison here (netCDF).")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Measure MODEL without streams beside the whole one, on --data that nothing else has used.

    Exit with 3 where the loss is not shown to be within the tolerance.
    """
    from infoflow.cli.figures import check_result, save_result
    from infoflow.cli.verifying import Verifying
    from infoflow.pruning import Tolerance

    check_form(as_json, as_csv)
    if out is not None:
        check_result(out, overwrite)
    allowed = Tolerance(tolerance, metric_tolerance, largest_rise)
    verifying = Verifying(
        *(pruned, streams or [], ablation, calibrate, mend, metric, loss, allowed, device, seed)
    )
    found = verifying.of(model, data, weights, input_shape)
    if out is not None:
        save_result(found, out, as_json=as_json)
    print_as_asked(found, as_json, as_csv)
    if found.verdict != "within tolerance":
        raise typer.Exit(3)
