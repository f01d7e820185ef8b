"""What a variant costs to compute, in forward passes of the whole net."""

from __future__ import annotations

from torch import fx

from infoflow.graph.running.stopwatch import Stopwatch
from infoflow.pruning.ablation.bench import Bench
from infoflow.pruning.variants import Variant


class VariantCosts:
    """Times each node of the whole net on one batch.

    Parameters
    ----------
    bench
        What the ablation is of.
    """

    def __init__(self, bench: Bench) -> None:
        batch = next(iter(bench.held_out.batches(bench.held_out.ranking)))
        self._seconds: dict[fx.Node, float] = {}
        watch = Stopwatch(batch.call.tensors)
        for _ in range(2):  # the first run warms up
            before = watch.now()
            for node, _value in bench.graph.program.run(batch.call):
                now = watch.now()
                self._seconds[node] = now - before
                before = now
        self._total = sum(self._seconds.values())

    def of(self, variant: Variant) -> float:
        """Return the time of the nodes that a variant computes again, over that of all."""
        nodes = (variant.whole.get(node) for node in variant.changed)
        return sum(self._seconds[node] for node in nodes if node is not None) / self._total
