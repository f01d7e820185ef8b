"""What the SZT nets and the neurons say of the paper's claims."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd
from common.verdicts import Answer

from compression.study import Study, rank_correlation

Read = Callable[[Study], dict[str, list[Answer]]]
#: A curve counts as flat within this share of H(X).
FLAT = 0.05
#: Looks that a curve must have before its shape is judged.
ENOUGH = 8
CEILING = math.log(4096)


def _missing(why: str) -> Answer:
    return Answer(None, "-", why=why)


def per_seed(variant: str, answer: Callable[[Study, int], Answer]) -> Read:
    """Ask every seed of a variant."""

    def read(study: Study) -> dict[str, list[Answer]]:
        seeds = study.seeds(f"szt-{variant}.metrics")
        return {variant: [answer(study, seed) for seed in seeds] or [_missing("not trained")]}

    return read


def together(*reads: Read) -> Read:
    """Ask several variants."""
    return lambda study: {name: found for read in reads for name, found in read(study).items()}


def falls(variant: str, layer: int, before: int | None = None, after: int | None = None) -> Read:
    """Tell whether I(X;T) at ``before`` (its peak) is above that at ``after`` (the end).

    Outside of the bounds' gap: the lower bound of the one is above the value of the other.
    """

    def answer(study: Study, seed: int) -> Answer:
        curve, end = study.curve(variant, seed, layer), after or study.last(variant)
        if not len(curve) or end not in curve.index or (before and before not in curve.index):
            return _missing("not measured there")
        start = before or int(curve["ixm_lower"].idxmax())
        gap = float(curve.at[start, "ixm_lower"] - curve.at[end, "ixm"])
        high, low = (float(curve.at[epoch, "ixm"]) for epoch in (start, end))
        return Answer(gap > 0, f"{high:.2f} → {low:.2f}", high - low)

    return per_seed(variant, answer)


def rises(variant: str, layer: int, before: int, after: int) -> Read:
    """Tell whether I(X;T) rises between two epochs, outside of the bounds' gap."""

    def answer(study: Study, seed: int) -> Answer:
        curve = study.curve(variant, seed, layer)
        if before not in curve.index or after not in curve.index:
            return _missing("not measured there")
        gap = float(curve.at[after, "ixm_lower"] - curve.at[before, "ixm"])
        low, high = (float(curve.at[epoch, "ixm"]) for epoch in (before, after))
        return Answer(gap > 0, f"{low:.2f} → {high:.2f}", high - low)

    return per_seed(variant, answer)


def stays(variant: str, layers: tuple[int, ...]) -> Read:
    """Tell whether I(X;T) ends within 5 % of H(X) of its peak, in all of the layers."""

    def answer(study: Study, seed: int) -> Answer:
        drops = []
        for layer in layers:
            curve = study.curve(variant, seed, layer)
            if study.last(variant) not in curve.index:
                return _missing("not measured at the end")
            drops.append(float(curve["ixm"].max() - curve["ixm"].iloc[-1]))
        return Answer(max(drops) <= FLAT * CEILING, f"falls by {max(drops):.2f}", max(drops))

    return per_seed(variant, answer)


def bins_follow(variant: str, layers: tuple[int, ...], least: float) -> Read:
    """Tell whether H(Bin(T)) and I(X;T) are ranked alike over the looks, in all layers."""

    def answer(study: Study, seed: int) -> Answer:
        bins, found = study.table(f"szt-{variant}.bins"), []
        for layer in layers:
            curve = study.curve(variant, seed, layer)
            if len(curve) < ENOUGH:
                return _missing(f"fewer than {ENOUGH} looks")
            rows = bins[(bins["seed"] == seed) & (bins["layer"] == layer)].set_index("epoch")
            shared = curve.index.intersection(rows.index)
            found.append(rank_correlation(curve.loc[shared, "ixm"], rows.loc[shared, "entropy"]))
        return Answer(min(found) >= least, f"{min(found):.2f}", min(found))

    return per_seed(variant, answer)


def accuracy(variant: str, wanted: float, slack: float) -> Read:
    """Tell whether the test accuracy at the end is the paper's, within some points."""

    def answer(study: Study, seed: int) -> Answer:
        found = 100 * float(_metrics(study, variant, seed)["test_accuracy"].iloc[-1])
        return Answer(abs(found - wanted) <= slack, f"{found:.1f} %", found, form="{:.1f} %".format)

    return per_seed(variant, answer)


