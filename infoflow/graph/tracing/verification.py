"""Prove that a recorded program computes what the model computes."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from infoflow.graph.running.arguments import Arguments, holds_samples
from infoflow.graph.running.comparison import are_close, have_moved, is_close, is_plain
from infoflow.graph.running.pytree import first_tensor, tensors_in
from infoflow.graph.running.ragged import is_ragged
from infoflow.graph.tracing.node_info import unwatched
from infoflow.graph.tracing.program import per_sample
from infoflow.graph.tracing.sample_axes import sample_axis
from infoflow.graph.tracing.trial_run import Axes, Proof, TrialRun
from infoflow.graph.tracing.variations import last_and_new, random_like
from infoflow.interface.errors import is_out_of_memory


def verify(trial: TrialRun) -> Proof | None:
    """Replay the example, new input and another batch size at once; None where that fails.

    The replay is given the last sample of the example and a new one, together, or, where the
    example has two samples, each alone. The outputs must be what the model itself has given: for
    the one as recorded among its batch, for the other alone. So must be every layer's value for the
    new sample.
    """
    call, samples = trial.call, trial.call.samples
    if samples == 0 or holds_samples(call.first) or is_ragged(call.first):
        return None
    rows = _Rows(trial, samples)
    try:
        fresh = random_like(call)
        if not have_moved(fresh.tensors, call.tensors):
            return None
        new, old = fresh.select(slice(0, 1)), call.select(slice(samples - 1, samples))
        wanted = tensors_in(trial.source.watch_all(new, rows.keep_alone))
        recorded = tensors_in(trial.output)
        if samples == 2:
            got_old, got_new = rows.replay(old, 1, old=0), rows.replay(new, 1, new=0)
        else:
            got_old = got_new = rows.replay(last_and_new(call, fresh), 2, old=0, new=1)
    except Exception as error:  # whatever it is, the checks one by one will tell what is wrong
        if is_out_of_memory(error):
            raise
        return None
    other = 1 if samples == 2 else 2
    if not (_have_rows(recorded, samples) and _have_rows([*got_old, *got_new], other)):
        return None
    is_proved = (
        are_close([tensor[:1] for tensor in got_old], [tensor[-1:] for tensor in recorded])
        and are_close([tensor[-1:] for tensor in got_new], wanted)
        and rows.are_the_models
        and rows.have_moved
    )
    checks = ["a sample of the example", "new input", f"a batch of {other}"]
    return Proof("exact", checks, [], rows.axes) if is_proved else None


def _have_rows(outputs: list[Tensor], samples: int) -> bool:
    return all(is_plain(t) and t.ndim > 0 and len(t) == samples for t in outputs)


class _Rows:
    """The layers' values for a new sample: alone in the model, and within a replayed batch."""

    def __init__(self, trial: TrialRun, samples: int) -> None:
        self.axes: Axes = {}
        self.are_the_models = True
        self.have_moved = False
        self._trial = trial
        self._samples = samples
        self._facts = {name: trial.facts[node] for node, name in trial.values.items()}
        self._watchable = trial.source.watchable
        self._alone: dict[str, Tensor] = {}

    def keep_alone(self, name: str, value: Any) -> None:
        """Keep a few numbers of a layer's value for the new sample alone."""
        tensor, probe = first_tensor(value), self._facts[name].probe
        if tensor is not None and probe is not None and tensor.ndim == len(probe.where):
            with unwatched(tensor):
                self._alone[name] = probe.of(tensor).clone()

    def replay(
        self, call: Arguments, samples: int, *, old: int | None = None, new: int | None = None
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
                self.axes[name] = self._axis(name, tensor, samples, old)
            if new is not None and tensor is not None:
                self._compare(name, tensor, samples, new)
        return tensors_in(value)

    def _axis(
        self, name: str, value: Tensor | None, samples: int, old: int
    ) -> tuple[int, str | None]:
        kept = [(self._samples - 1, old)]
        fact = self._facts[name]
        if value is None:
            return sample_axis(fact, None, self._samples, samples, kept)
        with unwatched(value):
            return sample_axis(fact, value, self._samples, samples, kept)

    def _compare(self, name: str, value: Tensor, samples: int, new: int) -> None:
        fact = self._facts[name]
        axis, reason = self.axes[name]
        if reason is not None or fact.probe is None or name not in self._watchable:
            return
        alone = self._alone.get(name)
        if alone is None or alone.shape[axis] * self._samples != fact.shape[axis]:
            self.are_the_models = False
            return
        with unwatched(value):
            got = per_sample(fact.probe.of(value), samples, axis)[new]
            old = per_sample(fact.probe.numbers, self._samples, axis)[0]
            self.are_the_models &= is_close(got, per_sample(alone, 1, axis)[0])
            self.have_moved = self.have_moved or have_moved([got], [old])
