"""Making nets without streams, training them, and measuring them."""

from __future__ import annotations

import copy
import hashlib
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import nn

from infoflow.graph import LayerGraph, trace
from infoflow.graph.running.members import named_parameters
from infoflow.graph.running.pytree import tensors_in
from infoflow.graph.running.random_state import seeded
from infoflow.interface import ArgumentError, PruningWarning
from infoflow.interface.argument_checks import noted
from infoflow.interface.errors import is_out_of_memory
from infoflow.pruning.choice import StreamNames
from infoflow.pruning.rewrite import prune
from infoflow.pruning.rewriting.model import PrunedModel
from infoflow.pruning.rewriting.reset import Reset
from infoflow.pruning.trial.cost import latency_ratio, peak_activation_bytes
from infoflow.pruning.trial.outcome import TrialRow
from infoflow.pruning.trial.result_cache import ResultCache
from infoflow.pruning.trial.trial_sets import Removing

#: Trains a net in place for a number of epochs, from a seed.
Train = Callable[[nn.Module, int, int], object]
#: Returns the metric of a net on held-out data.
Evaluate = Callable[[nn.Module], float]

#: Stage, streams and seed of one metric.
Job = tuple[str, tuple[str, ...], int]


@dataclass(frozen=True)
class TrialRunner:
    """Makes nets without streams, trains them, and measures them.

    Parameters
    ----------
    model, graph
        The whole net, which is left as it is, and its graph with an example.
    evaluate, train, reset, tune_epochs, redesign_epochs, seeds, seed
        As for :func:`infoflow.verify_pruning`.
    """

    model: nn.Module
    graph: LayerGraph
    evaluate: Evaluate
    train: Train | None
    reset: Reset
    tune_epochs: int
    redesign_epochs: int
    seeds: tuple[int, ...]
    seed: int

    def without(self, streams: Iterable[str], reset: Reset = False) -> PrunedModel:
        """Return the net without streams."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PruningWarning)
            return prune(self.model, StreamNames.of(streams, self.graph), reset=reset)

    def try_out(self, removing: Removing, notebook: ResultCache) -> TrialRow:
        """Return what removing a set of streams does, with the numbers that the notebook has."""
        slim = self.without(removing.streams)
        call = self.graph.source.example
        assert call is not None
        after = trace(slim, call)
        metrics: dict[str, list[float]] = {"cut": [], "tuned": [], "redesign": []}
        key = _key(removing.streams)

        def get(name: str, measure: Callable[[], float]) -> float:
            what = name.removeprefix(f"{key} ")
            with noted(f"This happened while {key} was measured ({what}).", notebook.kept):
                return notebook.get(name, measure)

        latency = get(f"{key} latency", lambda: latency_ratio(slim, self.model, call))
        for name, job in self.jobs(removing).items():
            metrics[job[0]].append(get(name, partial(self.metric_of, *job, slim=slim)))
        return TrialRow(
            removing.name,
            removing.kind,
            removing.streams,
            tuple(stream.how for stream in slim.pruning.streams),
            slim.pruning.parameters_after,
            slim.pruning.multiply_adds_after,
            peak_activation_bytes(after),
            latency,
            metrics["cut"][0],
            metrics["tuned"][0] if metrics["tuned"] else math.nan,
            tuple(metrics["redesign"]),
        )

    def jobs(self, removing: Removing) -> dict[str, Job]:
        """Return what :meth:`metric_of` takes for each metric of a set, by its name in a cache."""
        streams, key = removing.streams, _key(removing.streams)
        found: dict[str, Job] = {f"{key} cut": ("cut", streams, self.seed)}
        if self.train is not None and self.tune_epochs > 0:
            found[f"{key} tuned"] = ("tuned", streams, self.seed)
        if self.train is not None and self.redesign_epochs > 0:
            for number in self.seeds:
                found[f"{key} redesign {number}"] = ("redesign", streams, number)
        return found

    def metric_of(
        self,
        stage: str,
        streams: Sequence[str],
        number: int,
        *,
        slim: PrunedModel | None = None,
    ) -> float:
        """Return the metric of the net without streams: at once, tuned, or from scratch.

        ``slim`` is that net where it is there already; it is left as it is.
        """
        if stage == "redesign":
            return self._redesigned(streams, number)
        slim = slim or self.without(streams)
        return self._tuned(slim) if stage == "tuned" else self._cut(slim, is_whole=not streams)

    def _cut(self, slim: PrunedModel, *, is_whole: bool) -> float:
        found = self._metric(copy.deepcopy(slim))
        if is_whole and math.isnan(found):
            raise ArgumentError(
                "evaluate must return a number for the whole net, to compare with, got nan. Check "
                "the model and the data it is judged on."
            )
        return found

    def _tuned(self, slim: PrunedModel) -> float:
        assert self.train is not None
        net = copy.deepcopy(slim)
        with seeded(self.seed):
            with noted("Raised by the caller's train."):
                self.train(net, self.tune_epochs, self.seed)
            return self._metric(net)

    def _redesigned(self, streams: Sequence[str], number: int) -> float:
        assert self.train is not None
        with seeded(number):
            net = self.without(streams, self.reset)
            with noted("Raised by the caller's train."):
                self.train(net, self.redesign_epochs, number)
            return self._metric(net)

    def _metric(self, net: PrunedModel) -> float:
        with noted("Raised by the caller's evaluate."):
            found = self.evaluate(net)
        try:
            return float(found)
        except (TypeError, ValueError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise
            raise ArgumentError(
                f"evaluate must return one number, got {type(found).__name__}. Return a float."
            ) from error

    def setting(self) -> dict[str, object]:
        """Return what the measured numbers depend on."""
        call = self.graph.source.example
        assert call is not None
        digest = hashlib.sha256()
        for name, tensor in self.model.state_dict().items():
            if not isinstance(tensor, torch.Tensor):
                continue
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            flat = tensor.detach().cpu().contiguous().flatten()
            digest.update(flat.view(torch.uint8).numpy().data)
        return {
            "model": self.graph.model,
            "weights": digest.hexdigest()[:16],
            "example": [list(tensor.shape) for tensor in tensors_in((call.args, call.kwargs))],
            "tune_epochs": self.tune_epochs,
            "redesign_epochs": self.redesign_epochs,
            "reset": getattr(self.reset, "__qualname__", bool(self.reset)),
            "seed": self.seed,
        }

    @cached_property
    def _used(self) -> frozenset[str]:
        """Names of the parameters that the path of the example uses."""
        return frozenset(name for name, _ in self.without(()).named_parameters())

    def weights_of(self, streams: Sequence[str]) -> float:
        """Return the root mean square of the weights that go with streams; NaN where none do."""
        slim = self.without(streams)
        kept: Mapping[str, torch.Tensor] = dict(slim.named_parameters())
        squares, count = 0.0, 0
        for name, weight in named_parameters(self.model):
            if weight.ndim < 2 or name not in self._used:
                continue
            left = kept.get(name)
            squares += float(weight.detach().double().square().sum())
            count += weight.numel()
            if left is not None:
                squares -= float(left.detach().double().square().sum())
                count -= left.numel()
        return math.sqrt(max(squares, 0.0) / count) if count else math.nan


def _key(streams: Sequence[str]) -> str:
    return "+".join(streams) or "whole"
