"""Training that goes on where it was stopped, and gives the same weights as if it had not been."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evidence.entry import Entry, Parts, Places, Recipe, Samples
from evidence.scoring import sample_nats, score

Report = Callable[[str], None]


@dataclass
class State:
    """A training after some epochs.

    Parameters
    ----------
    model, optimizer
        As they are now.
    losses
        Mean training loss of each epoch, in nats.
    seconds
        Processor time of each epoch.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    losses: list[float]
    seconds: list[float]


def train(
    entry: Entry, seed: int, places: Places, folder: Path, *, resume: bool, say: Report = print
) -> None:
    """Write ``weights.pt`` and ``training.json`` into a folder.

    A checkpoint is written after each epoch, with ``resume`` it is gone on from.
    """
    checkpoint = folder / "checkpoint.pt"
    refuse_used(folder, resume=resume)
    folder.mkdir(parents=True, exist_ok=True)
    parts = entry.parts(places, entry.sizes, seed)
    model = entry.build(places, seed)
    if entry.recipe is not None:
        state = begin(model, entry.recipe)
        settings = repr((entry.name, seed, entry.recipe, len(parts.train[0])))
        if checkpoint.exists():
            restore(state, checkpoint, settings)
        while len(state.losses) < entry.recipe.epochs:
            run_epoch(state, entry, parts.train, seed)
            save(state, checkpoint, settings)
            say(
                f"{entry.name} {seed}, epoch {len(state.losses)} of {entry.recipe.epochs}: loss "
                f"{state.losses[-1]:.4f} nats, {state.seconds[-1]:.1f} s"
            )
        write(folder / "weights.pt", lambda path: torch.save(model.state_dict(), path))
        about = {"losses": state.losses, "seconds": state.seconds}
    else:
        about = {"losses": [], "seconds": []}
    described = describe(entry, seed, model, parts) | about
    say(f"{entry.name} {seed}: {described['metric']} {described['test_metric']:.4f} on test data")
    write_json(folder / "training.json", described)


def refuse_used(folder: Path, *, resume: bool) -> None:
    """Raise a ValueError where a folder has a training, and nobody asked to go on with it."""
    if (folder / "checkpoint.pt").exists() and not resume:
        raise ValueError(
            f"{folder} already has a training. Pass --resume to go on with it, or another --out."
        )


def load(entry: Entry, seed: int, places: Places, folder: Path) -> nn.Module:
    """Return the trained net in evaluation mode, all of its parameters free to learn."""
    model = entry.build(places, seed)
    if entry.recipe is not None:
        weights = folder / "weights.pt"
        if not weights.exists():
            raise ValueError(
                f"{weights} is missing. Run python examples/pruning/study.py train --net "
                f"{entry.name} --seed {seed} first."
            )
        model.load_state_dict(torch.load(weights, weights_only=True))
    return model.requires_grad_(True).eval()


def begin(model: nn.Module, recipe: Recipe) -> State:
    """Return a training before its first epoch."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "sgd":
        optimizer = torch.optim.SGD(parameters, recipe.learning_rate, momentum=0.9)
    else:
        optimizer = torch.optim.AdamW(parameters, recipe.learning_rate, weight_decay=0.01)
    return State(model, optimizer, [], [])


def run_epoch(state: State, entry: Entry, samples: Samples, seed: int) -> None:
    """Train for one epoch in place; what is drawn depends on the seed and the epoch alone."""
    recipe = entry.recipe
    assert recipe is not None
    epoch, started, total = len(state.losses), time.process_time(), 0.0
    steps = math.ceil(len(samples[0]) / recipe.batch_size)
    state.model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 * seed + epoch)
        for step, (inputs, targets) in enumerate(batches(samples, recipe)):
            done = (epoch * steps + step) / (recipe.epochs * steps)
            for group in state.optimizer.param_groups:
                group["lr"] = recipe.learning_rate * (1 - done)
            state.optimizer.zero_grad()
            loss = sample_nats(entry.kind, state.model(inputs), targets).mean()
            loss.backward()
            state.optimizer.step()
            total += loss.item() * len(inputs)
    state.losses.append(total / len(samples[0]))
    state.seconds.append(time.process_time() - started)


def batches(samples: Samples, recipe: Recipe) -> Iterator[Samples]:
    """Yield the samples in random order, a batch of pictures flipped as a whole where asked."""
    for rows in torch.randperm(len(samples[0])).split(recipe.batch_size):
        inputs, targets = samples[0][rows], samples[1][rows]
        if recipe.flips:
            turn = int(torch.randint(8, ()))
            inputs, targets = flipped(inputs, turn), flipped(targets, turn)
        yield inputs, targets


def flipped(pictures: Tensor, turn: int) -> Tensor:
    """Return one of the eight symmetries of square pictures (N, C, S, S)."""
    sides = [side for bit, side in ((1, 2), (2, 3)) if turn & bit]
    pictures = pictures.flip(sides) if sides else pictures
    return pictures.transpose(2, 3) if turn & 4 else pictures


def save(state: State, path: Path, settings: str) -> None:
    """Write a checkpoint."""
    content = {
        "settings": settings,
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "losses": state.losses,
        "seconds": state.seconds,
    }
    write(path, lambda part: torch.save(content, part))


def restore(state: State, path: Path, settings: str) -> None:
    """Take a checkpoint over; a ValueError where it is of another training."""
    content = torch.load(path, weights_only=True)
    if content["settings"] != settings:
        raise ValueError(
            f"{path} is of another training: {content['settings']}, expected {settings}. Pass "
            "another --out."
        )
    state.model.load_state_dict(content["model"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.losses, state.seconds = content["losses"], content["seconds"]


def describe(entry: Entry, seed: int, model: nn.Module, parts: Parts) -> dict[str, Any]:
    """Return what a net is, and how well it does on test data."""
    losses, scores = score(model, parts.test, entry.kind, entry.metric)
    return {
        "net": entry.name,
        "seed": seed,
        "recipe": None if entry.recipe is None else asdict(entry.recipe),
        "samples": {field.name: len(getattr(parts, field.name)[0]) for field in fields(parts)},
        "parameters": sum(p.numel() for p in model.parameters()),
        "kind": entry.kind,
        "metric": entry.metric,
        "test_loss": float(losses.mean()),
        "test_metric": float(scores.mean()),
        "machine": machine(),
    }


def machine() -> dict[str, Any]:
    """Return what a number may depend on."""
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
    }


def write(path: Path, fill: Callable[[Path], object]) -> None:
    """Write a file, which is there whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    fill(part)
    part.replace(path)


def write_json(path: Path, content: object) -> None:
    """Write plain lists, texts and numbers."""
    text = json.dumps(content, indent=1)
    write(path, lambda part: part.write_text(text + "\n", encoding="utf-8"))
