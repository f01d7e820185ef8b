"""The measurements of all SZT nets: first what every seed has, then the rest, then the tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from compression.checkpoints import find_checkpoint, read_weights, weights_path, write_rows
from compression.parts import Tables, joined, kept, kept_arrays, write_arrays
from compression.scales import Scale, SztTraining
from compression.szt_measure import (
    BIN_SIZES,
    Net,
    bin_entropies,
    distances,
    information,
    positions,
)
from compression.szt_net import net_of

Task = tuple[Tensor, Tensor]
#: When it is due (0 first), a seed, an epoch, and the draws of each input.
Look = tuple[int, int, int, int]


def net_at(training: SztTraining, folder: Path, task: Task, seed: int, epoch: int) -> Net:
    """Return one seed's net at an epoch whose weights are kept."""
    model = net_of(training.activation, read_weights(folder, epoch), seed)
    return Net(training, seed, epoch, model, *task)


def geometry(training: SztTraining, folder: Path, task: Task, parts: Path) -> None:
    """Measure bins and distances of every seed at every look."""
    for seed in range(training.seeds):
        for epoch in training.looks():

            def measured(seed: int = seed, epoch: int = epoch) -> Tables:
                net = net_at(training, folder, task, seed, epoch)
                sizes = (10 * training.beta,) if training.beta else BIN_SIZES
                return {"bins": bin_entropies(net, sizes), "distances": distances(net)[0]}

            kept(parts / f"geometry-seed{seed}-epoch{epoch:05d}.json", measured)
    kept_arrays(parts / "pictures.npz", lambda: pictures(training, folder, task))


def pictures(training: SztTraining, folder: Path, task: Task) -> dict[str, Any]:
    """Return the first seed's histograms, and its positions in layer 5, at the marked epochs."""
    found: dict[str, Any] = {}
    for epoch in sorted({0, *training.marked()}):
        net = net_at(training, folder, task, 0, epoch)
        found |= distances(net)[1]
        found |= {f"positions-{name}": values for name, values in positions(net).items()}
    return found


def looks_of(training: SztTraining, scale: Scale) -> Iterator[Look]:
    """Yield where I(X;T) is measured: every seed at the marked looks, then more.

    Examples
    --------
    >>> from compression.scales import make_scale
    >>> scale = make_scale("cpu")
    >>> looks = list(looks_of(scale.szt[0], scale))
    >>> looks[:2], looks[-1], len(looks)
    ([(0, 0, 28, 32), (0, 0, 79, 32)], (4, 0, 10000, 32), 26)
    """
    if not training.beta:
        return
    marked, is_first = training.marked(), training.name == scale.szt[0].name
    few = [epoch for epoch in training.few() if epoch not in marked]
    rest = [epoch for epoch in training.looks() if epoch not in (*marked, *few)]
    for seed in range(training.seeds):
        yield from ((0, seed, epoch, scale.draws) for epoch in marked)
        yield from ((1, seed, epoch, scale.draws) for epoch in few)
    for seed in range(min(scale.dense_seeds, training.seeds)):
        yield from ((3, seed, epoch, scale.draws) for epoch in rest)
    if is_first:
        for phase, draws in ((2, scale.few_draws), (4, scale.many_draws)):
            yield from ((phase, 0, epoch, draws) for epoch in marked)


def look(
    training: SztTraining, folder: Path, task: Task, parts: Path, where: Look, error: float
) -> None:
    """Measure I(X;T) at one look, unless it was done before."""
    _, seed, epoch, draws = where

    def measured() -> Tables:
        rows, audit = information(net_at(training, folder, task, seed, epoch), draws, error)
        return {"information": rows, "audit": [audit]}

    kept(parts / f"information-seed{seed}-epoch{epoch:05d}-draws{draws}.json", measured)


def collect(training: SztTraining, folder: Path, parts: Path, results: Path) -> None:
    """Write what was measured of a training so far as its tables among the results."""
    files = [kept(path, dict) for path in sorted(parts.glob("*.json"))]
    for name, rows in joined(files).items():
        ordered = sorted(rows, key=lambda row: (row["seed"], row.get("draws", 0), row["epoch"]))
        write_rows(results / f"{training.name}.{name}.csv", ordered)
    metrics = [_rounded(row) for row in find_checkpoint(training, folder).metrics]
    write_rows(results / f"{training.name}.metrics.csv", metrics)
    if (parts / "pictures.npz").exists():
        arrays = kept_arrays(parts / "pictures.npz", dict)
        write_arrays(results / f"{training.name}.pictures.npz", arrays)


def is_trained(training: SztTraining, folder: Path) -> bool:
    """Tell whether a training has all its epochs."""
    return weights_path(folder, training.epochs).exists()


def _rounded(row: Any) -> dict[str, Any]:
    return {
        name: round(value, 5) if isinstance(value, float) else value for name, value in row.items()
    }
