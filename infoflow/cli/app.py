"""The command ``infoflow``, with ``graph``, ``analyze``, ``ablate``, ``report`` and others."""

from __future__ import annotations

import io
import json
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, cast

import typer

import infoflow
from infoflow.cli.options import (
    AsDot,
    AsJson,
    AsMermaid,
    BitsTolerance,
    Budget,
    Calibrate,
    Data,
    DistancesOption,
    EstimatorName,
    LayersOption,
    Leaves,
    LossOption,
    MendOption,
    MetricOption,
    Model,
    Noise,
    Open,
    Overwrite,
    Reduce,
    Seed,
    Shape,
    Shapes,
    Target,
    TypedTracing,
    Weights,
    read_estimator,
    read_layers,
    read_noise,
)
from infoflow.interface import ArgumentError, InfoflowError, InfoflowWarning
from infoflow.interface.errors import OUT_OF_MEMORY, is_out_of_memory

app = typer.Typer(
    help="How many bits each layer of a net keeps, and which skip connections it needs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"infoflow {infoflow.__version__}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """How many bits each layer of a net keeps, and which skip connections it needs."""


def main() -> None:
    """Run the command; exit with 0 when done, 2 on wrong use, 1 on anything else.

    A full memory is anything else, and is told in a sentence.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # arrows and bars, where these cannot be written
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", InfoflowWarning)
    try:
        app()
    except InfoflowError as error:
        print("Error:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(1 if is_out_of_memory(error.__cause__) else 2)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        print(f"Error: {' '.join(str(error).split())} {OUT_OF_MEMORY}", file=sys.stderr)
        sys.exit(1)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    print(f"{category.__name__}: {message}", file=sys.stderr)


def _print(value: Any, as_json: bool) -> None:
    """Print what has ``__str__`` and ``to_dict`` in the form that was asked for."""
    print(json.dumps(value.to_dict(), indent=2, ensure_ascii=False) if as_json else value)


@app.command()
def graph(
    model: Model,
    input_shape: Shapes = None,
    data: Data = None,
    weights: Weights = None,
    leaves: Leaves = None,
    opened: Open = None,
    reduce: Reduce = "flatten",
    as_json: AsJson = False,
    as_dot: AsDot = False,
    as_mermaid: AsMermaid = False,
    diff: Annotated[
        str | None,
        typer.Option(help="Print what this MODEL has gained and lost instead."),
    ] = None,
) -> None:
    """Print the layers, merges and skip connections of MODEL."""
    from infoflow.cli.graph_command import print_graph

    print_graph(
        model,
        shapes=input_shape or [],
        data=data,
        weights=weights,
        tracing=TypedTracing(leaves, opened, reduce),
        forms={"--json": as_json, "--dot": as_dot, "--mermaid": as_mermaid},
        other=diff,
    )


@app.command()
def analyze(
    model: Model,
    data: Data = None,
    weights: Weights = None,
    target: Target = "auto",
    estimator: EstimatorName = "kde",
    noise: Noise = None,
    layers: LayersOption = "all",
    unit: Annotated[str, typer.Option(help="bits or nats.")] = "bits",
    device: Annotated[
        str | None, typer.Option(help="Such as cuda; else where the model is.")
    ] = None,
    memory_budget: Budget = "2GB",
    distances: DistancesOption = "auto",
    input_shape: Shape = None,
    leaves: Leaves = None,
    opened: Open = None,
    reduce: Reduce = "flatten",
    seed: Seed = 0,
    audit: Annotated[
        bool, typer.Option("--audit", help="Check the data processing inequality, too.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Save the result here (netCDF).")] = None,
    save_plots: Annotated[Path | None, typer.Option(help="Write figures to this folder.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure I(X;M) and I(Y;M) of every layer of MODEL over --data."""
    from infoflow.cli.figures import check_folder, check_result, save_figures, save_result
    from infoflow.cli.measuring import load_subject

    if out is not None:
        check_result(out, overwrite)
    if save_plots is not None:
        check_folder(save_plots, overwrite)
    tracing = TypedTracing(leaves, opened, reduce)
    subject = load_subject(
        model, data, weights, input_shape, target=target, seed=seed, tracing=tracing
    )
    result = subject.measure(
        estimator=read_estimator(estimator),
        noise=read_noise(noise),
        layers=read_layers(layers),
        unit=unit,
        device=device,
        memory_budget=memory_budget,
        distances=distances,
    )
    if out is not None:
        save_result(result, out, as_json=as_json)
    if save_plots is not None:
        save_figures(result, save_plots)
    if audit and as_json:
        print(json.dumps({"result": result.to_dict(), "audit": result.audit().to_dict()}, indent=2))
        return
    _print(result, as_json)
    if audit:
        print("", result.audit(), sep="\n")


@app.command()
def plan(
    model: Model,
    samples: Annotated[int, typer.Option(help="Number of samples.")],
    estimator: EstimatorName = "kde",
    layers: LayersOption = "all",
    memory_budget: Budget = "2GB",
    distances: DistancesOption = "auto",
    input_shape: Shapes = None,
    leaves: Leaves = None,
    opened: Open = None,
    reduce: Reduce = "flatten",
    as_json: AsJson = False,
) -> None:
    """Say what measuring MODEL will cost: passes, time and memory, from shapes alone."""
    from infoflow.cli.graph_command import shapes_of
    from infoflow.flow import plan as make_plan

    graph = shapes_of(model, input_shape or [], TypedTracing(leaves, opened, reduce))
    _print(
        make_plan(
            graph,
            samples,
            estimator=read_estimator(estimator),
            layers=read_layers(layers),
            memory_budget=memory_budget,
            distances=cast(Any, distances),
        ),
        as_json,
    )


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
    journal: Annotated[
        Path | None, typer.Option(help="A run that was stopped goes on from this file.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Such as cuda; else where the model is.")
    ] = None,
    memory_budget: Budget = "2GB",
    input_shape: Shape = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Save the ablation here (netCDF).")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure what MODEL loses on held-out --data without each stream, as it is and mended."""
    from infoflow.cli.ablating import Ablating, print_ablation
    from infoflow.cli.figures import check_result, save_result

    if out is not None:
        check_result(out, overwrite)
    ablating = Ablating(
        *(calibrate, metric, loss, mend, frontier, tolerance, journal, device, memory_budget, seed)
    )
    ablation = ablating.of(model, data, weights, input_shape)
    if out is not None:
        save_result(ablation, out, as_json=as_json)
    print_ablation(ablation, as_json=as_json)


@app.command()
def prune_suggest(
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
    device: Annotated[
        str | None, typer.Option(help="Such as cuda; else where the model is.")
    ] = None,
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
    save_plots: Annotated[Path | None, typer.Option(help="Write figures to this folder.")] = None,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Say which streams MODEL can do without, at what price, and what must stay."""
    from infoflow.cli.ablating import Ablating, Advising, advice_of_file
    from infoflow.cli.figures import check_folder, check_result, save_figures
    from infoflow.cli.measuring import load_subject
    from infoflow.cli.pruning import print_advice

    if reading not in ("ablation", "paper"):
        raise ArgumentError(f"--reading must be ablation or paper, got {reading!r}.")
    if save_plots is not None:
        check_folder(save_plots, overwrite)
    if out is not None:
        check_result(out, overwrite)
    tracing = TypedTracing(leaves, opened, reduce)
    if model.endswith(".nc"):
        settings = (data, weights, noise, device, input_shape, out, calibrate, metric)
        others = (usable, explain, seed, target != "auto", tracing != TypedTracing())
        if any(others) or any(one is not None for one in settings):
            raise ArgumentError(
                f"{model} is a saved result and is read as it is; --data, --weights, --usable, "
                "--out and what says how to measure are for a MODEL. Leave them out."
            )
        advice, result = advice_of_file(model, tolerance, reading)
        if save_plots is not None and result is not None:
            save_figures(result, save_plots)
    else:
        ablating = Ablating(
            *(calibrate, metric, loss, mend, True, tolerance, None, device, memory_budget, seed)
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


@app.command("report")
def report_command(
    files: Annotated[
        list[Path], typer.Argument(help="Saved results (.nc) of one net.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The page (.html).")] = Path("report.html"),
    title: Annotated[
        str | None, typer.Option(help="Of the page; else the name of the model.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also replace a file that is no report.")
    ] = False,
) -> None:
    """Write one self-contained page about saved results: conclusion, figures, tables, numbers."""
    from infoflow.cli.reporting import write_report

    print(f"Wrote {write_report(files, out, title=title, overwrite=overwrite)}")


@app.command("compare")
def compare_command(
    first: Annotated[Path, typer.Argument(help="A saved result (.nc).", show_default=False)],
    second: Annotated[Path, typer.Argument(help="Another of its kind.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Save the comparison here (netCDF).")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Print how SECOND differs from FIRST: the graph, and numbers with intervals."""
    from infoflow.cli.comparing import compare_files
    from infoflow.cli.figures import check_result, save_result

    if out is not None:
        check_result(out, overwrite)
    found = compare_files(first, second)
    if out is not None:
        save_result(found, out, as_json=as_json)
    _print(found, as_json)


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
    device: Annotated[
        str | None, typer.Option(help="Such as cuda; else where the model is.")
    ] = None,
    input_shape: Shape = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Save the comparison here (netCDF).")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure MODEL without streams beside the whole one, on --data that nothing else has used.

    Exit with 3 where the loss is not shown to be within the tolerance.
    """
    from infoflow.cli.figures import check_result, save_result
    from infoflow.cli.verifying import Verifying

    if out is not None:
        check_result(out, overwrite)
    verifying = Verifying(
        *(pruned, streams or [], ablation, calibrate, mend, metric, loss, tolerance, device, seed)
    )
    found = verifying.of(model, data, weights, input_shape)
    if out is not None:
        save_result(found, out, as_json=as_json)
    _print(found, as_json)
    if found.verdict != "within tolerance":
        raise typer.Exit(3)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the figures and the result.")] = Path(
        "infoflow-demo"
    ),
    epochs: Annotated[int, typer.Option(help="Epochs to train.", min=1)] = 24,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Train a small U-Net on made-up images, and say which of its skips can go, at what price."""
    from infoflow.cli.demo import run_demo

    run_demo(out, epochs=epochs, seed=seed, overwrite=overwrite, as_json=as_json)


@app.command()
def validate(
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Run every estimator over known truth; exit with 1 if one misses a truth that it claims."""
    from infoflow.validation import validate as run_over_known_truth

    table = run_over_known_truth(seed=seed)
    _print(table, as_json)
    if table.outside:
        raise typer.Exit(1)
