"""Verify a recorded program step by step, and say at which step it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from infoflow.graph.running.arguments import Arguments, holds_samples
from infoflow.graph.running.comparison import are_close, have_moved
from infoflow.graph.running.members import parameters_in
from infoflow.graph.running.pytree import tensors_in
from infoflow.graph.running.random_state import seeded
from infoflow.graph.tracing.trial_run import Proof, TrialRun
from infoflow.graph.tracing.variations import random_like, with_another
from infoflow.interface.errors import is_out_of_memory

#: Noise on the weights, relative to their scale, where the output would not move otherwise.
_PERTURBATION = 0.1


def verify_one_by_one(trial: TrialRun) -> Proof:
    """Replay the example, new input of the same shape, and another batch size, one by one."""
    proof = Proof("this input only")
    difference = _difference(trial, trial.call, trial.output)
    if difference:
        proof.notes.append(f"replayed on the example, the program {difference}")
        return proof
    proof.checks.append("the example")
    if not _check_new_input(trial, proof):
        return proof
    proof.label = "exact"
    _check_batch(trial, proof)
    return proof


def _check_new_input(trial: TrialRun, proof: Proof) -> bool:
    other = random_like(trial.call)
    if not have_moved(other.tensors, trial.call.tensors):
        proof.notes.append("no other input of this kind can be made up, so none was tried")
        return False
    try:
        with seeded():
            wanted = other.of(trial.model)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        proof.notes.append(f"the model does not run on random input ({type(error).__name__})")
        return False
    difference = _difference(trial, other, wanted)
    if difference:
        proof.notes.append(f"replayed on new input, the program {difference}")
        return False
    if have_moved(tensors_in(wanted), tensors_in(trial.output)):
        proof.checks.append("new input")
        return True
    with _perturbed(trial.model):
        with seeded():
            moved = other.of(trial.model)
        difference = _difference(trial, other, moved)
        has_moved = have_moved(tensors_in(moved), tensors_in(wanted))
    if difference:
        proof.notes.append(f"replayed on new input with other weights, the program {difference}")
        return False
    proof.checks.append("new input" + (" with other weights" if has_moved else ""))
    if not has_moved:
        proof.notes.append("the output is the same for every input that was tried")
    return True


def _check_batch(trial: TrialRun, proof: Proof) -> None:
    """Replay another number of samples; lower the label where that cannot be or differs."""
    samples = trial.call.samples
    if samples == 0:
        proof.label = "fixed shape"
        proof.notes.append("nothing in the input counts samples")
        return
    if holds_samples(trial.call.first):
        proof.label = "fixed batch"
        proof.notes.append("a list of samples is recorded item by item")
        return
    grown, _ = with_another(trial.call, random_like(trial.call))
    try:
        with seeded():
            wanted = grown.of(trial.model)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        proof.label = "fixed shape"
        proof.notes.append(
            f"the model itself takes no batch of {samples + 1} ({type(error).__name__})"
        )
        return
    difference = _difference(trial, grown, wanted)
    if difference:
        proof.label = "fixed batch"
        proof.notes.append(f"replayed with {samples + 1} samples, the program {difference}")
        return
    proof.checks.append(f"a batch of {samples + 1}")


def _difference(trial: TrialRun, call: Arguments, wanted: Any) -> str:
    """Return how a replay differs from what the model gave; empty where it does not."""
    try:
        with seeded():
            *_, (_, got) = trial.source.program.run(call)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return f"stops with {type(error).__name__}: {str(error).splitlines()[0][:120]}"
    if not are_close(tensors_in(got), tensors_in(wanted)):
        return "gives another output than the model"
    return ""


@contextmanager
def _perturbed(model: nn.Module) -> Iterator[None]:
    """Add noise to the weights, so that heads of zeros let something through; take it back."""
    generator = torch.Generator().manual_seed(0)
    kept = [(p, p.detach().clone()) for p in parameters_in(model) if p.is_floating_point()]
    try:
        for parameter, value in kept:
            noise = torch.randn(
                value.shape, generator=generator, dtype=torch.float32, device="cpu"
            ).to(value.device, value.dtype)
            scale = value.std() if value.numel() > 1 and bool(value.std() > 0) else 1.0
            parameter.data.add_(_PERTURBATION * scale * noise)
        yield
    finally:
        for parameter, value in kept:
            parameter.data.copy_(value)
