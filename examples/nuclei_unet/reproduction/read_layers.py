"""How the claims on layers are read, each a small function of what one seed measured.

Epochs are compared by learning rate × steps: ``seed.clock`` is in the paper's epochs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from reproduction.arrivals import NOT_THERE
from reproduction.curves import Numbers
from reproduction.study import AT_MAXIMUM, Seed
from reproduction.verdicts import Answer, clock_text

MERGES = (11, 14, 17, 20)
#: The transposed convolutions, which no activation follows: binning has an edge at their 0.
UPSAMPLED = (10, 13, 16, 19)
#: Shares of the maximum at which the order of layers is read.
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, AT_MAXIMUM)
#: Of the paper's masks.
_CLUSTERS = 64
#: A rise smaller than this, in bits, is none.
_RISE = 0.01
#: Of fewer looks no share is taken.
_FEWEST_LOOKS = 3
#: A rise or fall of a mean over layers by less, as a share of its most, is none.
_SETBACK = 0.1
_SYMBOLS = {"ixm": "I(X;M)", "iym": "I(Y;M)"}


def maximum(seed: Seed) -> Answer:
    """Read the largest I(Y;M) of any layer at any epoch."""
    top = float(seed.read().max())
    text = f"{top:.2f} bits"
    if seed.entropies:
        low, high = min(seed.entropies), max(seed.entropies)
        text += f" (H(Y) by {len(seed.entropies)} starts of K-means: {low:.2f} to {high:.2f})"
    if not _has_papers_masks(seed):
        return Answer(None, text, top, "other masks than the paper's have other clusters", _bits)
    return Answer(round(top) == 3, text, top, form=_bits)


def below_log_k(seed: Seed) -> Answer:
    """Compare H(Y) of the clusters with the logarithm of their number."""
    clusters = (seed.about or {}).get("clusters", _CLUSTERS)
    most = math.log2(clusters)
    text = f"H(Y) = {seed.ceiling():.2f} of {most:.0f} bits"
    if clusters != _CLUSTERS:
        return Answer(None, text, seed.ceiling(), f"the paper has {_CLUSTERS} clusters", _bits)
    return Answer(seed.ceiling() < 0.9 * most, text, seed.ceiling(), form=_bits)


def first_layers(seed: Seed) -> Answer:
    """Read when layers 0 and 1 reach the maximum for good."""
    when = max(seed.reached(0), seed.reached(1))
    text = since(when)
    first_look = float(seed.clock[1]) if len(seed.clock) > 1 else math.inf
    if 10 < when <= first_look:
        why = f"the first look after the start is at {clock_text(first_look)} of its epochs"
        return Answer(None, text, when, why, clock_text)
    return Answer(when <= 10, text, when, form=clock_text)


def deep_layers_low(seed: Seed) -> Answer:
    """Read whether layers 8 to 14 stay below the maximum up to the paper's last epoch."""
    share = seed.read()[seed.until][:, 8:15] / seed.maximum()
    best = int(share.max(axis=0).argmax()) + 8
    text = f"layer {best} comes to {share.max():.0%} of the maximum"
    is_low = bool(share.max() < AT_MAXIMUM)
    if is_low and not seed.has_come:
        return Answer(None, text, why=NOT_THERE)
    return Answer(is_low, text)


def deep_layers_slow(seed: Seed) -> Answer:
    """Read whether layers 8 to 14 gain between 6,000 and 8,000 of the paper's epochs."""
    rows = [_row_near(seed, clock) for clock in (6000, 8000)]
    if None in rows:
        is_short = seed.clock[-1] < 7200
        return Answer(None, "-", why=NOT_THERE if is_short else "no look is near these epochs")
    # what a setback has taken and training gives back is no gain
    most = np.maximum.accumulate(seed.read()[:, 8:15].mean(axis=1))
    gain = float(most[rows[1]] - most[rows[0]])
    return Answer(gain > 0.02 * seed.ceiling(), f"{gain:+.2f} bits", gain, form=_gain)


