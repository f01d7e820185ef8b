"""``infoflow ablate`` and ``prune-suggest``: measure what a net loses, and advise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import torch

from infoflow.cli.data import check_has_targets, load_loader
from infoflow.cli.figures import save_figures, save_result
from infoflow.cli.models import load_model
from infoflow.cli.option_sets import Advising, Judging, Sources, Tracing
from infoflow.cli.options import read_noise
from infoflow.cli.subject import load_subject
from infoflow.flow import FlowResult
from infoflow.interface import ArgumentError
from infoflow.pruning import Ablation, PruningAdvice, ablate, suggest_pruning
from infoflow.results import load

_MENDS = ("auto", "reader", "cascade", "none")


def check_mend(mend: str) -> None:
    """Refuse another ``--mend`` than those that there are."""
    if mend not in _MENDS:
        raise ArgumentError(f"--mend must be one of {', '.join(_MENDS)}, got {mend!r}.")


def ablate_model(
    model: str,
    sources: Sources,
    judging: Judging,
    *,
    memory_budget: str,
    frontier: bool = True,
    journal: Path | None = None,
) -> Ablation:
    """Load a model and its data, and ablate it."""
    if sources.data is None:
        raise ArgumentError(
            f"Ablating {model} needs held-out samples with targets, got no --data. Pass a "
            "loader factory, an image folder, an .npz, or demo."
        )
    check_mend(judging.mend)
    torch.manual_seed(judging.seed)
    net, shape = load_model(model, sources.weights), sources.input_shape
    calibrate = None if judging.calibrate is None else load_loader(judging.calibrate, shape)
    held_out = load_loader(sources.data, shape)
    if judging.loss != "model":
        check_has_targets(sources.data)
    return ablate(
        net,
        held_out,
        calibrate=calibrate,
        mend=None if judging.mend == "none" else cast(Any, judging.mend),
        sets="frontier" if frontier else None,
        memory_budget=memory_budget,
        path=journal,
        **judging.settings,
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


def advise_on_model(
    model: str, sources: Sources, judging: Judging, tracing: Tracing, advising: Advising
) -> PruningAdvice:
    """Ablate, and measure information where it explains or is read as the paper does."""
    is_paper = advising.reading == "paper"
    needs_result = is_paper or advising.explain or advising.save_plots is not None
    budget = {"device": judging.device, "memory_budget": advising.memory_budget}
    result, probes = None, None
    if needs_result or advising.usable:
        subject = load_subject(
            model, sources, target=advising.target, seed=judging.seed, tracing=tracing
        )
        if needs_result:
            result = subject.measure(noise=read_noise(advising.noise), **budget)
        if advising.usable:
            probes = subject.probe(**budget)
    if result is not None and is_paper and advising.out is not None:
        save_result(result, advising.out, as_json=False)
    if result is not None and advising.save_plots is not None:
        save_figures(result, advising.save_plots)
    if result is not None and is_paper:
        share = judging.tolerance
        return suggest_pruning(result, usable=probes, tolerance=share, reading="paper")
    ablation = ablate_model(model, sources, judging, memory_budget=advising.memory_budget)
    if advising.out is not None:
        save_result(ablation, advising.out, as_json=False)
    return suggest_pruning(ablation, information=result, usable=probes)
