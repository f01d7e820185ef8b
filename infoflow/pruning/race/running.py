"""Training the nets of a race rung by rung, and dropping those that fall behind."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import nn

from infoflow.graph.running.random_state import seeded
from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import noted, shown
from infoflow.pruning.race.contestants import Entrant, Workshop
from infoflow.pruning.race.curves import Floats, area
from infoflow.pruning.race.race_verdicts import Evaluate, checked_bits
from infoflow.pruning.race.store import NetStore
from infoflow.pruning.race.workers import train_and_judge
from infoflow.pruning.trial.executors import packed, spread
from infoflow.pruning.trial.result_cache import ResultCache

#: Trains a net in place for a number of epochs, from a seed.
Train = Callable[[nn.Module, int, int], object]


@dataclass
class Course:
    """A race under way.

    Parameters
    ----------
    workshop, train, evaluate
        How nets are built, trained and judged.
    entrants, seeds
        Who takes part.
    epochs
        Length of the training at each rung, from 0 on.
    keep
        Share of the variants that goes on after each rung but the last.
    cache, store
        Numbers and half-trained nets that are known already.
    nets
        The untrained net of each entrant and seed.
    step
        Called before each piece of work, with what it is.
    executor
        Where nets are trained; None trains them here.

    Attributes
    ----------
    bits
        (entrants, seeds, rungs) held-out loss; NaN where a net was dropped.
    dropped
        For each entrant the epochs after which it was dropped, NaN where it was not.
    trained
        Epochs that were trained in all, in this race or before it was stopped.
    """

    workshop: Workshop
    train: Train
    evaluate: Evaluate
    entrants: tuple[Entrant, ...]
    seeds: tuple[int, ...]
    epochs: tuple[int, ...]
    keep: float
    cache: ResultCache
    store: NetStore
    nets: dict[tuple[str, int], nn.Module]
    step: Callable[[str], object] = lambda _: None
    executor: Executor | None = None
    bits: NDArray[np.float64] = field(init=False)
    dropped: Floats = field(init=False)
    trained: int = field(init=False, default=0)
    _trained: dict[tuple[str, int], int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.entrants), len(self.seeds), len(self.epochs))
        self.bits = np.full(shape, np.nan)
        self.dropped = np.full(len(self.entrants), np.nan)

    def run(self) -> None:
        """Run all rungs."""
        for rung in range(len(self.epochs)):
            if self.executor is not None:
                self._train_elsewhere(self.executor, rung)
            for place in self.racing():
                for number, seed in enumerate(self.seeds):
                    entrant = self.entrants[place]
                    self.bits[place, number, rung] = self._measured(entrant, seed, rung)
            if 0 < rung < len(self.epochs) - 1:
                self._drop_laggards(rung)
        for entrant in self.entrants:
            self._let_go(entrant)

    def racing(self) -> list[int]:
        """Return the places of the entrants that have not been dropped."""
        return [place for place, after in enumerate(self.dropped) if math.isnan(after)]

    def _drop_laggards(self, rung: int) -> None:
        """Drop the variants with the largest area so far, all but a share of those that race."""
        variants = [place for place in self.racing() if not self.entrants[place].is_whole]
        stay = max(1, math.ceil(self.keep * len(variants)))
        curves = self.bits[:, :, : rung + 1].mean(axis=1)
        epochs = np.asarray(self.epochs[: rung + 1], dtype=float)
        ranked = sorted(variants, key=lambda place: area(epochs, curves[place]))
        for place in ranked[stay:]:
            self.dropped[place] = self.epochs[rung]
            self._let_go(self.entrants[place])

    def _let_go(self, entrant: Entrant) -> None:
        for seed in self.seeds:
            self.nets.pop((entrant.name, seed), None)
            self.store.drop(entrant.name, seed)

    def _measured(self, entrant: Entrant, seed: int, rung: int) -> float:
        """Return a net's bits at a rung, trained where they are not known."""
        before = self.epochs[rung - 1] if rung else 0
        self.trained += self.epochs[rung] - before
        self.step(f"{entrant.name}, seed {seed}, epoch {self.epochs[rung]}")
        key = self._key(entrant, seed, rung)
        with noted(f"This happened in the race of {key}.", self.cache.kept):
            return self.cache.get(key, lambda: self._train_to(entrant, seed, rung))

    def _train_to(self, entrant: Entrant, seed: int, rung: int) -> float:
        net, trained = self._net(entrant, seed, self.epochs[rung])
        for more, number in self._lessons(seed, rung, trained):
            with seeded(number), noted("Raised by the caller's train."):
                self.train(net, more, number)
        trained = max(trained, self.epochs[rung])
        self.store.save(net, entrant.name, seed, trained)
        with noted("Raised by evaluate."):
            found = checked_bits(self.evaluate(net), is_whole=entrant.is_whole)
        self._trained[entrant.name, seed] = trained
        return found

    def _key(self, entrant: Entrant, seed: int, rung: int) -> str:
        return f"{'+'.join(entrant.streams) or 'whole'} | seed {seed} | epoch {self.epochs[rung]}"

    def _lessons(self, seed: int, rung: int, trained: int) -> list[tuple[int, int]]:
        """Return how many epochs to train up to a rung, from what seeds."""
        found = []
        for number, until in enumerate(self.epochs[: rung + 1]):
            if until > trained:
                found.append((until - trained, rung_seed(seed, number)))
                trained = until
        return found

    def _train_elsewhere(self, executor: Executor, rung: int) -> None:
        """Let an executor train and judge the nets of a rung whose bits are not known."""
        sent = packed("train", train=self.train, evaluate=self.evaluate)
        nets: dict[str, tuple[Entrant, int]] = {}
        jobs: dict[str, tuple[object, ...]] = {}
        for place in self.racing():
            for seed in self.seeds:
                entrant = self.entrants[place]
                key = self._key(entrant, seed, rung)
                if key not in self.cache:
                    net, trained = self._net(entrant, seed, self.epochs[rung])
                    lessons = self._lessons(seed, rung, trained)
                    nets[key] = (entrant, seed)
                    jobs[key] = (sent, packed("train", net=net), lessons, entrant.is_whole)

        def keep(key: str, found: tuple[float, bytes]) -> None:
            entrant, seed = nets[key]
            net = self.nets[entrant.name, seed]
            net.load_state_dict(pickle.loads(found[1]))
            self.store.save(net, entrant.name, seed, self.epochs[rung])
            self._trained[entrant.name, seed] = self.epochs[rung]
            self.cache.put(key, found[0])

        spread(executor, train_and_judge, jobs, keep, self.cache.kept)

    def _net(self, entrant: Entrant, seed: int, most: int) -> tuple[nn.Module, int]:
        """Return a net and how long it has been trained, at most so many epochs."""
        key = (entrant.name, seed)
        if key not in self._trained:
            self._trained[key] = self.store.load(self.nets[key], entrant.name, seed)
        if self._trained[key] > most:
            self.nets[key], self._trained[key] = self.workshop.net(entrant, seed), 0
        return self.nets[key], self._trained[key]


def rung_seed(seed: int, rung: int) -> int:
    """Return the seed of a rung's training: another one each time, so that orders differ.

    Examples
    --------
    >>> rung_seed(3, 1), rung_seed(3, 2)
    (1003, 2003)
    """
    return seed + 1000 * rung


def check_rungs(rungs: Sequence[int]) -> tuple[int, ...]:
    """Return the epochs of all rungs, with 0; an ArgumentError where they do not ascend."""
    if not isinstance(rungs, Sequence) or isinstance(rungs, (str, bytes)):
        raise ArgumentTypeError(
            f"rungs must be ascending numbers of epochs, got {shown(rungs)}. Use (2, 4, 8), say."
        )
    whole = [int(value) for value in rungs if isinstance(value, int) and value > 0]
    if len(whole) != len(rungs) or len(whole) < 2 or sorted(set(whole)) != whole:
        raise ArgumentError(
            f"rungs must be two or more ascending numbers of epochs, the last a full training, got "
            f"{tuple(rungs)}. Use (2, 4, 8), say."
        )
    return (0, *whole)
