"""The training of the SZT net by the authors' recipe, which can be killed and go on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import trange

from compression.checkpoints import Checkpoint, Row, find_checkpoint, keep_weights
from compression.scales import SztTraining
from compression.szt_net import Stack, split_rows

RATE, BATCH = 4e-4, 256
#: Seconds between two checkpoints.
_EVERY = 30.0


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of every seed: inputs (seeds, rows, 12) and classes (seeds, rows)."""

    inputs: Tensor
    labels: Tensor


def train_szt(
    training: SztTraining, task: tuple[Tensor, Tensor], folder: Path, *, deadline: float
) -> bool:
    """Train to the end or to a time of the monotonic clock; tell whether it ended."""
    found = find_checkpoint(training, folder)
    if found.epoch == training.epochs:
        return True
    stack = Stack(training.activation, training.beta, training.seeds)
    optimizer = torch.optim.Adam(stack.parameters, RATE, fused=True)
    _restore(found, stack, optimizer)
    rows = [split_rows(seed) for seed in range(training.seeds)]
    learn, test = (_gathered(task, [pair[part] for pair in rows]) for part in (0, 1))
    saved = time.monotonic()
    for epoch in trange(found.epoch + 1, training.epochs + 1, desc=training.name, disable=None):
        if epoch:
            _train_epoch(training, stack, optimizer, learn, epoch)
        if epoch in _metric_epochs(training):
            found.metrics += _measured(stack, learn, test, epoch)
        if epoch in training.looks():
            keep_weights(folder, epoch, [value.detach() for value in stack.parameters])
        found.epoch = epoch
        is_over = time.monotonic() > deadline
        if is_over or epoch == training.epochs or time.monotonic() - saved > _EVERY:
            _save(found, stack, optimizer, folder)
            saved = time.monotonic()
        if is_over:
            break
    return found.epoch == training.epochs


def _restore(found: Checkpoint, stack: Stack, optimizer: torch.optim.Optimizer) -> None:
    if not found.state:
        return
    with torch.no_grad():
        for value, kept in zip(stack.parameters, found.state["weights"], strict=True):
            value.copy_(kept)
    optimizer.load_state_dict(found.state["optimizer"])


def _save(found: Checkpoint, stack: Stack, optimizer: torch.optim.Optimizer, folder: Path) -> None:
    weights = [value.detach() for value in stack.parameters]
    found.state = {"weights": weights, "optimizer": optimizer.state_dict()}
    found.save(folder)


def _gathered(task: tuple[Tensor, Tensor], rows: list[Tensor]) -> Split:
    inputs, labels = task
    return Split(torch.stack([inputs[r] for r in rows]), torch.stack([labels[r] for r in rows]))


def _train_epoch(
    training: SztTraining,
    stack: Stack,
    optimizer: torch.optim.Optimizer,
    learn: Split,
    epoch: int,
) -> None:
    """Go once through the training rows, each seed in its own order and with its own noise."""
    seeds, count = learn.labels.shape
    units = sum(weight.shape[1] for weight in stack.weights[:-1])
    generators = [torch.Generator().manual_seed(10**6 * seed + epoch) for seed in range(seeds)]
    orders = torch.stack([torch.randperm(count, generator=each) for each in generators])
    inputs = learn.inputs.gather(1, orders[:, :, None].expand_as(learn.inputs))
    labels = learn.labels.gather(1, orders)
    noise = torch.stack([torch.randn(count, units, generator=each) for each in generators])
    for start in range(0, count, BATCH):
        rows = slice(start, start + BATCH)
        outputs = stack(inputs[:, rows], noise[:, rows] if training.beta else None)
        classes = labels[:, rows]
        # the sum of the seeds' mean losses: no seed sees another's gradient
        loss = F.cross_entropy(outputs.flatten(0, 1), classes.flatten(), reduction="sum")
        optimizer.zero_grad()
        (loss / classes.shape[1]).backward()
        optimizer.step()
        if training.pull:
            stack.pull(training.pull)


def _metric_epochs(training: SztTraining) -> set[int]:
    spaced = np.geomspace(1, training.epochs, 120).round().astype(int).tolist()
    return {*spaced, *training.looks()}


@torch.no_grad()
def _measured(stack: Stack, learn: Split, test: Split, epoch: int) -> list[Row]:
    """Return losses in nats and accuracies of every seed, of the net without noise."""
    values: dict[str, Tensor] = {}
    for name, split in (("train", learn), ("test", test)):
        outputs = stack(split.inputs)
        losses = F.cross_entropy(outputs.transpose(1, 2), split.labels, reduction="none")
        values[f"{name}_loss"] = losses.mean(1)
        values[f"{name}_accuracy"] = (outputs.argmax(2) == split.labels).float().mean(1)
    return [
        {
            "epoch": epoch,
            "seed": seed,
            **{name: value[seed].item() for name, value in values.items()},
        }
        for seed in range(len(learn.labels))
    ]
