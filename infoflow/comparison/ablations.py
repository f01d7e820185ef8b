"""Two ablations: what the whole nets lose, and what streams are worth in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from infoflow.comparison.alike import check_same
from infoflow.comparison.comparison_result import Difference
from infoflow.comparison.difference_intervals import (
    FEWEST_SHARED,
    Floats,
    joint_interval,
    paired_interval,
)
from infoflow.comparison.graph_difference import same_layers
from infoflow.pruning import Ablation, Interval

_NETS = {"plain": "bits lost, as it is", "mended": "bits lost, mended"}


def ablation_rows(first: Ablation, second: Ablation) -> tuple[list[Difference], list[str]]:
    """Return the difference of the whole nets' losses, of streams that both have, and notes."""
    again = "Ablate both with the same loss= and targets."
    check_same("loss", first.dataset.attrs["loss"], second.dataset.attrs["loss"], again)
    check_same("unit", first.unit, second.unit, again)
    whole, notes = _whole(first, second)
    return [*whole, *_streams(first, second)], notes


def _whole(first: Ablation, second: Ablation) -> tuple[list[Difference], list[str]]:
    """Return what the second whole net loses more, on the samples that both were measured on."""
    if first.dataset.attrs["loss"] == "regression":
        return [], ["The losses of whole nets are not compared in a regression."]
    losses, weights = _shared(first, second)
    count = len(weights)
    if count < FEWEST_SHARED:
        note = f"The whole nets share {count} measured samples, too few to pair their losses."
        return [], [note]
    apart, low, high = paired_interval(losses[0], losses[1], weights)
    means = [float(loss @ weights / weights.sum()) for loss in losses]
    row = Difference("loss of the whole net", "", means[0], means[1], apart, low, high, count)
    return [row], [f"The losses of the whole nets are paired over {count:,} shared samples."]


def _shared(first: Ablation, second: Ablation) -> tuple[list[Floats], Floats]:
    """Return the losses of samples with the same inputs and labels, and numbers of labels."""
    known = [_losses(one) for one in (first, second)]
    both = [
        (*known[0][key], known[1][key][0])
        for key in known[0]
        if key in known[1] and known[0][key][1] == known[1][key][1]
    ]
    table = np.array(both, dtype=np.float64).reshape(-1, 3)
    return [table[:, 0], table[:, 2]], table[:, 1]


def _losses(ablation: Ablation) -> dict[str, tuple[float, float]]:
    """Return loss and number of labels by checksum, of samples that occur once."""
    names = ("checksum", "sample_bits", "sample_labels")
    columns = [ablation.dataset[name].values.tolist() for name in names]
    keys = [str(key) for key in columns[0]]
    once = {key for key, count in Counter(keys).items() if count == 1}
    rows = zip(keys, columns[1], columns[2], strict=True)
    return {key: (loss, count) for key, loss, count in rows if key in once and loss == loss}


def _streams(first: Ablation, second: Ablation) -> Iterator[Difference]:
    same = same_layers(first.graph, second.graph)
    after = {row.skip.name: row for row in second.rows}
    for net, quantity in _NETS.items():
        for row in first.rows:
            source, merge = (same.get(name, name) for name in (row.skip.source, row.skip.merge))
            other = after.get(f"{source}->{merge}")
            one = getattr(row, net)
            two = None if other is None else getattr(other, net)
            if other is not None and one is not None and two is not None:
                ends = joint_interval(_numbers(one), _numbers(two))
                apart = two.value - one.value
                yield Difference(quantity, str(other.skip), one.value, two.value, apart, *ends)


def _numbers(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high
