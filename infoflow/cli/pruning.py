"""``infoflow prune-suggest`` and ``prune``: advice as tables, and smaller nets as files."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from infoflow.cli.data import load_loader
from infoflow.cli.figures import check_new
from infoflow.cli.inputs import example_input
from infoflow.cli.models import load_model
from infoflow.graph.running.arguments import Arguments, as_arguments
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import ArgumentError, InfoflowError
from infoflow.pruning import Ablation, PrunedModel, PruningAdvice, prune
from infoflow.pruning.advice_table import advice_parts, right_of
from infoflow.pruning.choice import StreamNames
from infoflow.pruning.rewriting.remove import RemovalMode
from infoflow.results import load
from infoflow.results.writing import replace_file

_COLOURS = {
    "prune": "red",
    "not needed": "red",
    "keep": "green",
    "needed": "green",
    "cannot tell": "yellow",
}


def print_advice(advice: PruningAdvice, *, as_json: bool) -> None:
    """Print advice: with colours on a terminal, as plain text elsewhere, or as JSON."""
    if as_json:
        print(json.dumps(advice.to_dict(), indent=2, ensure_ascii=False))
    elif len(advice) == 0 or not sys.stdout.isatty():
        print(advice)
    else:
        _print_rich(advice)


def _print_rich(advice: PruningAdvice) -> None:
    console = Console()
    console.print(advice.conclusion, style="bold", highlight=False)
    console.print()
    for part in advice_parts(advice.to_dict()):
        if part.rows:
            table = Table(title=part.question, caption=part.reading or None, title_justify="left")
            for number, name in enumerate(part.header):
                table.add_column(name, justify="right" if number in right_of(part) else "left")
            for row in part.rows:
                table.add_row(*(_coloured(cell) for cell in row))
            console.print(table)
        else:
            console.print(part.question, style="italic", highlight=False)
        for reason in part.reasons:
            console.print(reason, highlight=False)
        console.print()
    console.print(advice.to_dict()["caution"], highlight=False)


def _coloured(cell: str) -> str:
    colour = _COLOURS.get(cell)
    return cell if colour is None else f"[{colour}]{cell}[/]"


def ablation_of(path: Path) -> Ablation:
    """Return a saved ablation; an ArgumentError for another file, and where nothing can go."""
    found = load(path)
    if not isinstance(found, Ablation):
        raise ArgumentError(
            f"{path} holds a {type(found).__name__}, expected what infoflow ablate --out saved."
        )
    if not found.cuttable:
        raise ArgumentError(
            f"{path} says that nothing can go. Pass --streams to leave out others nevertheless."
        )
    return found


def check_program(path: Path, overwrite: bool, weights: Path | None) -> Path:
    """Return where the weights go beside ``path``; an ArgumentError where a file is there.

    The checkpoint that is read is never replaced.
    """
    if path.is_dir():
        raise ArgumentError(f"{path} is a folder, expected a file to write. Add a name to it.")
    if path.suffix != ".pt2":
        raise ArgumentError(
            f"--out must end in .pt2, as exported programs do, got {path}. The weights go beside "
            "it, into a .pt file of the same name."
        )
    beside = path.with_suffix(".pt")
    if weights is not None and weights.resolve() in (path.resolve(), beside.resolve()):
        raise ArgumentError(
            f"--out {path} would replace {weights}, the checkpoint that is read. Choose another "
            "--out."
        )
    check_new([path, beside], overwrite)
    return beside


def prune_model(
    text: str,
    streams: Sequence[str],
    *,
    ablation: Path | None,
    weights: Path | None,
    data: str | None,
    shapes: Sequence[str],
    leaves: Sequence[str],
    opened: Sequence[str],
    mode: str,
    mending: tuple[str | None, str | None, int],
    out: Path,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write a net without some of its streams as weights and as an exported program."""
    beside = check_program(out, overwrite, weights)
    if bool(streams) == (ablation is not None):
        raise ArgumentError(
            "Pass either --streams, such as '1->20' in quotes, once for each stream, or --ablation "
            "FILE.nc, which says what can go."
        )
    judged = StreamNames() if ablation is None else ablation_of(ablation).cuttable
    streams = judged or streams
    mended = _mending(mending, shapes, judged.mender)
    model = load_model(text, weights)
    loader = None if data is None else load_loader(data, shapes[0] if shapes else None)
    call = as_arguments(model, example_input(model, text, shapes, loader))
    tracing = TracingOptions(leaves, opened)
    slim = prune(
        *(model, streams, call),
        mode=cast(RemovalMode, mode),
        data=loader,
        tracing=tracing,
        **mended,
    ).eval()
    try:
        program, is_fixed = _export(slim, call)
    except Exception as error:  # of many kinds, none of them documented
        replace_file(beside, lambda part: torch.save(slim.state_dict(), part))
        raise InfoflowError(
            f"The pruned net cannot be exported ({type(error).__name__}: {error}). Its weights are "
            f"in {beside}: load them into infoflow.prune(model, {list(streams)}, example)."
        ) from error
    if is_fixed:
        print(
            f"Note: {out} takes batches of {call.samples} only; the net could not be exported for "
            "any number of samples.",
            file=sys.stderr,
        )
    _write(slim, program, beside, out)
    if as_json:
        print(json.dumps(_summary(slim, out, beside), indent=2, ensure_ascii=False))
    else:
        print(slim.pruning, f"wrote {beside} and {out}", sep="\n")


