"""95 % intervals of what a stream is worth, from paired samples, and the verdict on it.

What a verdict may rest on was chosen by simulation, ``examples/pruning/bounds_study.py``, before
any net was judged: Student's t is right on average for real nets, but says *prune* too often where
few samples lose nearly all. An end with a worst sample added corrects that as far as the samples
show such losses. What no sample shows, no bound on these samples can know: so *prune* needs 236
samples, or the caller's word for what one sample can lose at most.
"""

from infoflow.pruning.ablation.intervals import (
    FEWEST_SAMPLES,
    FEWEST_TO_PRUNE,
    METHOD,
    Interval,
    bits_interval,
    student_interval,
)
from infoflow.pruning.ablation.pairs import Paired, paired, weighted_mean
from infoflow.pruning.ablation.verdict import (
    Verdict,
    default_tolerance,
    samples_needed,
    verdict,
)

__all__ = [
    "FEWEST_SAMPLES",
    "FEWEST_TO_PRUNE",
    "METHOD",
    "Interval",
    "Paired",
    "Verdict",
    "bits_interval",
    "default_tolerance",
    "paired",
    "samples_needed",
    "student_interval",
    "verdict",
    "weighted_mean",
]
