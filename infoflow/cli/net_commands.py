"""``infoflow graph``, ``analyze`` and ``plan``: what a net is, keeps, and costs to measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from infoflow.cli.commands import app, check_form, print_as_asked
from infoflow.cli.options import (
    AsCsv,
    AsDot,
    AsJson,
    AsMermaid,
    Budget,
    Data,
    DeviceOption,
    DistancesOption,
    EstimatorName,
    LayersOption,
    Leaves,
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
    read_estimator,
    read_layers,
    read_noise,
)
from infoflow.interface import ArgumentError


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
    device: DeviceOption = None,
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
    save_plots: SavePlots = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Measure I(X;M) and I(Y;M) of every layer of MODEL over --data."""
    from infoflow.cli.figures import check_folder, check_result, save_figures, save_result
    from infoflow.cli.subject import load_subject

    check_form(as_json, as_csv)
    if audit and as_csv:
        raise ArgumentError("--csv has the rows of the layers only. Leave --audit out, or --csv.")
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
    print_as_asked(result, as_json, as_csv)
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
    print_as_asked(
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
