"""``infoflow verify``: a net without some of its streams beside the whole one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from infoflow.capture.batches import Samples
from infoflow.cli.ablating import check_mend
from infoflow.cli.data import load_loader
from infoflow.cli.models import load_model
from infoflow.cli.option_sets import Judging, Sources
from infoflow.cli.pruning import ablation_of
from infoflow.interface import ArgumentError
from infoflow.pruning import NetComparison, compare_nets, prune
from infoflow.pruning.verification.reused_samples import warn_of_reused


@dataclass(frozen=True)
class Verifying:
    """What to put beside the whole net, and how to measure; see ``infoflow verify``."""

    pruned: str | None
    streams: Sequence[str]
    ablation: Path | None
    judging: Judging

    def of(self, model: str, sources: Sources) -> NetComparison:
        """Load both nets and the data, and compare."""
        if sources.data is None:
            raise ArgumentError(
                f"Verifying {model} needs held-out samples with targets, got no --data. Pass "
                "samples that neither trained, mended nor judged the net."
            )
        ways = [self.pruned is not None, bool(self.streams), self.ablation is not None]
        if sum(ways) != 1:
            raise ArgumentError(
                "Pass one of --pruned FILE.pt2, --streams '1->20' (once for each), or --ablation "
                f"FILE.nc, which says what to leave out; got {sum(ways)} of them."
            )
        found = None if self.ablation is None else ablation_of(self.ablation)
        streams = self.streams if found is None else found.cuttable
        torch.manual_seed(self.judging.seed)
        whole = load_model(model, sources.weights)
        loader = load_loader(sources.data, sources.input_shape)
        other = (
            load_model(self.pruned)
            if self.pruned is not None
            else self._without(whole, streams, sources.input_shape)
        )
        if found is not None:
            mending = self.judging.calibrate if self.judging.mend != "none" else None
            calibrate = None if mending is None else load_loader(mending, sources.input_shape)
            warn_of_reused(whole, loader, found, calibrate)
        return compare_nets(whole, other, loader, **self.judging.settings)

    def _without(
        self, whole: nn.Module, streams: Sequence[str], input_shape: str | None
    ) -> nn.Module:
        """Prune, and mend where there are samples to mend with."""
        mend, calibrate = self.judging.mend, self.judging.calibrate
        if calibrate is None:
            raise ArgumentError(
                "Pruning before verifying needs --calibrate DATA, samples such as those of the "
                "training that give an example and mend; --mend none does not mend."
            )
        check_mend(mend)
        loader = load_loader(calibrate, input_shape)
        call = Samples(loader, model=whole).example().call
        mending: dict[str, Any] = {"mend": mend, "calibrate": loader} if mend != "none" else {}
        return prune(whole, streams, call, seed=self.judging.seed, **mending).eval()
