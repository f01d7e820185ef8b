"""Questions that the paper leaves open, each a small function of what one seed measured."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from models import skip_name
from scipy.stats import kendalltau

import infoflow
from infoflow.testing import UNet
from reproduction.arrivals import arrival, arrivals, why_open
from reproduction.curves import LEARNED
from reproduction.read_models import BEFORE, LACKING, predicted
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
    return Answer(bool(there.mean() < 0.5), text)


def maximum_is_entropy(seed: Seed) -> Answer:
    """Compare the largest I(Y;M) with H(Y) of the clusters."""
    share = float(seed.read().max()) / seed.ceiling()
    return Answer(share >= 0.99, f"{share:.1%} of H(Y) = {seed.ceiling():.2f} bits")


def shuffled(seed: Seed, setting: str = PAPER) -> Answer:
    """Compare the final I(Y;M) of unsaturated layers with what shuffled classes give.

    A saturated layer is at H(Y) for any classes, and says nothing about either.
    """
    end = seed.until[-1]
    values, null = (seed.read(name, setting)[end] for name in ("iym", "iym_null_high"))
    is_open = (values < AT_MAXIMUM * seed.ceiling(setting)) & (values > 0.01)
    count = int(is_open.sum())
    if not count:
        return Answer(None, "-", why="no layer is between 0 and saturation")
    share = float((null[is_open] / values[is_open]).clip(0, 1).mean())
    above = int((values[is_open] > null[is_open] + 0.01).sum())
    text = f"{above} of {count} unsaturated layers are above the null, which has {share:.0%}"
    return Answer(above > count / 2, text)


def agreement(seed: Seed, setting: str) -> tuple[int, float]:
    """Return for how many of Models 2–4 a setting foretells the outcome, and by which factor.

    The factor is the geometric mean of how far told and seen epochs are apart, where never is the
    paper's last epoch. (-1, NaN) where the models cannot be compared.
    """
    if why_open(seed):
        return -1, math.nan
    told, seen = predicted(seed, setting), arrivals(seed)
    right = sum(seen[model].is_there == (told[model] <= PAPER_EPOCHS) for model in told)
    pairs = [(min(told[m], PAPER_EPOCHS), min(seen[m].when, PAPER_EPOCHS)) for m in told]
    ratios = [abs(math.log((one + 1) / (other + 1))) for one, other in pairs]
    return right, math.exp(sum(ratios) / len(ratios))


def best_setting(seed: Seed) -> Answer:
    """Say which settings foretell the ablation of the redesign best."""
    why = why_open(seed) or ("untrained nets foretell nothing" if seed.trained else "")
    if why:
        return Answer(None, "-", why=why)
    scores = {setting: agreement(seed, setting) for setting in seed.settings}
    ranks = {setting: (right, -round(factor, 1)) for setting, (right, factor) in scores.items()}
    top = max(ranks.values())
    best = [setting for setting, rank in ranks.items() if rank == top]
    count, factor = scores[PAPER]
    text = (
        f"{top[0]} of 3 models, {-top[1]:.1f}× off, by {', '.join(best)}; "
        f"the paper's: {count} of 3, {factor:.1f}× off"
    )
    return Answer(PAPER in best, text)


def cut_order(seed: Seed) -> dict[str, float]:
    """Return the Dice that each skip's cut costs the trained Model 1."""
    if seed.cut is None or seed.cut["dice"] < LEARNED:
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


def cut_readings(seed: Seed) -> dict[str, float]:
    """Return how each reading of the final net orders the damage of cuts: Kendall's tau-b.

    Damages that are none are a tie, since their order is chance.
    """
    damage = cut_order(seed)
    if not damage or seed.cut is None or seed.flow is None:
        return {}
    streams = seed.flow.streams.isel(epoch=-1)
    found: dict[str, list[float]] = {}
    skips = {skip_name(skip): skip.name for skip in seed.flow.graph.skips}
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


