"""Prove that a recorded program computes what the model computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from infoflow.graph.tracing.call import Call, holds_samples
from infoflow.graph.tracing.facts import Fact
from infoflow.graph.tracing.modes import seeded
from infoflow.graph.tracing.nesting import first_tensor, tensors_in
from infoflow.graph.tracing.program import per_sample
from infoflow.graph.tracing.rows import Kept, is_close, sample_axis
from infoflow.graph.tracing.source import Source
from infoflow.graph.tracing.variations import (
    is_plain,
    last_and_new,
    random_like,
    with_another,
    with_other_last,
)
from infoflow.interface import Faithfulness

#: Noise on the weights, relative to their scale, where the output would not move otherwise.
_PERTURBATION = 0.1

#: For each layer the dimension that counts its samples, and why it has none, or None.
Axes = dict[str, tuple[int, str | None]]


@dataclass
class Proof:
    """What was tried, and what it says of a program."""

    label: Faithfulness = "not verified"
    checks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    axes: Axes = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Trial:
    """What is to be verified.

    Parameters
    ----------
    call
        The example.
    source
        The model, and the program that was recorded of it.
    output
        What the model returned for the example.
    values
        The node of each layer's value.
    facts
        What is known of them for the example.
    """

    call: Call
    source: Source
    output: Any
    values: Mapping[fx.Node, str]
    facts: Mapping[fx.Node, Fact]

    @property
    def model(self) -> nn.Module:
        """The model itself."""
        return self.source.model


def verify(trial: Trial) -> Proof | None:
    """Replay the example, new input and another batch size at once; None where that fails.

    The replay is given the last sample of the example and a new one, together, or, where the
    example has two samples, each alone. The outputs must be what the model itself has given: for
    the one as recorded among its batch, for the other alone. So must be every layer's value for the
    new sample.
    """
    call, samples = trial.call, trial.call.samples
    if samples == 0 or holds_samples(call.first):
        return None
    rows = _Rows(trial, samples)
    try:
        fresh = random_like(call)
        if not _moved(_tensors_of(fresh), _tensors_of(call)):
            return None
        new, old = fresh.select(slice(0, 1)), call.select(slice(samples - 1, samples))
        wanted = tensors_in(trial.source.watch_all(new, rows.keep_alone))
        recorded = tensors_in(trial.output)
        if samples == 2:
            got_old, got_new = rows.replay(old, 1, old=0), rows.replay(new, 1, new=0)
        else:
            got_old = got_new = rows.replay(last_and_new(call, fresh), 2, old=0, new=1)
    except Exception:  # whatever it is, the checks one by one will tell what is wrong
        return None
    other = 1 if samples == 2 else 2
    if not (_have_rows(recorded, samples) and _have_rows([*got_old, *got_new], other)):
        return None
    is_proved = (
        _close([tensor[:1] for tensor in got_old], [tensor[-1:] for tensor in recorded])
        and _close([tensor[-1:] for tensor in got_new], wanted)
        and rows.are_the_models
        and rows.have_moved
    )
    checks = ["a sample of the example", "new input", f"a batch of {other}"]
    return Proof("exact", checks, [], rows.axes) if is_proved else None


def _have_rows(outputs: list[Tensor], samples: int) -> bool:
    return all(is_plain(t) and t.ndim > 0 and len(t) == samples for t in outputs)


class _Rows:
    """The layers' values for a new sample: alone in the model, and within a replayed batch."""

    def __init__(self, trial: Trial, samples: int) -> None:
        self.axes: Axes = {}
        self.are_the_models = True
        self.have_moved = False
        self._trial = trial
        self._samples = samples
        self._facts = {name: trial.facts[node] for node, name in trial.values.items()}
        self._alone: dict[str, Tensor] = {}

    def keep_alone(self, name: str, value: Any) -> None:
        """Keep a few numbers of a layer's value for the new sample alone."""
        tensor, probe = first_tensor(value), self._facts[name].probe
        if tensor is not None and probe is not None and tensor.ndim == len(probe.where):
            self._alone[name] = tensor[probe.where].clone()

    def replay(
        self, call: Call, samples: int, *, old: int | None = None, new: int | None = None
    ) -> list[Tensor]:
        """Replay a batch of ``samples`` and compare each layer's value; return the outputs.

        ``old`` and ``new`` are the places of the example's last sample and of the new one.
        """
        value = None
        for node, value in self._trial.source.program.run(call):
            name = self._trial.values.get(node)
            if name is None:
                continue
            tensor = first_tensor(value)
            if old is not None:
                kept = [(self._samples - 1, old)]
                self.axes[name] = sample_axis(
                    self._facts[name], tensor, self._samples, samples, kept
                )
            if new is not None and tensor is not None:
                self._compare(name, tensor, samples, new)
        return tensors_in(value)

    def _compare(self, name: str, value: Tensor, samples: int, new: int) -> None:
        fact = self._facts[name]
        axis, reason = self.axes[name]
        if reason is not None or fact.probe is None or name not in self._trial.source.watchable:
            return
        alone = self._alone.get(name)
        if alone is None or alone.shape[axis] * self._samples != fact.shape[axis]:
            self.are_the_models = False
            return
        got = per_sample(value[fact.probe.where], samples, axis)[new]
        old = per_sample(fact.probe.numbers, self._samples, axis)[0]
        self.are_the_models &= is_close(got, per_sample(alone, 1, axis)[0])
        self.have_moved |= _moved([got], [old])


