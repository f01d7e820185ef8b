"""``infoflow ablate``, ``prune-suggest``, ``prune`` and ``verify``: what a net can do without."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infoflow.cli.commands import command, typed
from infoflow.cli.option_sets import Advising, Judging, Output, Sources, Tracing
from infoflow.cli.options import (
    AsJson,
    Budget,
    Calibrate,
    Data,
    Leaves,
    Model,
    Open,
    Overwrite,
    Seed,
    Shapes,
    Weights,
)
from infoflow.interface import ArgumentError

#: What a saved result is not asked for; a configuration file may set them for other commands.
_OF_A_MODEL = (
    *("data", "weights", "noise", "device", "input_shape", "out", "calibrate", "usable"),
    *("explain", "seed", "target", "leaves", "opened", "reduce"),
    *("metric", "metric_tolerance", "largest_rise"),
)


@command("ablate")
def ablate_command(
    model: Model,
    sources: Sources,
    judging: Judging,
    output: Output,
    frontier: Annotated[bool, typer.Option(help="Measure nested sets of streams, too.")] = True,
    journal: Annotated[
        Path | None,
        typer.Option(
            help="Continue a stopped run from this file; by default beside --out, until it is done."
        ),
    ] = None,
    memory_budget: Budget = "2GB",
) -> None:
    """Measure what MODEL loses on held-out --data without each stream, as it is and mended."""
    from infoflow.cli.ablating import ablate_model, print_ablation
    from infoflow.cli.processes import joined

    output.check()
    beside = None if output.out is None else output.out.with_suffix(".journal")
    with joined() as writes:
        ablation = ablate_model(
            *(model, sources, judging),
            memory_budget=memory_budget,
            frontier=frontier,
            journal=journal or beside,
        )
    if not writes:
        return
    output.save(ablation)
    if journal is None and beside is not None:
        beside.unlink(missing_ok=True)
    if output.as_csv:
        output.print(ablation)
    else:
        print_ablation(ablation, as_json=output.as_json)


@command()
def prune_suggest(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(help="A saved ablation or result (.nc), or a MODEL to ablate on --data."),
    ],
    sources: Sources,
    judging: Judging,
    tracing: Tracing,
    advising: Advising,
    fail_if_prunable: Annotated[
        bool, typer.Option("--fail-if-prunable", help="Exit with 3 if a stream could go.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say which streams MODEL can do without, at what price, and what must stay."""
    from infoflow.cli.ablating import advice_of_file, advise_on_model
    from infoflow.cli.figures import save_figures
    from infoflow.cli.pruning import print_advice

    advising.check()
    if model.endswith(".nc"):
        if typed(context, *_OF_A_MODEL):
            raise ArgumentError(
                f"{model} is a saved result and is read as it is; --data, --weights, --usable, "
                "--out and what says how to measure are for a MODEL. Leave them out."
            )
        advice, result = advice_of_file(model, judging.tolerance, advising.reading)
        if advising.save_plots is not None and result is not None:
            save_figures(result, advising.save_plots)
    else:
        advice = advise_on_model(model, sources, judging, tracing, advising)
    print_advice(advice, as_json=as_json)
    if fail_if_prunable and (advice.prunable or advice.cuttable):
        raise typer.Exit(3)


@command()
def prune(
    model: Model,
    out: Annotated[
        Path, typer.Option(help="The exported program (.pt2); the weights go beside it (.pt).")
    ],
    streams: Annotated[
        list[str] | None,
        typer.Option(help="A stream such as '1->20', in quotes, or 1-20; once for each."),
    ] = None,
    ablation: Annotated[
        Path | None, typer.Option(help="Or a saved ablation: remove the streams that can go.")
    ] = None,
    weights: Weights = None,
    data: Data = None,
    input_shape: Shapes = None,
    leaves: Leaves = None,
    opened: Open = None,
    mode: Annotated[str, typer.Option(help="auto, cut, zero, or mean (over --data).")] = "auto",
    mend: Annotated[
        str | None,
        typer.Option(
            help="none, reader, cascade, or auto: what the ablation says, or the best; "
            "auto with --ablation or --calibrate, else none."
        ),
    ] = None,
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
        ablation=ablation,
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


@command()
def verify(
    model: Model,
    sources: Sources,
    judging: Judging,
    output: Output,
    pruned: Annotated[
        str | None, typer.Option(help="The smaller net, as infoflow prune wrote it (.pt2).")
    ] = None,
    streams: Annotated[
        list[str] | None,
        typer.Option(help="Or streams to remove, such as '1->20'; once for each."),
    ] = None,
    ablation: Annotated[
        Path | None, typer.Option(help="Or a saved ablation: remove the streams that can go.")
    ] = None,
) -> None:
    """Compare the smaller net with MODEL, on --data that nothing else has used.

    Exit with 3 if the loss is not shown to be within the tolerance.
    """
    from infoflow.cli.verifying import Verifying

    output.check()
    found = Verifying(pruned, streams or [], ablation, judging).of(model, sources)
    output.save(found)
    output.print(found)
    if found.verdict != "within tolerance":
        raise typer.Exit(3)
