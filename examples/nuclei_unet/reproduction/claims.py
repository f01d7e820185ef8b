"""What the paper claims, each a small function of what one seed measured.

Epochs are compared by learning rate × steps: ``seed.clock`` is in the paper's epochs.
"""

from __future__ import annotations

import math

import numpy as np

from reproduction.readings import PAPER
from reproduction.scales import PAPER_EPOCHS
from reproduction.study import AT_MAXIMUM, Seed
from reproduction.verdicts import Answer, clock_text

MERGES = (11, 14, 17, 20)
#: Clocks agree to about this factor, so an epoch of the paper is met within it.
SLACK = 2.0
#: A rise smaller than this, in bits, is none.
_RISE = 0.01
#: A validation Dice below this is no segmentation: an untrained net may have 0.3.
_LEARNED = 0.5
_NOT_THERE = "the training has not come that far yet"


def maximum(seed: Seed) -> Answer:
    """Read the largest I(Y;M) of any layer at any epoch."""
    top = float(seed.read().max())
    if seed.variant == "half":
        return Answer(None, f"{top:.2f} bits", top, "smaller masks have other clusters")
    return Answer(round(top) == 3, f"{top:.2f} bits", top)


def maximum_is_entropy(seed: Seed) -> Answer:
    """Compare the largest I(Y;M) with H(Y) of the clusters."""
    share = float(seed.read().max()) / seed.ceiling()
    return Answer(share >= 0.99, f"{share:.1%} of H(Y) = {seed.ceiling():.2f} bits", share)


def first_layers(seed: Seed) -> Answer:
    """Read when layers 0 and 1 reach the maximum for good."""
    when = max(seed.reached(0), seed.reached(1))
    text = f"from {clock_text(when)}" if math.isfinite(when) else "never"
    first_look = float(seed.clock[1]) if len(seed.clock) > 1 else math.inf
    if 10 < when <= first_look:
        why = f"the first look after the start is at {clock_text(first_look)} of its epochs"
        return Answer(None, text, when, why)
    return Answer(when <= 10, text, when)


def deep_layers_low(seed: Seed) -> Answer:
    """Read whether layers 8 to 14 stay below the maximum up to the paper's last epoch."""
    share = seed.read()[_until(seed)][:, 8:15] / seed.read().max()
    best = int(share.max(axis=0).argmax()) + 8
    text = f"layer {best} comes to {share.max():.0%} of the maximum"
    is_low = bool(share.max() < AT_MAXIMUM)
    if is_low and not _has_come(seed):
        return Answer(None, text, float(share.max()), _NOT_THERE)
    return Answer(is_low, text, float(share.max()))


def deep_layers_slow(seed: Seed) -> Answer:
    """Read whether layers 8 to 14 still gain after 6,000 of the paper's epochs."""
    if not _has_come(seed):
        return Answer(None, "-", why=_NOT_THERE)
    values = seed.read()[:, 8:15].mean(axis=1)
    at, end = int(np.abs(seed.clock - 6000).argmin()), int(_until(seed)[-1])
    gain = float(values[end] - values[at])
    return Answer(gain > 0.02 * seed.ceiling(), f"{gain:+.2f} bits", gain)


def early_rises(seed: Seed, quantity: str) -> Answer:
    """Read at which merges a quantity rises, in most looks at the first 1,000 epochs."""
    early = (seed.clock > 0) & (seed.clock <= 1000)
    values = seed.read(quantity)[early]
    if not len(values):
        return Answer(None, "-", why="no look falls into its first 1,000 epochs")
    rises = {m: float((values[:, m] > values[:, m - 1] + _RISE).mean()) for m in MERGES}
    text = ", ".join(f"{merge}: {share:.0%}" for merge, share in rises.items())
    return Answer(all(share > 0.5 for share in rises.values()), f"rises at {text} of looks")


def reaches(seed: Seed, layer: int, earliest: float, latest: float) -> Answer:
    """Read whether a layer reaches the maximum for good between two of the paper's epochs."""
    when = seed.reached(layer)
    if not math.isfinite(when):
        text = f"not by {clock_text(seed.clock[-1])}"
        is_short = seed.clock[-1] < latest
        return Answer(None if is_short else False, text, when, _NOT_THERE if is_short else "")
    before = float(seed.clock[seed.clock < when].max(initial=0.0))
    text = f"between {clock_text(before)} and {clock_text(when)}" if when else "untrained already"
    if when < earliest or before > latest:
        return Answer(False, text, when)
    if before < earliest or when > latest:
        return Answer(None, text, when, "the looks are too far apart")
    return Answer(True, text, when)


