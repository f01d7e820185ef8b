"""What the MNIST CNNs say of the paper's claims."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from common.verdicts import Answer

from compression.mnist_measure import UNIT_BINS
from compression.mnist_stage import SHOWN
from compression.study import Study

NOISY = ("noise0.05", "noise0.1", "noise0.2", "noise0.5")
#: Errors within this factor of the deterministic net's count as alike.
ALIKE = 1.25

Answers = dict[str, list[Answer]]


def final_errors(study: Study) -> pd.DataFrame:
    """Return the errors of 10,000 at the end: a row for each seed, a column for each net."""
    rows = study.table("mnist.metrics")
    if not len(rows):
        return pd.DataFrame()
    last = rows.sort_values("epoch").groupby(["variant", "seed"]).tail(1)
    return last.pivot_table(index="seed", columns="variant", values="errors")


def errors_ratio(variant: str, holds: Callable[[float], bool]) -> Callable[[Study], Answers]:
    """Compare a net's errors with those of the deterministic net of the same seed."""

    def read(study: Study) -> Answers:
        errors = final_errors(study)
        if not {variant, "deterministic"} <= set(errors.columns):
            return {"CNN": [Answer(None, "-", why="not trained")]}
        ratios = (errors[variant] / errors["deterministic"]).dropna()
        found = [Answer(holds(r), f"×{r:.2f}", r, form="×{:.2f}".format) for r in ratios]
        return {"CNN": found}

    return read


def near_injective(layers: tuple[int, ...]) -> Callable[[Study], Answers]:
    """Tell whether H(Bin) with two bins stays within 1 % of log N at every look."""

    def read(study: Study) -> Answers:
        rows = study.table("mnist.bins")
        if not len(rows):
            return {SHOWN: [Answer(None, "-", why="not measured")]}
        shown = rows[(rows["variant"] == SHOWN) & rows["layer"].isin(layers)]
        most = float(rows["ceiling"].max())
        least = shown.groupby("seed")["entropy"].min()
        text = "{:.3f} nats".format
        return {
            SHOWN: [
                Answer(v >= 0.99 * most, f"≥ {v:.3f} of {most:.3f} nats", v, form=text)
                for v in least
            ]
        }

    return read


def unit_slopes(study: Study, variant: str, seed: int) -> np.ndarray:
    """Return the slope of every unit's entropy in nats per epoch: (bin sizes, units).

    By linear regression over the looks after epoch 0, as the paper's over epochs 1 to 128.
    """
    arrays = study.arrays("mnist.arrays")
    prefix = f"mnist-{variant}-seed{seed}-arrays-epoch"
    names = sorted(n for n in arrays if n.startswith(prefix) and n.endswith("-units"))
    epochs = [int(name.removeprefix(prefix)[:5]) for name in names]
    used = [(e, arrays[n]) for e, n in zip(epochs, names, strict=True) if e > 0]
    if len(used) < 3:
        return np.empty((len(UNIT_BINS), 0))
    times = np.array([epoch for epoch, _ in used], dtype=float)
    values = np.stack([value for _, value in used]).astype(float)
    centred = times - times.mean()
    slopes: np.ndarray = np.tensordot(centred, values, axes=1) / (centred**2).sum()
    return slopes


def units_compress(study: Study) -> Answers:
    """Tell whether most units of layer 3 have a falling entropy, for every bin size."""
    rows = study.table("mnist.metrics")
    seeds = sorted(rows[rows["variant"] == SHOWN]["seed"].unique()) if len(rows) else []
    answers = []
    for seed in seeds:
        slopes = unit_slopes(study, SHOWN, int(seed))
        if not slopes.size:
            answers.append(Answer(None, "-", why="fewer than three looks"))
            continue
        least = 100 * float((slopes < 0).mean(axis=1).min())
        mean = float(slopes.mean(axis=1).max())
        text = f"{least:.0f} % of units, mean slope at most {mean:+.4f} nats an epoch"
        answers.append(Answer(least > 50, text, least, form="{:.0f} % of units".format))
    return {SHOWN: answers or [Answer(None, "-", why="not measured")]}


def similarity_falls(study: Study) -> Answers:
    """Tell whether the similarity to the deterministic net falls with β in every layer."""
    rows = study.table("mnist.similarity")
    answers = []
    for seed in sorted(rows["seed"].unique()):
        mine = rows[rows["seed"] == seed].pivot_table(
            index="layer", columns="variant", values="mean"
        )
        if not set(NOISY) <= set(mine.columns):
            answers.append(Answer(None, "-", why="not trained"))
            continue
        ordered = (mine[list(NOISY)].diff(axis=1).iloc[:, 1:] < 0).all(axis=1)
        text = f"{int(ordered.sum())} of {len(mine)} layers"
        answers.append(Answer(bool(ordered.all()), text, float(ordered.sum())))
    return {"CNN": answers or [Answer(None, "-", why="not measured")]}


def inner_less_alike(study: Study) -> Answers:
    """Tell whether layers 2 and 3 are less alike than layers 1 and 4, at β = 0.1."""
    rows = study.table("mnist.similarity")
    answers = []
    for seed in sorted(rows["seed"].unique()):
        chosen = (rows["seed"] == seed) & (rows["variant"] == "noise0.1")
        mine = rows[chosen].set_index("layer")["mean"]
        if len(mine) < 4:
            answers.append(Answer(None, "-", why="not trained"))
            continue
        holds = max(mine[2], mine[3]) < min(mine[1], mine[4])
        answers.append(Answer(bool(holds), ", ".join(f"{value:.2f}" for value in mine)))
    return {"CNN": answers or [Answer(None, "-", why="not measured")]}


def separates(
    layers: tuple[int, ...], holds: Callable[[float], bool]
) -> Callable[[Study], Answers]:
    """Compare the overlap of distances within and between classes with the input's, at epoch 1."""

    def read(study: Study) -> Answers:
        rows = study.table("mnist.distances")
        if not len(rows):
            return {SHOWN: [Answer(None, "-", why="not measured")]}
        rows = rows[(rows["variant"] == SHOWN) & (rows["epoch"] == 1)]
        answers = []
        for _, mine in rows.groupby("seed"):
            overlap = mine.set_index("layer")["overlap"]
            if not overlap[0]:
                answers.append(Answer(None, "-", why="the input's classes are apart already"))
                continue
            ratios = [float(overlap[layer] / overlap[0]) for layer in layers]
            text = " and ".join(f"×{ratio:.2f}" for ratio in ratios)
            answers.append(Answer(all(map(holds, ratios)), text))
        return {SHOWN: answers or [Answer(None, "-", why="no look at epoch 1")]}

    return read


def output_ceiling(study: Study) -> Answers:
    """Tell whether ten outputs in two bins can hold log N at all: arithmetic."""
    rows = study.table("mnist.bins")
    if not len(rows):
        return {SHOWN: [Answer(None, "-", why="not measured")]}
    most = float(rows["ceiling"].max())
    limit, found = 10 * math.log(2), float(rows[rows["layer"] == 4]["entropy"].max())
    return {SHOWN: [Answer(limit >= most, f"{found:.2f} of at most {limit:.2f} nats", found)]}