def early_rises(seed: Seed, quantity: str) -> Answer:
    """Read at which merges a quantity rises, in most looks at the first 1,000 epochs."""
    early = (seed.clock > 0) & (seed.clock <= 1000)
    values = seed.read(quantity)[early]
    if len(values) < _FEWEST_LOOKS:
        return Answer(None, "-", why="too few looks fall into its first 1,000 epochs")
    full = AT_MAXIMUM * seed.reference.read(quantity).max()
    shares, parts = [], []
    for merge in MERGES:
        before, after = values[:, merge - 1], values[:, merge]
        rises = (after - before)[before < full]
        if len(rises) < _FEWEST_LOOKS:
            return Answer(None, "-", why=f"layer {merge - 1} leaves too few looks room")
        shares.append(float((rises > _RISE).mean()))
        parts.append(f"{merge}: {shares[-1]:.0%} ({np.median(rises):+.2f} bits)")
    return Answer(all(share > 0.5 for share in shares), f"rises at {', '.join(parts)} of looks")


def reaches(seed: Seed, layer: int, earliest: float, latest: float) -> Answer:
    """Read whether a layer reaches the maximum for good between two of the paper's epochs."""
    when = seed.reached(layer)
    if not math.isfinite(when):
        text = f"not by {clock_text(seed.clock[-1])}"
        is_short = seed.clock[-1] < latest
        why = NOT_THERE if is_short else ""
        return Answer(None if is_short else False, text, when, why, clock_text)
    before = float(seed.clock[seed.clock < when].max(initial=0.0))
    text = f"between {clock_text(before)} and {clock_text(when)}" if when else since(when)
    if when < earliest or before > latest:
        return Answer(False, text, when, form=clock_text)
    if before < earliest or when > latest:
        return Answer(None, text, when, "the looks are too far apart", clock_text)
    return Answer(True, text, when, form=clock_text)


def layer_14_at_1000(seed: Seed) -> Answer:
    """Read how far layer 14 is at 1,000 of the paper's epochs."""
    row = _row_near(seed, 1000)
    if row is None:
        why = NOT_THERE if seed.clock[-1] < 900 else "no look is near this epoch"
        return Answer(None, "-", why=why)
    bits = float(seed.read()[row, 14])
    share = bits / seed.maximum()
    return Answer(1 / 2 <= share < 5 / 6, f"{bits:.2f} bits, {share:.0%} of the maximum")


def layer_11(seed: Seed) -> Answer:
    """Read the most that layer 11 has up to the paper's last epoch, as a share of the maximum."""
    top = float(seed.read()[seed.until][:, 11].max())
    share = top / seed.maximum()
    text = f"{top:.2f} bits, {share:.0%} of the maximum"
    if share < 2 / 3 and not seed.has_come:
        return Answer(None, text, why=NOT_THERE)
    return Answer(1 / 3 <= share < 2 / 3, text)


def in_order(seed: Seed, levels: Sequence[Mapping[str, float]], what: str) -> Answer:
    """Read whether things come up in an order, which needs no common clock with the paper.

    ``levels`` tell when each comes to a level, for several, of which the last is the highest.
    Where two have not come there yet, or came at the same look, a level says nothing of the order.
    One has to tell, and none to contradict it.
    """
    text = ", ".join(f"{name}: {clock_text(when)}" for name, when in levels[-1].items())
    pairs = [list(itertools.pairwise(whens.values())) for whens in levels]
    told = [rows for rows in pairs if all(one != other for one, other in rows)]
    if any(one > other for rows in pairs for one, other in rows):
        return Answer(False, text)
    if not told or not seed.has_come:
        return Answer(None, text, why=f"some of the {what} come at the same look, or not yet")
    return Answer(True, f"{text}; so at {len(told)} of {len(levels)} levels")


