"""Questions that the paper leaves open, each a small function of what one seed measured."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.stats import kendalltau

import infoflow
from infoflow.testing import UNet
from reproduction.claims import BEFORE, LACKING, catches_up, predicted, unfinished
from reproduction.readings import PAPER
from reproduction.scales import PAPER_EPOCHS
from reproduction.study import AT_MAXIMUM, Seed, on_paper_clock
from reproduction.verdicts import Answer, Claim

#: A loss of Dice up to this is none.
HARMLESS = 0.03


def untrained(seed: Seed) -> Answer:
    """Count the layers whose final I(Y;M) the untrained net has already."""
    if seed.clock[0] != 0:
        return Answer(None, "-", why="the untrained net was not measured")
    before, after = seed.read()[0], seed.read()[seed.until[-1]]
    has = after > 0.01
    there = before[has] >= AT_MAXIMUM * after[has]
    mean = float(np.minimum(before[has] / after[has], 1).mean())
    text = f"{int(there.sum())} of {len(there)} layers; {mean:.0%} of the bits on average"
    return Answer(bool(there.mean() < 0.5), text, mean)


def maximum_is_entropy(seed: Seed) -> Answer:
    """Compare the largest I(Y;M) with H(Y) of the clusters."""
    share = float(seed.read().max()) / seed.ceiling()
    return Answer(share >= 0.99, f"{share:.1%} of H(Y) = {seed.ceiling():.2f} bits", share)


def shuffled(seed: Seed) -> Answer:
    """Compare the final I(Y;M) with what shuffled classes give in 95 % of cases."""
    end = seed.until[-1]
    values, null = seed.read()[end], seed.read("iym_null_high")[end]
    share = float((null / np.maximum(values, 1e-9)).clip(0, 1).mean())
    above = int((values > null + 0.01).sum())
    text = f"{share:.0%} of the bits on average; {above} of {len(values)} layers above the null"
    return Answer(share < 0.5, text, share)


def agreement(seed: Seed, setting: str) -> tuple[int, float]:
    """Return for how many of Models 2–4 a setting foretells the outcome, and by which factor.

    The factor is the geometric mean of how far told and seen epochs are apart, over the models
    for which both are finite; NaN where there is none.
    """
    if unfinished(seed):
        return -1, math.nan
    told = predicted(seed, setting)
    right, ratios = 0, []
    for model in (2, 3, 4):
        seen = catches_up(seed, model, 0.0, PAPER_EPOCHS)
        right += seen.holds == (told[model] <= PAPER_EPOCHS)
        if math.isfinite(told[model]) and math.isfinite(seen.value):
            ratios.append(abs(math.log((told[model] + 1) / (seen.value + 1))))
    return right, math.exp(sum(ratios) / len(ratios)) if ratios else math.nan


def best_setting(seed: Seed) -> Answer:
    """Say which settings foretell the ablation of the redesign best."""
    why = unfinished(seed)
    if why:
        return Answer(None, "-", why=why)
    scores = {setting: agreement(seed, setting) for setting in seed.settings}
    ranks = {
        setting: (right, -round(factor, 1) if math.isfinite(factor) else -math.inf)
        for setting, (right, factor) in scores.items()
    }
    top = max(ranks.values())
    best = [setting for setting, rank in ranks.items() if rank == top]
    text = f"{top[0]} of 3 models by {', '.join(best)}; the paper's: {scores[PAPER][0]} of 3"
    if PAPER in best and len(best) > 1:
        return Answer(None, text, why="other settings foretell it as well")
    return Answer(PAPER in best, text)


def cut_order(seed: Seed) -> dict[str, float]:
    """Return the Dice that each skip's cut costs the trained Model 1."""
    if seed.cut is None:
        return {}
    return {skip: seed.cut["dice"] - seed.cut["skips"][skip]["cut"] for skip in UNet.ALL_SKIPS}


def harmful(costs: Mapping[str, float]) -> list[float]:
    """Return the costs, with 0 for those whose order is chance.

    Examples
    --------
    >>> harmful({"7->11": 0.006, "5->14": 0.002, "1->20": 0.8})
    [0.0, 0.0, 0.8]
    """
    return [cost if cost > HARMLESS else 0.0 for cost in costs.values()]


