"""What mends the nets of an ablation, and with which samples."""

from __future__ import annotations

from dataclasses import dataclass

from infoflow.capture.batches import Samples
from infoflow.pruning.ablation.bench import Bench
from infoflow.pruning.ablation.nets import Repair


@dataclass(frozen=True, eq=False)
class Refit:
    """What mends, and with which samples.

    Parameters
    ----------
    repair
        Refits a net in place.
    count
        Number of samples.
    fingerprint
        A digest of them.
    """

    repair: Repair
    count: int
    fingerprint: str


def refit_of(bench: Bench, mending: Samples | None, seed: int) -> Refit:
    """Return what mends: with the samples of ``calibrate=``, or with held-out ones."""
    raise NotImplementedError