def layers_in_order(seed: Seed) -> Answer:
    """Read whether the slower of layers 20 and 17, layer 14 and layer 11 come up in this order."""
    levels = []
    for share in SHARES:
        when = {layer: seed.reached(layer, share=share) for layer in MERGES}
        levels.append({"20, 17": max(when[20], when[17]), "14": when[14], "11": when[11]})
    return in_order(seed, levels, "layers")


def same_shape(
    seed: Seed,
    setting: str,
    quantities: Sequence[str] = ("ixm", "iym"),
    aside: Sequence[int] = (),
) -> Answer:
    """Correlate quantities over layers and epochs with those of the paper's setting.

    What the correlation is without the layers ``aside`` is told, and does not count.
    """
    if setting not in seed.settings:
        return Answer(None, "-", why=f"{setting} was not measured")
    found, parts = [], []
    for quantity in quantities:
        one, other = seed.read(quantity), seed.read(quantity, setting)
        if other.std() == 0 or one.std() == 0:
            why = "is the same in every layer and epoch of one of them"
            return Answer(False, f"{_SYMBOLS[quantity]} {why}")
        found.append(_correlation(one, other))
        parts.append(f"{_SYMBOLS[quantity]}: {found[-1]:.2f}")
        if aside:
            rest = _correlation(*(np.delete(each, aside, axis=1) for each in (one, other)))
            parts[-1] += f" ({rest:.2f} without layers {', '.join(map(str, aside))})"
    return Answer(min(found) >= 0.9, ", ".join(parts))


def grows(seed: Seed) -> Answer:
    """Read how far the layers' means rise over training, and fall below what they have been."""
    means = {name: seed.read(name)[seed.until].mean(axis=1) for name in ("ixm", "iym")}
    if len(means["iym"]) <= _FEWEST_LOOKS:
        return Answer(None, "-", why="there are too few looks")
    parts, holds = [], []
    for name, mean in means.items():
        gain, most = float(mean[-1] - mean[0]), float(mean.max())
        loss = float((np.maximum.accumulate(mean) - mean).max())
        parts.append(f"{_SYMBOLS[name]} {gain:+.2f} bits, falls by up to {loss:.2f}")
        holds.append(gain > _SETBACK * most and loss <= _SETBACK * most)
    return Answer(all(holds), "; ".join(parts))


def u_shape(seed: Seed) -> Answer:
    """Read in how many looks I(X;M) is least at the bottom of the U, below both of its ends."""
    trained = [row for row in seed.until if seed.clock[row] > 0]
    if len(trained) < _FEWEST_LOOKS:
        return Answer(None, "-", why="there are too few looks")
    values = seed.read("ixm")[trained]
    lowest = values[:, 8:14].min(axis=1)
    is_low = (lowest <= values.min(axis=1) + _RISE) & (
        lowest < np.minimum(values[:, 0], values[:, 20]) - _RISE
    )
    share = float(is_low.mean())
    return Answer(share > 0.5, _of_looks(share), share, form=_of_looks)


def _has_papers_masks(seed: Seed) -> bool:
    papers = {"size": 128, "clusters": _CLUSTERS, "images": None}
    return all((seed.about or papers).get(name) == value for name, value in papers.items())


def since(when: float) -> str:
    """Say from which epoch on something is."""
    if not when:
        return "from the start"
    return f"from {clock_text(when)}" if math.isfinite(when) else "never"


def _correlation(one: Numbers, other: Numbers) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _bits(value: float) -> str:
    return f"{value:.2f} bits"


def _gain(value: float) -> str:
    return f"{value:+.2f} bits"


def _of_looks(share: float) -> str:
    return f"{share:.0%} of looks"


def _row_near(seed: Seed, clock: float) -> int | None:
    """Return the look within a tenth of one of the paper's epochs; None where there is none."""
    row = int(np.abs(seed.clock - clock).argmin())
    return row if abs(seed.clock[row] - clock) <= 0.1 * clock else None
