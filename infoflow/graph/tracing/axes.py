"""Which dimension of each layer's value counts the samples."""

from __future__ import annotations

from typing import Any

from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.pytree import first_tensor
from infoflow.graph.running.random_state import seeded
from infoflow.graph.tracing.sample_axes import Kept, sample_axis
from infoflow.graph.tracing.trial_run import Axes, TrialRun
from infoflow.graph.tracing.variations import random_like, with_another, with_other_last
from infoflow.interface.errors import is_out_of_memory


def find_axes(trial: TrialRun, *, is_random: bool) -> Axes:
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
        except Exception as error:
            if is_out_of_memory(error):
                raise
            continue
        missing = (0, "it is not computed for every batch")
        return {name: axes.get(name, missing) for name in trial.values.values()}
    return dict.fromkeys(trial.values.values(), (0, "the model runs on the example only"))


def _axes_of(trial: TrialRun, call: Arguments, samples: int, kept: Kept) -> Axes:
    axes: Axes = {}
    facts = {name: trial.facts[node] for node, name in trial.values.items()}

    def receive(name: str, value: Any) -> None:
        tensor = first_tensor(value)
        axes[name] = sample_axis(facts[name], tensor, trial.call.samples, samples, kept)

    with seeded():
        trial.source.visit_all(call, receive)
    return axes
