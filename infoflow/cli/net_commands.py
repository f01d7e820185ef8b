"""``infoflow graph``, ``analyze`` and ``plan``: what a net is, keeps, and costs to measure."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from infoflow.cli.commands import command, print_as_asked
from infoflow.cli.option_sets import Measuring, Output, Sources, Tracing
from infoflow.cli.options import (
    AsDot,
    AsJson,
    AsMermaid,
    Data,
    DeviceOption,
    Model,
    Noise,
    SavePlots,
    Seed,
    Shapes,
    Target,
    Weights,
    read_noise,
)
from infoflow.interface import ArgumentError


@command()
def graph(
    model: Model,
    tracing: Tracing,
    input_shape: Shapes = None,
    data: Data = None,
    weights: Weights = None,
    as_json: AsJson = False,
    as_dot: AsDot = False,
    as_mermaid: AsMermaid = False,
    diff: Annotated[
        str | None,
        typer.Option(help="Print what this other MODEL has gained and lost."),
    ] = None,
) -> None:
    """Print the layers, merges and skip connections of MODEL."""
    from infoflow.cli.graph_command import print_graph

    print_graph(
        model,
        shapes=input_shape or [],
        data=data,
        weights=weights,
        tracing=tracing,
        forms={"--json": as_json, "--dot": as_dot, "--mermaid": as_mermaid},
        other=diff,
    )


@command()
def analyze(
    model: Model,
    sources: Sources,
    measuring: Measuring,
    tracing: Tracing,
    output: Output,
    target: Target = "auto",
    noise: Noise = None,
    unit: Annotated[str, typer.Option(help="bits or nats.")] = "bits",
    device: DeviceOption = None,
    seed: Seed = 0,
    audit: Annotated[
        bool, typer.Option("--audit", help="Also check the data processing inequality.")
    ] = False,
    save_plots: SavePlots = None,
) -> None:
    """Measure I(X;M) and I(Y;M) of every layer of MODEL over --data."""
    from infoflow.cli.figures import check_folder, save_figures
    from infoflow.cli.processes import joined
    from infoflow.cli.subject import load_subject

    if audit and output.as_csv:
        raise ArgumentError("--csv has the rows of the layers only. Leave --audit out, or --csv.")
    output.check()
    if save_plots is not None:
        check_folder(save_plots, output.overwrite)
    with joined() as writes:
        subject = load_subject(model, sources, target=target, seed=seed, tracing=tracing)
        result = subject.measure(
            noise=read_noise(noise), unit=unit, device=device, **measuring.settings
        )
    if not writes:
        return
    output.save(result)
    if save_plots is not None:
        save_figures(result, save_plots)
    if audit and output.as_json:
        print(json.dumps({"result": result.to_dict(), "audit": result.audit().to_dict()}, indent=2))
        return
    output.print(result)
    if audit:
        print("", result.audit(), sep="\n")


@command()
def plan(
    model: Model,
    samples: Annotated[int, typer.Option(help="Number of samples.")],
    measuring: Measuring,
    tracing: Tracing,
    input_shape: Shapes = None,
    as_json: AsJson = False,
) -> None:
    """Say what measuring MODEL will cost: passes, time and memory, from shapes alone."""
    from infoflow.cli.graph_command import shapes_of
    from infoflow.flow import plan as make_plan

    graph = shapes_of(model, input_shape or [], tracing)
    print_as_asked(make_plan(graph, samples, **measuring.settings), as_json)
