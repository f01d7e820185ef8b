"""How many bits the whole net's prediction knows: its loss beside that of the best constant one."""

from __future__ import annotations

import torch
from torch import Tensor

from infoflow.pruning.ablation.bench import Bench, Scores
from infoflow.pruning.ablation.bounds import Interval, bits_interval, paired
from infoflow.pruning.ablation.losses import SampleBits


def known_bits(bench: Bench, whole: Scores) -> Interval | None:
    """Return by how many bits per label a net predicts better than a constant, on what judges.

    Parameters
    ----------
    bench
        What the ablation is of.
    whole
        The whole net's scores on the samples that judge.

    Returns
    -------
    Interval or None
        Of the loss of the best constant prediction (class frequencies, or of a regression the mean,
        of these very samples) less the whole net's; of a regression, half the logarithm of the
        ratio of mean squared errors. None where no constant prediction exists: the loss is the
        model's own, or a function.

    Notes
    -----
    The constant is fitted to the samples that judge it, so the known bits are too few by about
    (K − 1) / (2 N ln 2) for N labels of K classes: a net that knows nothing is never said to know.
    """
    constant = _constant_bits(bench)
    if constant is None:
        return None
    return bits_interval(paired(bench.loss, whole.sample_bits, constant))


def _constant_bits(bench: Bench) -> SampleBits | None:
    """Return what each judging sample loses with the best constant prediction, in two passes."""
    rows, loss = bench.held_out.parts.judge, bench.loss
    totals: Tensor | None = None
    for batch in bench.held_out.batches(rows):
        found = loss.constant_totals(batch.target, batch.call)
        if found is None:
            return None
        totals = found if totals is None else totals + found
    assert totals is not None
    several = [
        loss.constant_bits(totals, batch.target, batch.call)
        for batch in bench.held_out.batches(rows)
    ]
    return SampleBits(*(torch.cat(parts) for parts in zip(*several, strict=True)))