def redesign_order(seed: Seed) -> dict[str, float]:
    """Return the best Dice that lacking each skip costs within the paper's epochs."""
    if unfinished(seed):
        return {}
    best = {model: seed.best(model) for model in seed.curves}
    return {skip: max(0.0, best[model - 1] - best[model]) for skip, model in LACKING.items()}


def cut_readings(seed: Seed) -> dict[str, float]:
    """Return how each reading of the final net orders the damage of cuts: Kendall's tau-b.

    Damages that are none are a tie, since their order is chance.
    """
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
    found["usable added"] = [seed.cut["skips"][n]["usable added"] for n in UNet.ALL_SKIPS]
    for setting in seed.settings:
        values = seed.read("iym", setting)
        missing = [float(values[-1].max() - values[-1, BEFORE[n]]) for n in UNet.ALL_SKIPS]
        found[f"missing before the merge, {setting}"] = missing
    truth = harmful(damage)
    return {name: float(kendalltau(row, truth).statistic) for name, row in found.items()}


def best_cut_reading(seed: Seed) -> Answer:
    """Say which readings of the trained net order the cuts by their damage best."""
    if seed.cut is None:
        return Answer(None, "-", why="no cut was tried")
    taus = {name: tau for name, tau in cut_readings(seed).items() if math.isfinite(tau)}
    if not taus:
        return Answer(None, "-", why=f"no cut costs more than {HARMLESS}, so there is no order")
    top = max(taus.values())
    best = [name for name, tau in taus.items() if tau > top - 1e-9]
    papers = f"missing before the merge, {PAPER}"
    text = f"tau {top:.2f}: {', '.join(best)}"
    if papers not in taus:
        return Answer(None, text, why="the paper's reading is the same for all skips")
    if papers in best and len(best) > 1:
        return Answer(None, text, why="other readings order the cuts as well")
    return Answer(papers in best, f"{text}; the paper's reading: {taus[papers]:.2f}")


def toolkit_advice(seed: Seed) -> Answer:
    """Compare what ``infoflow.suggest_pruning`` says of a redesign with which models get there."""
    if seed.flow is None:
        return Answer(None, "-", why="streams were not measured")
    told = {
        str(row.skip).replace("→", "->"): row.redesign
        for row in infoflow.suggest_pruning(on_paper_clock(seed))
    }
    seen = {skip: catches_up(seed, model, 0.0, PAPER_EPOCHS) for skip, model in LACKING.items()}
    text = ", ".join(f"{skip}: told {told[skip]}, seen {seen[skip].text}" for skip in LACKING)
    why = unfinished(seed)
    if why:
        return Answer(None, text, why=why)
    said = [skip for skip in LACKING if told[skip].verdict != "cannot tell"]
    if not said:
        return Answer(None, text, why="the toolkit gives no verdict on saturated numbers")
    return Answer(all(told[skip].is_prunable == bool(seen[skip].holds) for skip in said), text)


def questions_differ(seed: Seed) -> Answer:
    """Compare what redesign and cut say of the three skips that the models lack."""
    cut, redesign = cut_order(seed), redesign_order(seed)
    if not cut:
        return Answer(None, "-", why="no cut was tried")
    if not redesign:
        text = ", ".join(f"cut {skip} costs {loss:.2f}" for skip, loss in cut.items())
        return Answer(None, text, why=unfinished(seed))
    other = [skip for skip in LACKING if (cut[skip] > HARMLESS) != (redesign[skip] > HARMLESS)]
    costs = (f"{s} costs {cut[s]:.2f} cut, {redesign[s]:.2f} in a redesign" for s in LACKING)
    text = ", ".join(costs)
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
        "By how many of three models, which are few, then by how far their epochs are off",
    ),
    Claim(
        "best-cut-reading",
        "The paper's reading orders the cuts of the trained Model 1 best",
        "-",
        best_cut_reading,
        "Kendall's tau over four skips, which is coarse; losses of 0.03 or less are a tie",
    ),
    Claim(
        "toolkit-advice",
        "infoflow's advice for a redesign says which models get there",
        "-",
        toolkit_advice,
        "Where it gives a verdict",
    ),
    Claim(
        "maximum-entropy",
        "The maximum of I(Y;M) is H(Y) of the clusters, whatever the net",
        "-",
        maximum_is_entropy,
        "At least 99 % of it",
    ),
    Claim(
        "redesign-cut",
        "Redesign and cut give different answers",
        "-",
        questions_differ,
        f"For at least one skip, one of them costs more than {HARMLESS} Dice and the other not",
    ),
)
