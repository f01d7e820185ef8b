"""How the claims on Models 2 to 4 are read, each a small function of what one seed measured."""

from __future__ import annotations

import math
from dataclasses import replace

from reproduction.arrivals import AT_BEST, NOT_THERE, arrival, arrivals, why_open
from reproduction.curves import LEARNED
from reproduction.read_layers import in_order, since
from reproduction.readings import PAPER
from reproduction.scales import PAPER_EPOCHS
from reproduction.study import Seed
from reproduction.verdicts import Answer, clock_text

#: Which layer has to have the maximum for a skip to be free to go: the last before the merge that
#: the paper reads, one level below it. The transposed convolutions between are its main streams.
BEFORE = {"7->11": 9, "5->14": 11, "3->17": 14, "1->20": 17}
#: Values of Dice at which the order of models is read, beside Model 1's best.
DICES = (0.5, 0.6, 0.7, 0.8)
#: Which model is the first to lack a skip.
LACKING = {"1->20": 2, "3->17": 3, "5->14": 4}


def catches_up(seed: Seed, model: int, earliest: float, latest: float) -> Answer:
    """Read whether a model's validation Dice comes near Model 1's best between two epochs."""
    came = arrival(seed, model)
    if came.open_why:
        return Answer(None, came.text, why=came.open_why)
    return Answer(earliest <= came.when <= latest, came.text, why=came.note)


def stays_behind(seed: Seed, model: int) -> Answer:
    """Read whether a model does not come near Model 1's best Dice within the paper's epochs."""
    answer = catches_up(seed, model, 0.0, PAPER_EPOCHS)
    return answer if answer.holds is None else replace(answer, holds=not answer.holds)


def segments(seed: Seed, epoch: float) -> Answer:
    """Read whether Models 1 and 2 segment by an epoch, and Model 3 does not at that time."""
    if not {1, 2, 3} <= set(seed.curves):
        return Answer(None, "-", why="not all of Models 1 to 3 are trained yet")
    whens = {model: seed.curves[model].arrives(LEARNED) for model in (1, 2, 3)}
    text = ", ".join(f"Model {model}: {since(when)}" for model, when in whens.items())
    is_short = any(float(seed.curves[model].clock[-1]) < epoch for model in (1, 2, 3))
    if is_short:
        return Answer(None, text, why=NOT_THERE)
    return Answer(max(whens[1], whens[2]) <= epoch < whens[3], text)


def ends_alike(seed: Seed) -> Answer:
    """Read whether Models 2 and 3 segment at the end about as well as Model 1."""
    if not {1, 2, 3} <= set(seed.curves):
        return Answer(None, "-", why="not all of Models 1 to 3 are trained yet")
    if seed.trained is not None:
        return Answer(None, "-", why="untrained nets segment nothing")
    last = {model: seed.curves[model].last for model in (1, 2, 3)}
    text = ", ".join(f"Model {model}: {dice:.2f}" for model, dice in last.items())
    if not all(seed.curves[model].has_come for model in last):
        return Answer(None, text, why=NOT_THERE)
    return Answer(min(last.values()) >= AT_BEST * last[1], text)


def models_in_order(seed: Seed) -> Answer:
    """Read whether the slower of Models 1 and 2, Model 3 and Model 4 come up in this order."""
    why = why_open(seed)
    if why:
        return Answer(None, "-", why=why)
    best = AT_BEST * seed.reference.curves[1].best()
    levels = []
    for dice in (*(dice for dice in DICES if dice < best), best):
        when = {model: curve.arrives(dice) for model, curve in seed.curves.items()}
        levels.append({"1, 2": max(when[1], when[2]), "3": when[3], "4": when[4]})
    return in_order(seed, levels, "models")


def advice_predicts(seed: Seed, setting: str = PAPER) -> Answer:
    """Compare which models the paper's reading says will get there with which ones do."""
    foretold, seen = predicted(seed, setting), arrivals(seed)
    text = ", ".join(
        f"Model {model}: told {_by(foretold[model])}, seen {seen[model].text}" for model in foretold
    )
    why = why_open(seed)
    if why:
        return Answer(None, text, why=why)
    if not any(math.isfinite(foretold[m]) and seen[m].is_there for m in foretold):
        return Answer(None, text, why="no model is both told and seen to get there")
    told = {model: when <= PAPER_EPOCHS for model, when in foretold.items()}
    return Answer(all(told[model] == seen[model].is_there for model in told), text)


def predicted(seed: Seed, setting: str = PAPER) -> dict[int, float]:
    """Return from which epoch on each model should do, by the paper's reading."""
    return {model: seed.reached(BEFORE[skip], setting) for skip, model in LACKING.items()}


def _by(when: float) -> str:
    return f"by {clock_text(when)}" if math.isfinite(when) else "never"
