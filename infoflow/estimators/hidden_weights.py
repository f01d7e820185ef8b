"""Where the weights of many probes with a hidden layer lie in one tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

#: Units of the hidden layer.
HIDDEN = 32

#: A question's number, and a set's.
Problem = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Layout:
    """Weights of problems: for each stream those of all its readers, then the outer ones.

    Parameters
    ----------
    problems
        The problems, those of a question side by side.
    sets
        The numbers of the streams of each set.
    widths
        Weights of a hidden unit for each stream.
    count
        Number of classes.
    """

    problems: tuple[Problem, ...]
    sets: Sequence[Sequence[int]]
    widths: Sequence[int]
    count: int

    @cached_property
    def readers(self) -> dict[int, list[int]]:
        """The places of the problems that read each stream."""
        streams = sorted({stream for _, at in self.problems for stream in self.sets[at]})
        return {
            stream: [p for p, (_, at) in enumerate(self.problems) if stream in self.sets[at]]
            for stream in streams
        }

    @cached_property
    def columns(self) -> dict[int, slice]:
        """The hidden units of each question's problems."""
        folds = [fold for fold, _ in self.problems]
        return {
            fold: slice(
                folds.index(fold) * HIDDEN, (folds.index(fold) + folds.count(fold)) * HIDDEN
            )
            for fold in dict.fromkeys(folds)
        }

    @cached_property
    def runs(self) -> dict[Problem, list[tuple[slice, slice]]]:
        """For each question and stream, which of the question's units are which weights' rows.

        Readers side by side make one run, which takes one product.
        """
        found: dict[Problem, list[tuple[slice, slice]]] = {}
        for stream, readers in self.readers.items():
            for row, place in enumerate(readers):
                fold = self.problems[place][0]
                column = place * HIDDEN - self.columns[fold].start
                runs = found.setdefault((fold, stream), [])
                first, start = column, row * HIDDEN
                if runs and runs[-1][0].stop == column:
                    first, start = runs[-1][0].start, runs.pop()[1].start
                runs.append((slice(first, column + HIDDEN), slice(start, (row + 1) * HIDDEN)))
        return found

    @cached_property
    def _shapes(self) -> list[tuple[int, ...]]:
        problems = len(self.problems)
        inner = [(len(readers) * HIDDEN, self.widths[s]) for s, readers in self.readers.items()]
        return [
            *inner,
            (problems, HIDDEN),
            (problems, HIDDEN, self.count),
            (problems, 1, self.count),
        ]

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(math.prod(shape) for shape in self._shapes)

    def views(self, weights: Tensor) -> tuple[dict[int, Tensor], list[Tensor]]:
        """Return the parts of all weights.

        Returns
        -------
        dict of int to Tensor
            For each stream (readers · 32, width).
        list of Tensor
            Biases (problems, 32), outer weights (problems, 32, classes), and outer biases
            (problems, 1, classes).
        """
        parts = weights.split([math.prod(shape) for shape in self._shapes])
        found = [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]
        return dict(zip(self.readers, found, strict=False)), found[len(self.readers) :]

    def rows(self, stream: int, place: int) -> slice:
        """Return which of a stream's rows are the problem's at a place."""
        row = self.readers[stream].index(place) * HIDDEN
        return slice(row, row + HIDDEN)

    def owners(self, device: torch.device) -> Tensor:
        """Return the place of the problem that each weight belongs to."""
        parts = [
            torch.tensor(readers, dtype=torch.int64, device=device).repeat_interleave(
                HIDDEN * self.widths[stream]
            )
            for stream, readers in self.readers.items()
        ]
        places = torch.arange(len(self.problems), dtype=torch.int64, device=device)
        each = (HIDDEN, HIDDEN * self.count, self.count)
        return torch.cat([*parts, *(places.repeat_interleave(size) for size in each)])

    def folds(self, device: torch.device) -> Tensor:
        """Return the question of each problem."""
        return torch.tensor([fold for fold, _ in self.problems], dtype=torch.int64, device=device)

    def only(self, is_kept: Sequence[bool]) -> Layout:
        """Return the layout of some of the problems."""
        kept = [one for one, keep in zip(self.problems, is_kept, strict=True) if keep]
        return Layout(tuple(kept), self.sets, self.widths, self.count)