def verify_one_by_one(trial: Trial) -> Proof:
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
    if not _check_batch(trial, proof):
        return proof
    return proof


def _check_new_input(trial: Trial, proof: Proof) -> bool:
    other = random_like(trial.call)
    if not _moved(_tensors_of(other), _tensors_of(trial.call)):
        proof.notes.append("no other input of this kind can be made up, so none was tried")
        return False
    try:
        with seeded():
            wanted = other.of(trial.model)
    except Exception as error:
        proof.notes.append(f"the model does not run on random input ({type(error).__name__})")
        return False
    difference = _difference(trial, other, wanted)
    if difference:
        proof.notes.append(f"replayed on new input, the program {difference}")
        return False
    if _moved(tensors_in(wanted), tensors_in(trial.output)):
        proof.checks.append("new input")
        return True
    with _perturbed(trial.model):
        with seeded():
            moved = other.of(trial.model)
        difference = _difference(trial, other, moved)
        has_moved = _moved(tensors_in(moved), tensors_in(wanted))
    if difference:
        proof.notes.append(f"replayed on new input with other weights, the program {difference}")
        return False
    proof.checks.append("new input" + (" with other weights" if has_moved else ""))
    if not has_moved:
        proof.notes.append("the output is the same for every input that was tried")
    return True


def _check_batch(trial: Trial, proof: Proof) -> bool:
    samples = trial.call.samples
    if samples == 0:
        proof.label = "fixed shape"
        proof.notes.append("nothing in the input counts samples")
        return False
    if holds_samples(trial.call.first):
        proof.label = "fixed batch"
        proof.notes.append("a list of samples is recorded item by item")
        return False
    grown, _ = with_another(trial.call, random_like(trial.call))
    try:
        with seeded():
            wanted = grown.of(trial.model)
    except Exception as error:
        proof.label = "fixed shape"
        proof.notes.append(
            f"the model itself takes no batch of {samples + 1} ({type(error).__name__})"
        )
        return False
    difference = _difference(trial, grown, wanted)
    if difference:
        proof.label = "fixed batch"
        proof.notes.append(f"replayed with {samples + 1} samples, the program {difference}")
        return False
    proof.checks.append(f"a batch of {samples + 1}")
    return True


def find_axes(trial: Trial, *, is_random: bool) -> Axes:
    """Return which dimension of each layer's value counts the samples.

    The model runs on a batch with one more sample, or, where it takes none, with one other sample.
    Where it draws random numbers, which change with the batch, only the shapes are compared.
    """
    samples = trial.call.samples
    fresh = random_like(trial.call)
    same = [(row, row) for row in range(samples - 1)]
    for is_larger in (True, False):
        try:
            if is_larger:
                call, rows = with_another(trial.call, fresh)
            else:
                call, rows = with_other_last(trial.call, fresh), same
            rows = [] if is_random else rows
            axes = _axes_of(trial, call, samples + is_larger, rows)
        except Exception:
            continue
        missing = (0, "it is not computed for every batch")
        return {name: axes.get(name, missing) for name in trial.values.values()}
    return dict.fromkeys(trial.values.values(), (0, "the model runs on the example only"))


def _axes_of(trial: Trial, call: Call, samples: int, kept: Kept) -> Axes:
    axes: Axes = {}
    facts = {name: trial.facts[node] for node, name in trial.values.items()}

    def receive(name: str, value: Any) -> None:
        tensor = first_tensor(value)
        axes[name] = sample_axis(facts[name], tensor, trial.call.samples, samples, kept)

    with seeded():
        trial.source.visit_all(call, receive)
    return axes


def _difference(trial: Trial, call: Call, wanted: Any) -> str:
    """Return how a replay differs from what the model gave; empty where it does not."""
    try:
        with seeded():
            *_, (_, got) = trial.source.program.run(call)
    except Exception as error:
        return f"stops with {type(error).__name__}: {str(error).splitlines()[0][:120]}"
    if not _close(tensors_in(got), tensors_in(wanted)):
        return "gives another output than the model"
    return ""


# --------------------------------------------------------------------------- comparing


@contextmanager
def _perturbed(model: nn.Module) -> Iterator[None]:
    """Add noise to the weights, so that heads of zeros let something through; take it back."""
    generator = torch.Generator().manual_seed(0)
    kept = [(p, p.detach().clone()) for p in model.parameters() if p.is_floating_point()]
    try:
        for parameter, value in kept:
            noise = torch.randn(value.shape, generator=generator).to(value.device, value.dtype)
            scale = value.std() if value.numel() > 1 and bool(value.std() > 0) else 1.0
            parameter.data.add_(_PERTURBATION * scale * noise)
        yield
    finally:
        for parameter, value in kept:
            parameter.data.copy_(value)


def _tensors_of(call: Call) -> list[Tensor]:
    """Return the tensors of a call."""
    return tensors_in((call.args, dict(call.kwargs)))


def _close(got: list[Tensor], wanted: list[Tensor]) -> bool:
    return len(got) == len(wanted) and all(map(is_close, got, wanted))


def _moved(new: list[Any], old: list[Any]) -> bool:
    return not all(
        is_close(one, other) if not is_plain(one) else _same(one, other)
        for one, other in zip(new, old, strict=False)
    )


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())
