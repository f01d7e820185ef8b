"""What an ablation is of: the net, the samples, the loss and the metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from infoflow.capture.batches import Batch
from infoflow.graph import LayerGraph
from infoflow.graph.running.checks import output_of
from infoflow.graph.running.members import tensors_of
from infoflow.graph.running.same_net import digest
from infoflow.graph.running.stopwatch import Stopwatch
from infoflow.interface import PruningError
from infoflow.interface.argument_checks import noted
from infoflow.pruning.ablation.heldout import HeldOut
from infoflow.pruning.ablation.losses import SampleBits, SampleLoss
from infoflow.pruning.ablation.metrics import Metric
from infoflow.pruning.variants import Footprint, Variant, WholeRun

Floats = NDArray[np.float64]
#: Shows that a number of batches has been computed.
Advance = Callable[[float], object]


@dataclass(frozen=True, eq=False)
class Scores:
    """What a net gives on samples, in the order of their numbers.

    Parameters
    ----------
    bits, labels
        (n,) bits per label of each sample, and how many labels it has.
    metric
        (n,) the metric of each sample, NaN where it has none; None without a metric of samples.
    """

    bits: Floats
    labels: Floats
    metric: Floats | None = None

    def part(self, rows: NDArray[np.int64], of: NDArray[np.int64]) -> Scores:
        """Return the scores of some of the samples ``of``, both given by ascending numbers."""
        places = np.searchsorted(of, rows)
        metric = None if self.metric is None else self.metric[places]
        return Scores(self.bits[places], self.labels[places], metric)

    @property
    def sample_bits(self) -> SampleBits:
        """The bits as tensors."""
        return SampleBits(torch.from_numpy(self.bits), torch.from_numpy(self.labels))

    @property
    def mean_bits(self) -> float:
        """Bits per label over all samples."""
        return float((self.bits * self.labels).sum() / self.labels.sum())


class _Collected:
    """Scores of one net, batch by batch."""

    def __init__(self) -> None:
        self._bits: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._metric: list[Tensor] = []

    def add(self, bench: Bench, output: Any, batch: Batch) -> None:
        found = bench.loss(output, batch.target, batch.call)
        self._bits.append(found.bits)
        self._labels.append(found.labels)
        if bench.metric is not None and bench.metric.of == "sample":
            self._metric.append(bench.metric.per_sample(output, batch.target, batch.call))

    def scores(self) -> Scores:
        metric = torch.cat(self._metric).numpy() if self._metric else None
        return Scores(torch.cat(self._bits).numpy(), torch.cat(self._labels).numpy(), metric)


@dataclass(frozen=True, eq=False)
class Bench:
    """What an ablation is of.

    Parameters
    ----------
    graph
        The net's graph, with its program.
    footprint
        How its values lie in memory.
    held_out
        The samples.
    loss, metric
        What is measured of each.
    budget
        Bytes that values kept for variants may take.
    """

    graph: LayerGraph
    footprint: Footprint
    held_out: HeldOut
    loss: SampleLoss
    metric: Metric | None
    budget: int

    @property
    def model(self) -> nn.Module:
        """The net."""
        return self.graph.source.model

    def without_choosing(self) -> Bench:
        """Return the same, where all samples judge that do not mend."""
        return replace(self, held_out=self.held_out.without_choosing())

    def score(self, net: nn.Module, rows: NDArray[np.int64], advance: Advance) -> Scores:
        """Run a net, which is in evaluation mode, on samples."""
        collected = _Collected()
        for batch in self.held_out.batches(rows):
            collected.add(self, output_of(net, batch.call), batch)
            advance(batch.size / len(rows))
        return collected.scores()

    def score_variants(
        self, variants: Mapping[str, Variant], rows: NDArray[np.int64], advance: Advance
    ) -> tuple[Scores, dict[str, Scores]]:
        """Run the whole net on samples once, and all variants from its values.

        Returns
        -------
        (Scores, dict of str to Scores)
            Of the whole net, and of each variant.
        """
        run = WholeRun(self.graph.program, self.footprint)
        names = list(variants)
        whole = _Collected()
        collected = [_Collected() for _ in names]
        for batch in self.held_out.batches(rows):
            self._check_way(batch)
            share = batch.size / len(rows) / max(len(names), 1)
            for number, output in run.outputs(batch.call, list(variants.values())):
                one = whole if number is None else collected[number]
                which = "in the whole net" if number is None else f"without {names[number]}"
                with noted(f"This happened {which}."):
                    one.add(self, output, batch)
                advance(0.0 if number is None else share)
        pairs = zip(names, collected, strict=True)
        return whole.scores(), {name: one.scores() for name, one in pairs}

    def _check_way(self, batch: Batch) -> None:
        program = self.graph.program
        if program.compares_sizes and not program.goes_the_same_way(batch.call):
            raise PruningError(
                f"{self.graph.model} compares sizes of its input, and a batch of {batch.size} "
                "samples takes another path than the first two samples did; expected one path. "
                "Pass batches of one shape."
            )

    def groups(self, variants: Mapping[str, Variant], most: int = 32) -> list[dict[str, Variant]]:
        """Divide variants into groups that one run of the whole net serves within the budget."""
        size = max(self._batch_samples, 1)
        run = WholeRun(self.graph.program, self.footprint)
        waiting: list[list[str]] = [
            list(variants)[start : start + most] for start in range(0, len(variants), most)
        ]
        found = []
        while waiting:
            names = waiting.pop(0)
            own = [variants[name] for name in names]
            peak = run.peak_bytes(own) * size / self.footprint.samples
            if peak > self.budget and len(names) > 1:
                waiting[:0] = [names[: len(names) // 2], names[len(names) // 2 :]]
                continue
            found.append({name: variants[name] for name in names})
        return found

    @property
    def _batch_samples(self) -> int:
        batches = self.held_out.samples.batches_per_pass
        count = len(self.held_out.checksums)
        return count if not batches else math.ceil(count / batches)

    def forward_seconds(self) -> float:
        """Return about how long the whole net takes for all samples that choose or judge."""
        rows = self.held_out.measured
        batch = next(iter(self.held_out.batches(rows)))
        watch, seconds = Stopwatch((*batch.call.tensors, *tensors_of(self.model))), []
        for _ in range(3):
            start = watch.now()
            batch.call.of(self.model)
            seconds.append(watch.now() - start)
        return min(seconds) / batch.size * len(rows)

    def setting(self) -> dict[str, object]:
        """Return what the measured numbers depend on."""
        return {
            "model": self.graph.model,
            "weights": digest(self._state()),
            "samples": self.held_out.fingerprint,
            "loss": self.loss.kind,
            "metric": "none" if self.metric is None else self.metric.name,
        }

    def _state(self) -> list[tuple[str, Tensor]]:
        state = self.model.state_dict().items()
        return [(name, value) for name, value in state if isinstance(value, Tensor)]


def key_of(names: Sequence[str]) -> str:
    """Return the name of a set of streams."""
    return " + ".join(sorted(names))
