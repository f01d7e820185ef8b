"""Samples that were used before, in a test that shall be of new ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import nn

from infoflow.capture.batches import Samples
from infoflow.interface import PruningWarning, warn
from infoflow.pruning.ablation.ablation_result import Ablation
from infoflow.pruning.ablation.heldout import scan


def warn_of_reused(
    model: nn.Module, data: Iterable[Any], ablation: Ablation, calibrate: Iterable[Any] | None
) -> None:
    """Warn of test samples that mended, chose or judged already, told by their inputs.

    Parameters
    ----------
    model
        The net that reads the samples.
    data
        The samples of the test.
    ablation
        What the smaller net was chosen by.
    calibrate
        The samples that mend, if any.
    """
    tested = scan(Samples(data, model=model)).checksums
    roles, known = ablation.dataset["role"].values, ablation.dataset["checksum"].values
    used = {"chose, judged or mended in the ablation": known[roles != "left out"]}
    if calibrate is not None:
        used["mend"] = scan(Samples(calibrate, model=model)).checksums
    for what, checksums in used.items():
        count = int(np.isin(tested, checksums).sum())
        if count:
            warn(
                f"{count:,} of the {len(tested):,} samples of this test also {what}, so that it "
                "says little about new ones. Pass samples that nothing else has used.",
                PruningWarning,
            )