def cut_by_papers_reading(seed: Seed) -> Answer:
    """Say how the paper's reading orders the cuts of the trained net, and what orders them best."""
    if seed.cut is None:
        return Answer(None, "-", why="no cut was tried")
    taus = {name: tau for name, tau in cut_readings(seed).items() if math.isfinite(tau)}
    if not taus:
        return Answer(None, "-", why=f"no cut costs more than {HARMLESS}, so there is no order")
    top = max(taus.values())
    best = [name for name, tau in taus.items() if tau > top - 1e-9]
    papers = f"missing before the merge, {PAPER}"
    text = f"best: {top:.2f} by {', '.join(best)}"
    if papers not in taus:
        return Answer(None, text, why="the paper's reading is the same for all skips")
    return Answer(taus[papers] > 0, f"{taus[papers]:.2f} ({text})")


def toolkit_advice(seed: Seed) -> Answer:
    """Compare what ``infoflow.suggest_pruning`` says of a redesign with which models get there."""
    if seed.flow is None:
        return Answer(None, "-", why="streams were not measured")
    given = infoflow.suggest_pruning(on_paper_clock(seed), reading="paper")
    told = {skip_name(row.skip): row.redesign for row in given}
    seen = {skip: arrival(seed, model) for skip, model in LACKING.items()}
    text = ", ".join(f"{skip}: told {told[skip]}, seen {seen[skip].text}" for skip in LACKING)
    why = why_open(seed)
    if why:
        return Answer(None, text, why=why)
    said = [skip for skip in LACKING if told[skip].verdict != "cannot tell"]
    if len({told[skip].is_prunable for skip in said}) < 2:
        return Answer(None, text, why="the toolkit says the same of all skips that it judges")
    return Answer(all(told[skip].is_prunable == seen[skip].is_there for skip in said), text)


def questions_differ(seed: Seed) -> Answer:
    """Compare what the skip 1→20 is worth to a net trained without it and to the trained Model 1.

    The models lack one skip more each, and so no other skip is asked about alone by both.
    """
    skip, model = "1->20", 2
    cut, came = cut_order(seed), arrival(seed, model)
    if not cut:
        return Answer(None, "-", why="no cut was tried")
    if came.open_why:
        return Answer(None, f"cut {skip} costs {cut[skip]:.2f}", why=came.open_why)
    anew = seed.curves[1].best() - seed.curves[model].best()
    text = f"costs {cut[skip]:.2f} when cut, {anew:.2f} when trained without"
    return Answer((cut[skip] > HARMLESS) != (anew > HARMLESS), text)


OURS = (
    Claim(
        "untrained",
        "Most of the bits of I(Y;M) come with training",
        "-",
        untrained,
        "Fewer than half of the layers have 95 % of their final I(Y;M) before training. Whether "
        "they are about the masks, or tell any images apart, the next two ask",
    ),
    Claim(
        "null",
        "Most unsaturated layers know more of their K-means clusters than of shuffled ones",
        "-",
        shuffled,
        "Final I(Y;M) against the 95 % quantile of its null; saturated layers are left out",
    ),
    Claim(
        "null-coarsening",
        "Most unsaturated layers know more of the coarsened masks than of shuffled ones",
        "-",
        lambda seed: shuffled(seed, "KDE 1, coarsening"),
        "As above, with Y by spatial coarsening",
    ),
    Claim(
        "best-setting",
        "No other estimator or noise foretells the redesign better than the paper's",
        "-",
        best_setting,
        "By how many of three models, which are few, then by how far their epochs are off",
        by_clock=True,
    ),
    Claim(
        "cut-reading",
        "The paper's reading, meant for a redesign, orders cuts of the trained Model 1 as well",
        "-",
        cut_by_papers_reading,
        "Kendall's tau over four skips: coarse, 6 of their 24 orders have 0.55 or more; losses of "
        f"{HARMLESS} or less are a tie",
    ),
    Claim(
        "toolkit-advice",
        "infoflow's advice for a redesign says which models get there",
        "-",
        toolkit_advice,
        "Where it gives a verdict, and not the same one for all",
        by_clock=True,
    ),
    Claim(
        "maximum-entropy",
        "The maximum of I(Y;M) in a trained net is H(Y) of the clusters",
        "-",
        maximum_is_entropy,
        "At least 99 % of it",
        of_data=True,
    ),
    Claim(
        "redesign-cut",
        "A net trained without 1→20 and a trained net that loses it fare differently",
        "-",
        questions_differ,
        f"One of them costs more than {HARMLESS} Dice and the other not",
    ),
)
