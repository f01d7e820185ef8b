"""Questions that the paper leaves open, each a small function of what one seed measured."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import kendalltau

from infoflow.testing import UNet
from reproduction.claims import catches_up, predicted
from reproduction.readings import PAPER
from reproduction.scales import PAPER_EPOCHS
from reproduction.study import AT_MAXIMUM, Seed
from reproduction.verdicts import Answer, Claim

#: A loss of Dice up to this is none.
_HARMLESS = 0.03
#: Which model is the first to lack a skip.
LACKING = {"1->20": 2, "3->17": 3, "5->14": 4}
#: The layer before the merge, in the paper's reading of each skip.
_BEFORE = {"7->11": 9, "5->14": 11, "3->17": 14, "1->20": 17}


def untrained(seed: Seed) -> Answer:
    """Count the layers whose final I(Y;M) the untrained net has already."""
    values = seed.read()
    there = values[0] >= AT_MAXIMUM * values[-1]
    mean = float(np.minimum(values[0] / np.maximum(values[-1], 1e-9), 1).mean())
    text = f"{int(there.sum())} of {len(there)} layers; {mean:.0%} of the bits on average"
    return Answer(bool(there.mean() < 0.5), text, mean)


def shuffled(seed: Seed) -> Answer:
    """Compare the final I(Y;M) with what shuffled classes give in 95 % of cases."""
    values, null = seed.read()[-1], seed.read("iym_null_high")[-1]
    share = float((null / np.maximum(values, 1e-9)).clip(0, 1).mean())
    above = int((values > null + 0.01).sum())
    text = f"{share:.0%} of the bits on average; {above} of {len(values)} layers above the null"
    return Answer(share < 0.5, text, share)


def agreement(seed: Seed, setting: str) -> tuple[int, float]:
    """Return for how many of Models 2–4 a setting foretells the outcome, and by which factor.

    The factor is the geometric mean of how far told and seen epochs are apart, over the models
    for which both are finite; NaN where there is none.
    """
    told = predicted(seed, setting)
    right, ratios = 0, []
    for model in (2, 3, 4):
        seen = catches_up(seed, model, 0.0, PAPER_EPOCHS)
        if seen.holds is None:
            return -1, math.nan
        right += seen.holds == (told[model] <= PAPER_EPOCHS)
        if math.isfinite(told[model]) and math.isfinite(seen.value):
            ratios.append(abs(math.log((told[model] + 1) / (seen.value + 1))))
    return right, math.exp(sum(ratios) / len(ratios)) if ratios else math.nan


def best_setting(seed: Seed) -> Answer:
    """Say which settings foretell the ablation of the redesign best."""
    scores = {setting: agreement(seed, setting) for setting in seed.settings}
    if any(right < 0 for right, _ in scores.values()):
        return Answer(None, "-", why="not all four models are trained to the end")
    top = max(right for right, _ in scores.values())
    best = [setting for setting, (right, _) in scores.items() if right == top]
    text = f"{top} of 3 models by {', '.join(best)}; the paper's: {scores[PAPER][0]} of 3"
    return Answer(PAPER in best, text, float(top))


def cut_order(seed: Seed) -> dict[str, float]:
    """Return the Dice that each skip's cut costs the trained Model 1."""
    if seed.cut is None:
        return {}
    return {skip: seed.cut["dice"] - seed.cut["skips"][skip]["cut"] for skip in UNet.ALL_SKIPS}


def redesign_order(seed: Seed) -> dict[str, float]:
    """Return the best Dice that lacking each skip costs within the paper's epochs."""
    if not {1, 2, 3, 4} <= set(seed.curves):
        return {}
    ends = [float(curve.clock[-1]) for curve in seed.curves.values()]
    if min(ends) < PAPER_EPOCHS * 0.99:
        return {}
    best = {model: seed.best(model) for model in seed.curves}
    return {skip: max(0.0, best[model - 1] - best[model]) for skip, model in LACKING.items()}


def cut_readings(seed: Seed) -> dict[str, float]:
    """Return how each reading of the final net orders the damage of cuts: Kendall's tau."""
    damage = cut_order(seed)
    if seed.cut is None or seed.flow is None:
        return {}
    streams = seed.flow.streams.isel(epoch=-1)
    found: dict[str, list[float]] = {}
    skips = {str(skip).replace("→", "->"): skip.name for skip in seed.flow.graph.skips}
    for number, noise in enumerate(("fixed noise", "relative noise")):
        found[f"added at {noise}"] = [
            float(streams["added"].sel(stream=skips[name])[number]) for name in UNet.ALL_SKIPS
        ]
    found["usable unique"] = [seed.cut["skips"][n]["usable unique"] for n in UNet.ALL_SKIPS]
    for setting in seed.settings:
        values = seed.read("iym", setting)
        missing = [float(values[-1].max() - values[-1, _BEFORE[n]]) for n in UNet.ALL_SKIPS]
        found[f"missing before the merge, {setting}"] = missing
    truth = [damage[name] for name in UNet.ALL_SKIPS]
    return {name: float(kendalltau(row, truth).statistic) for name, row in found.items()}


def best_cut_reading(seed: Seed) -> Answer:
    """Say which readings of the trained net order the cuts by their damage best."""
    taus = {name: tau for name, tau in cut_readings(seed).items() if math.isfinite(tau)}
    if not taus:
        return Answer(None, "-", why="no cut was tried")
    top = max(taus.values())
    best = [name for name, tau in taus.items() if tau == top]
    paper = taus.get(f"missing before the merge, {PAPER}", math.nan)
    text = f"tau {top:.2f}: {', '.join(best)}; the paper's reading: {paper:.2f}"
    return Answer(f"missing before the merge, {PAPER}" in best, text)


def questions_differ(seed: Seed) -> Answer:
    """Compare what redesign and cut say of the three skips that the models lack."""
    cut, redesign = cut_order(seed), redesign_order(seed)
    if not cut:
        return Answer(None, "-", why="no cut was tried")
    if not redesign:
        text = ", ".join(f"cut {skip}: −{loss:.2f}" for skip, loss in cut.items())
        return Answer(None, text, why="not all four models are trained to the end")
    other = [skip for skip in LACKING if (cut[skip] > _HARMLESS) != (redesign[skip] > _HARMLESS)]
    text = ", ".join(f"{s}: cut −{cut[s]:.2f}, redesign −{redesign[s]:.2f}" for s in LACKING)
    return Answer(bool(other), f"{text}; {len(other)} of 3 differ", float(len(other)))


OURS = (
    Claim(
        "untrained",
        "Most of I(Y;M) is learned: the untrained net lacks it",
        "-",
        untrained,
        "Fewer than half of the layers have 95 % of their final I(Y;M) before training",
    ),
    Claim(
        "null",
        "Most of I(Y;M) is knowledge of Y: shuffled clusters give less than half",
        "-",
        shuffled,
        "Mean over layers of the null's 95 % quantile against the final value",
    ),
    Claim(
        "best-setting",
        "The paper's estimator and noise foretell the redesign best",
        "-",
        best_setting,
        "Ties count; three models are few",
    ),
    Claim(
        "best-cut-reading",
        "The paper's reading orders the cuts of the trained Model 1 best",
        "-",
        best_cut_reading,
        "Kendall's tau over four skips, which is coarse",
    ),
    Claim(
        "redesign-cut",
        "Redesign and cut give different answers",
        "-",
        questions_differ,
        f"For at least one skip, one of them costs more than {_HARMLESS} Dice and the other not",
    ),
)
