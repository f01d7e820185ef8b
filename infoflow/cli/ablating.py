"""``infoflow ablate`` and ``prune-suggest``: measure what a net loses, and advise."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch

from infoflow.cli.data import load_loader
from infoflow.cli.figures import save_figures, save_result
from infoflow.cli.models import load_model
from infoflow.cli.subject import Subject, load_subject
from infoflow.flow import FlowResult
from infoflow.flow.usable_result import UsableStreams
from infoflow.interface import ArgumentError
from infoflow.pruning import Ablation, PruningAdvice, Tolerance, ablate, suggest_pruning
from infoflow.results import load

_MENDS = ("auto", "reader", "cascade", "none")


def check_mend(mend: str) -> None:
    """Refuse another ``--mend`` than those that there are."""
    if mend not in _MENDS:
        raise ArgumentError(f"--mend must be one of {', '.join(_MENDS)}, got {mend!r}.")


@dataclass(frozen=True)
class Ablating:
    """How to ablate, as it was typed; see the options of ``infoflow ablate``."""

    calibrate: str | None = None
    metric: str | None = None
    loss: str = "auto"
    mend: str = "auto"
    sets: bool = True
    tolerance: Tolerance = field(default_factory=Tolerance)
    journal: Path | None = None
    device: str | None = None
    memory_budget: str = "2GB"
    seed: int = 0

    def of(
        self, model: str, data: str | None, weights: Path | None, input_shape: str | None
    ) -> Ablation:
        """Load a model and its data, and ablate it."""
        if data is None:
            raise ArgumentError(
                f"Ablating {model} needs held-out samples with targets, got no --data. Pass a "
                "loader factory, an image folder, an .npz, or demo."
            )
        check_mend(self.mend)
        torch.manual_seed(self.seed)
        net = load_model(model, weights)
        calibrate = None if self.calibrate is None else load_loader(self.calibrate, input_shape)
        return ablate(
            net,
            load_loader(data, input_shape),
            calibrate=calibrate,
            metric=cast(Any, self.metric),
            loss=cast(Any, self.loss),
            mend=None if self.mend == "none" else cast(Any, self.mend),
            sets="frontier" if self.sets else None,
            tolerance=self.tolerance,
            device=self.device,
            memory_budget=self.memory_budget,
            seed=self.seed,
            path=self.journal,
        )


def print_ablation(ablation: Ablation, *, as_json: bool) -> None:
    """Print the advice that an ablation gives: conclusion, table, frontier."""
    advice = suggest_pruning(ablation)
    if as_json:
        print(json.dumps(advice.to_dict(), indent=2, ensure_ascii=False))
    else:
        print(advice)


def advice_of_file(
    path: str, tolerance: float | None, reading: str
) -> tuple[PruningAdvice, FlowResult | None]:
    """Return advice on a saved ablation or result, and the result, if it is one."""
    found = load(path)
    if isinstance(found, PruningAdvice):
        return found, None
    if not isinstance(found, (Ablation, FlowResult)):
        raise ArgumentError(
            f"{path} holds a {type(found).__name__}, expected what infoflow ablate or infoflow "
            "analyze saved."
        )
    advice = suggest_pruning(found, tolerance=tolerance, reading=cast(Any, reading))
    return advice, found if isinstance(found, FlowResult) else None


@dataclass(frozen=True)
class Advising:
    """What ``prune-suggest`` was asked of a MODEL."""

    ablating: Ablating
    reading: str
    explain: bool
    usable: bool
    out: Path | None
    save_plots: Path | None

    def of(self, subject_of: Any, settings: dict[str, Any], *given: Any) -> PruningAdvice:
        """Ablate, and measure information where it explains or is read as the paper does."""
        is_paper = self.reading == "paper"
        needs_result = is_paper or self.explain or self.save_plots is not None
        subject: Subject | None = subject_of() if needs_result or self.usable else None
        result = subject.measure(**settings) if subject is not None and needs_result else None
        probes: UsableStreams | None = None
        if self.usable and subject is not None:
            budget = {"device": self.ablating.device, "memory_budget": self.ablating.memory_budget}
            probes = subject.probe(**budget)
        if is_paper and result is not None and self.out is not None:
            save_result(result, self.out, as_json=False)
        if result is not None and self.save_plots is not None:
            save_figures(result, self.save_plots)
        if is_paper and result is not None:
            share = self.ablating.tolerance.bits
            return suggest_pruning(result, usable=probes, tolerance=share, reading="paper")
        ablation = self.ablating.of(*given)
        if self.out is not None:
            save_result(ablation, self.out, as_json=False)
        return suggest_pruning(ablation, information=result, usable=probes)


__all__ = ["Ablating", "Advising", "advice_of_file", "load_subject", "print_ablation"]
