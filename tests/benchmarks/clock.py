"""Times of ways to do the same work that take turns, as ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

ROUNDS = 3


class Clock:
    """Takes the processor's time, which other work on the machine hardly changes.

    On an accelerator, which has no such clock, it is the time until all work is done.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)

    def seconds(self, function: Callable[[], object]) -> float:
        """Return what one call takes."""
        start = self._now()
        function()
        return self._now() - start

    def rounds(
        self, ways: Mapping[str, Callable[[], object]], *, rounds: int = ROUNDS
    ) -> list[dict[str, float]]:
        """Return what each way takes in each round; the ways take turns."""
        return [{name: self.seconds(way) for name, way in ways.items()} for _ in range(rounds)]

    def ratios(
        self, ways: Mapping[str, Callable[[], object]], over: str, *, rounds: int = ROUNDS
    ) -> dict[str, float]:
        """Return the median over the rounds of each other way's time over that of one.

        Every way has one turn before, unmeasured.
        """
        for way in ways.values():
            way()
        return ratios(self.rounds(ways, rounds=rounds), over)

    def _now(self) -> float:
        if self.device.type == "cpu":
            return time.process_time()
        torch.accelerator.synchronize(self.device)
        return time.perf_counter()


def ratios(rounds: list[dict[str, float]], over: str) -> dict[str, float]:
    """Return the median over rounds of each other time over that of one way."""
    return {
        f"{name} / {over}": statistics.median(one[name] / one[over] for one in rounds)
        for name in rounds[0]
        if name != over
    }


def show(benchmark, figures: Mapping[str, float]) -> None:
    """Keep figures in what ``--benchmark-json`` writes, and print them."""
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info.update(figures)
    print("", *(f"{name}: {figure:.4g}" for name, figure in figures.items()), sep="\n")