def _write(
    slim: PrunedModel, program: torch.export.ExportedProgram, weights: Path, out: Path
) -> None:
    """Write both files whole, or none of them, also where the program is stopped."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out.parent, prefix=".infoflow") as folder:
            parts = Path(folder) / weights.name, Path(folder) / out.name
            torch.save(slim.state_dict(), parts[0])
            torch.export.save(program, parts[1])
            for part, path in zip(parts, (weights, out), strict=True):
                part.replace(path)
    except (OSError, RuntimeError) as error:  # torch has a RuntimeError for a full disk
        raise ArgumentError(
            f"Cannot write the pruned net to {out} ({error}). Choose a folder that you may write "
            "to, with room for it."
        ) from error


def _mending(
    given: tuple[str | None, str | None, int], shapes: Sequence[str], judged: str
) -> dict[str, Any]:
    """Return what says how to mend, for :func:`infoflow.prune`.

    Where the caller does not say, the net is mended if the one that was ``judged`` was.
    """
    mend, calibrate, seed = given
    if mend is None:
        mend = "auto" if calibrate is not None or judged not in ("", "plain") else "none"
        if mend == "auto" and calibrate is None:
            raise ArgumentError(
                f"The ablation judged a mended net ({judged}), and mending needs samples. Pass "
                "--calibrate DATA, such as the training's, or --mend none for the plain cut."
            )
    if mend not in ("none", "auto", "reader", "cascade"):
        raise ArgumentError(f"--mend must be auto, reader, cascade or none, got {mend!r}.")
    if (mend == "none") != (calibrate is None):
        raise ArgumentError(
            "Mending needs both --mend auto and --calibrate DATA, samples such as those of the "
            "training. Pass both, or neither."
        )
    if calibrate is None:
        return {}
    loader = load_loader(calibrate, shapes[0] if shapes else None)
    return {"mend": mend, "calibrate": loader, "seed": seed}


def _export(slim: nn.Module, call: Arguments) -> tuple[torch.export.ExportedProgram, bool]:
    """Export for any number of samples; tell whether only that of the example was possible."""
    samples = call.samples
    grown = call.combine(lambda leaf: torch.cat([leaf, leaf])) if samples == 1 else call

    def dynamic(value: Any) -> Any:
        is_batch = isinstance(value, torch.Tensor) and value.ndim and len(value) == grown.samples
        return {0: torch.export.Dim.AUTO} if is_batch else None

    shapes = [dynamic(value) for value in (*grown.args, *grown.kwargs.values())]
    try:
        program = torch.export.export(
            slim, grown.args, dict(grown.kwargs), dynamic_shapes=tuple(shapes)
        )
    except Exception:  # of many kinds, none of them documented
        return torch.export.export(slim, call.args, dict(call.kwargs)), True
    return program, False


def _summary(slim: PrunedModel, program: Path, weights: Path) -> dict[str, Any]:
    pruning = slim.pruning
    return {
        "model": pruning.model,
        "streams": [
            {"stream": s.stream, "how": s.how, "reason": s.reason} for s in pruning.streams
        ],
        "parameters": [pruning.parameters_before, pruning.parameters_after],
        "multiply_adds": [pruning.multiply_adds_before, pruning.multiply_adds_after],
        "checks": list(pruning.checks),
        "notes": list(pruning.notes),
        "program": str(program),
        "weights": str(weights),
    }