def test_loss_rises(variant: str, *, wanted: bool) -> Read:
    """Tell whether the test loss ends more than 5 % above its least."""

    def answer(study: Study, seed: int) -> Answer:
        losses = _metrics(study, variant, seed)["test_loss"]
        factor, at = float(losses.iloc[-1] / losses.min()), int(losses.idxmin())
        text = f"×{factor:.2f} since epoch {at:,}"
        return Answer((factor > 1.05) == wanted, text, factor, form="×{:.2f}".format)

    return per_seed(variant, answer)


def near_pairs_agree(variant: str, least: float) -> Read:
    """Tell whether near pairs of layer 5 are of one class, at the end."""

    def answer(study: Study, seed: int) -> Answer:
        rows = _distances(study, variant, seed, 5)
        share, before = (100 * float(rows["near_same_class"].iloc[at]) for at in (-1, 0))
        text = f"{share:.1f} %"
        why = f"untrained {before:.0f} %" if before == before else ""
        return Answer(share >= least, text, share, why, "{:.1f} %".format)

    return per_seed(variant, answer)


def tight(variant: str, *, wanted: bool) -> Read:
    """Tell whether classes are tight: distances within are under a fifth of those between."""

    def answer(study: Study, seed: int) -> Answer:
        row = _distances(study, variant, seed, 5).iloc[-1]
        ratio = float(row["within_median"] / row["between_median"])
        return Answer((ratio < 0.2) == wanted, f"{ratio:.2f}", ratio)

    return per_seed(variant, answer)


def small_bins_keep_all(study: Study) -> dict[str, list[Answer]]:
    """Tell whether the smallest bins of the deterministic net stay at ln 4096 throughout."""
    rows, found = study.table("szt-deterministic.bins"), []
    for seed in study.seeds("szt-deterministic.bins"):
        mine = rows[rows["seed"] == seed]
        least = float(mine[mine["bin_size"] == mine["bin_size"].min()]["entropy"].min())
        found.append(Answer(least >= 0.99 * CEILING, f"≥ {least:.3f} nats", least))
    return {"deterministic": found or [_missing("not measured")]}


def neuron_dips(study: Study) -> dict[str, list[Answer]]:
    """Tell whether I(X;T(k)) at β = 0.01 falls twice, near epochs 10³ and 10⁴."""
    rows = study.table("neuron")
    curve = rows[rows["beta"] == 0.01].set_index("epoch")["integrated"]
    if not len(curve) or curve.index.max() < 10_000:
        return {"neuron": [_missing("too short")]}
    parts = (
        curve[curve.index < 1000].max(),
        curve[curve.index.to_series().between(2000, 4000)].mean(),
    )
    first, second = float(parts[0] - parts[1]), float(parts[1] - curve.iloc[-1])
    holds = first > 0.1 and second > 0.1
    return {"neuron": [Answer(holds, f"falls by {first:.2f} and {second:.2f}", first)]}


def sampled_as_integrated(table: str) -> Read:
    """Tell whether sample propagation is within three standard errors of the integral."""

    def read(study: Study) -> dict[str, list[Answer]]:
        rows = study.table(table)
        if not len(rows):
            return {table: [_missing("not measured")]}
        apart = (rows["sampled"] - rows["integrated"]).abs()
        allowed = 3 * rows["standard_error"] + 1e-3
        outside, worst = int((apart > allowed).sum()), float(apart.max())
        text = f"{outside} of {len(rows)} outside, at most {worst:.3f} nats apart"
        return {table: [Answer(outside <= 0.01 * len(rows), text, worst)]}

    return read


def _metrics(study: Study, variant: str, seed: int) -> pd.DataFrame:
    rows = study.table(f"szt-{variant}.metrics")
    return rows[rows["seed"] == seed].set_index("epoch").sort_index()


def _distances(study: Study, variant: str, seed: int, layer: int) -> pd.DataFrame:
    rows = study.table(f"szt-{variant}.distances")
    mine = rows[(rows["seed"] == seed) & (rows["layer"] == layer)]
    return mine.set_index("epoch").sort_index()