def layer_11(seed: Seed) -> Answer:
    """Read the most that layer 11 has up to the paper's last epoch, as a share of the maximum."""
    top = float(seed.read()[_until(seed)][:, 11].max())
    share = top / float(seed.read().max())
    text = f"{top:.2f} bits, {share:.0%} of the maximum"
    if share < 2 / 3 and not _has_come(seed):
        return Answer(None, text, top, _NOT_THERE)
    return Answer(1 / 3 <= share < 2 / 3, text, top)


def catches_up(seed: Seed, model: int, earliest: float, latest: float) -> Answer:
    """Read whether a model's validation Dice comes near Model 1's best between two epochs."""
    if model not in seed.curves or 1 not in seed.curves:
        return Answer(None, "-", why=f"Model {model} is not trained yet")
    if seed.best(1) < _LEARNED:
        return Answer(None, "-", why="Model 1 has not learned to segment yet")
    when = seed.caught_up(model)
    ends = {number: float(seed.curves[number].clock[-1]) for number in (1, model)}
    text = f"{clock_text(when)} (best Dice {seed.best(model):.2f})"
    if ends[1] < PAPER_EPOCHS * 0.99:
        return Answer(None, text, when, "Model 1, by which the others are judged, is unfinished")
    if not math.isfinite(when) and ends[model] < latest * 0.99:
        return Answer(None, f"not by {clock_text(ends[model])}", when, _NOT_THERE)
    return Answer(earliest <= when <= latest, text, when)


def stays_behind(seed: Seed, model: int) -> Answer:
    """Read whether a model does not come near Model 1's best Dice within the paper's epochs."""
    answer = catches_up(seed, model, 0.0, PAPER_EPOCHS)
    holds = None if answer.holds is None else not answer.holds
    return Answer(holds, answer.text, answer.value, answer.why)


def same_shape(seed: Seed, setting: str) -> Answer:
    """Correlate I(Y;M) over layers and epochs with that of the paper's setting."""
    if setting not in seed.settings:
        return Answer(None, "-", why=f"{setting} was not measured")
    one, other = seed.read("iym").ravel(), seed.read("iym", setting).ravel()
    if other.std() == 0 or one.std() == 0:
        return Answer(False, "one of them is the same in every layer and epoch")
    correlation = float(np.corrcoef(one, other)[0, 1])
    return Answer(correlation >= 0.9, f"correlation {correlation:.2f}", correlation)


def advice_predicts(seed: Seed, setting: str = PAPER) -> Answer:
    """Compare which models the paper's reading says will get there with which ones do."""
    foretold = predicted(seed, setting)
    seen = {model: catches_up(seed, model, 0.0, PAPER_EPOCHS) for model in (2, 3, 4)}
    text = ", ".join(
        f"Model {model}: told {clock_text(foretold[model])}, seen {answer.text}"
        for model, answer in seen.items()
    )
    if any(answer.holds is None for answer in seen.values()) or not _has_come(seed):
        return Answer(None, text, why="not all four models are trained to the end")
    return Answer(
        all(answer.holds == (foretold[model] <= PAPER_EPOCHS) for model, answer in seen.items()),
        text,
    )


def predicted(seed: Seed, setting: str = PAPER) -> dict[int, float]:
    """Return from which epoch on each model should do: when its main stream has the maximum.

    The main streams are 17 for Model 2, which lacks 1→20, and 14 and 11 for Models 3 and 4.
    """
    return {model: seed.reached(layer, setting) for model, layer in ((2, 17), (3, 14), (4, 11))}


def _until(seed: Seed) -> np.ndarray:
    """Return the rows of looks up to the paper's last epoch."""
    return np.flatnonzero(seed.clock <= PAPER_EPOCHS * 1.001)


def _has_come(seed: Seed) -> bool:
    return bool(seed.clock[-1] >= PAPER_EPOCHS * 0.99)
