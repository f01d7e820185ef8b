"""Train a net, ask for advice, and find out what removing each of its streams really costs.

Usage: python examples/pruning/run.py nuclei --data-dir DATA --seeds 0 --seeds 1 --seeds 2
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import torch
import typer
from tasks import Task, make_task
from torch import nn

import infoflow

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def trained(task: Task, seed: int, path: Path) -> nn.Module:
    """Return the net of a seed, trained, or as it was trained before."""
    model = task.build(seed)
    if path.exists():
        model.load_state_dict(torch.load(path, weights_only=True))
    else:
        task.train(model, task.epochs, seed)
        torch.save(model.state_dict(), path)
    return model.eval()


def advise(task: Task, model: nn.Module) -> infoflow.PruningAdvice:
    """Measure the net, with what small probes can use of its streams, and ask for advice."""
    loader = task.loader()
    result = infoflow.analyze(model, loader, target=task.target, layers="merges")
    usable = infoflow.usable_streams(model, loader)
    return infoflow.suggest_pruning(result, usable=usable, reading="paper")


def try_out(task: Task, seed: int, out: Path) -> infoflow.PruningTrial:
    """Return the trial of one seed; every number is kept as it comes."""
    model = trained(task, seed, out / "weights.pt")
    advice = advise(task, model)
    streams = [row.skip for row in advice if row.is_main or not task.only_branches]
    return infoflow.verify_pruning(
        model,
        advice,
        evaluate=task.metric,
        train=task.train,
        example=task.images[:2],
        streams=[s for s in streams if not task.only_branches or s.source.endswith("conv2")],
        tune_epochs=task.tune_epochs,
        redesign_epochs=task.epochs,
        reset=task.reset,
        seeds=(seed,),
        checkpoint=out / "numbers.json",
        seed=seed,
    )


@app.command()
def main(
    task: Annotated[str, typer.Argument(help="nuclei, resnet or densenet.")],
    data_dir: Annotated[Path, typer.Option(envvar="INFOFLOW_DATA")],
    cache_dir: Annotated[Path, typer.Option()] = Path("runs/nuclei_cache"),
    seeds: Annotated[list[int] | None, typer.Option(help="0, 1 and 2 by default.")] = None,
    out: Annotated[Path, typer.Option()] = Path("runs/pruning"),
) -> None:
    """Write a trial for each seed; a run that was stopped goes on where it was."""
    what = make_task(task, data_dir, cache_dir)
    for seed in seeds or [0, 1, 2]:
        folder = out / f"{task}_{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        trial = try_out(what, seed, folder)
        (folder / "trial.json").write_text(json.dumps(trial.to_dict(), indent=1), encoding="utf-8")
        typer.echo(f"{what.name}, seed {seed}\n{trial}\n")


if __name__ == "__main__":
    app()
