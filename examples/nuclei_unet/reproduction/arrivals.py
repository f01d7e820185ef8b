"""When a model is as good as Model 1, and why that cannot be said."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reproduction.scales import PAPER_EPOCHS
from reproduction.study import Seed
from reproduction.verdicts import clock_text

#: A learning curve is at its maximum within this share of Model 1's best.
AT_BEST = 0.97
NOT_THERE = "the training has not come that far yet"


@dataclass(frozen=True)
class Arrival:
    """When the validation Dice of a model first is near Model 1's best.

    Parameters
    ----------
    when
        In the paper's epochs; infinity where that never was.
    text
        The same in words, with the best Dice.
    open_why
        Why it cannot be said; empty where it can.
    note
        What to know about it.
    """

    when: float
    text: str
    open_why: str = ""
    note: str = ""

    @property
    def is_there(self) -> bool:
        """Whether the model comes that far within the paper's epochs."""
        return math.isfinite(self.when)


def arrival(seed: Seed, model: int) -> Arrival:
    """Return when a model is as good as Model 1, within the paper's epochs."""
    if model not in seed.curves or 1 not in seed.curves:
        return Arrival(math.inf, "-", f"Model {model} is not trained yet")
    unlearned = seed.why_unlearned()
    if unlearned:
        return Arrival(math.inf, "-", unlearned)
    curve = seed.curves[model]
    when = curve.arrives(AT_BEST * seed.reference.curves[1].best())
    text = f"{clock_text(when)} (best Dice {curve.best():.2f})"
    if not seed.curves[1].has_come:
        why = "Model 1, by which the others are judged, is unfinished"
        return Arrival(when, text, why)
    if not math.isfinite(when) and not curve.has_come:
        return Arrival(when, f"not by {clock_text(float(curve.clock[-1]))}", NOT_THERE)
    if curve.is_flat and seed.trained is None:
        text = f"never (no nucleus up to {clock_text(PAPER_EPOCHS)})"
        note = f"Model {model} predicts no nucleus to the end, as a net with a dead layer would"
        return Arrival(when, text, note=note)
    return Arrival(when, text)


def arrivals(seed: Seed) -> dict[int, Arrival]:
    """Return when each of the four models is as good as Model 1."""
    return {model: arrival(seed, model) for model in (1, 2, 3, 4)}


def why_open(seed: Seed) -> str:
    """Say why the four models cannot be compared; empty where they can."""
    why = next((each.open_why for each in arrivals(seed).values() if each.open_why), "")
    return why or ("" if seed.has_come else NOT_THERE)
