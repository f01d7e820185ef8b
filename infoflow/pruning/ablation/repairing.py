"""What mends the nets of an ablation, and with which samples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from infoflow.capture.batches import Batch, Samples
from infoflow.pruning.ablation.batch_parts import singles
from infoflow.pruning.ablation.bench import Bench
from infoflow.pruning.ablation.nets import MenderName, Repair
from infoflow.pruning.mending.calibration import Calibration
from infoflow.pruning.mending.mend import Mender
from infoflow.pruning.rewriting.model import PrunedModel


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
    calibration
        These samples.
    """

    repair: Repair
    count: int
    fingerprint: str
    calibration: Calibration


def refit_of(bench: Bench, mending: Samples | None, seed: int) -> Refit:
    """Return what mends: with the samples of ``calibrate=``, or with held-out ones."""
    if mending is None:
        held_out = bench.held_out
        rows = held_out.parts.mend
        digest = hashlib.sha256(held_out.checksums[rows].tobytes()).hexdigest()[:16]
        calibration = Calibration(lambda: held_out.batches(rows), len(rows), digest)
    else:
        calibration = Calibration.of(mending)
        if bench.held_out.one_by_one:
            calibration = replace(calibration, batches=lambda: _singles(mending))
    refit = Mender(bench.graph, bench.footprint, calibration, budget=bench.budget, seed=seed)

    def repair(slim: PrunedModel, mender: MenderName) -> None:
        if mender != "plain":
            slim.pruning = replace(slim.pruning, mending=refit(slim, mender))

    return Refit(repair, calibration.count, calibration.fingerprint, calibration)


def _singles(samples: Samples) -> Iterator[Batch]:
    for batch in samples.batches():
        yield from singles(batch)
