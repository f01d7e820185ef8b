"""Classifiers with one hidden layer, on several sets of streams and several folds at once.

A stream is multiplied once with the weights of all sets that have it, and all weights are one
tensor, so that each step costs the products and little else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from infoflow.estimators.hidden_weights import HIDDEN, Layout, Problem
from infoflow.estimators.probes import Question, gains_surely, losses_of

_MOST_EPOCHS = 80
_PATIENCE = 4
_LEARNING_RATE = 0.01
#: A smaller fall of the loss, in nats, is no progress.
_LEAST_GAIN = 1e-4
#: Below this loss, in nats, there is nothing left to gain.
_SMALLEST_LOSS = 2e-3
#: Rows that are predicted at a time.
_ROWS = 4096
#: Rows of a step.
_BATCH = 512
#: Copies of the weights: themselves, their derivatives, two of Adam's, their means, and the best.
_COPIES = 6


def hidden_probes(
    streams: Sequence[Tensor], sets: Sequence[Sequence[int]], *questions: Question
) -> list[Tensor]:
    """Fit one hidden layer of 32 rectified units on each set of streams, stopped by check rows.

    Of vectors the layer is dense; of maps it is a 3×3 convolution with zeros around the map, whose
    units are averaged over all positions. Adam, learning rate 0.01; what is judged are means of the
    weights over about an epoch. A fit does not depend on the other sets and questions, but for the
    rows of an epoch: all questions take as many as the one with the fewest.

    Parameters
    ----------
    streams
        Float32 rows (rows, d), or maps (rows, d, h, w) of one size.
    sets
        The numbers of the streams that a probe reads side by side.
    questions
        What is to be predicted, such as for each fold. They are fitted together where the weights
        take no more memory than the streams.

    Returns
    -------
    list of Tensor
        For each question, and in it each set, float64 log probabilities of the held-out rows,
        (held out, classes).
    """
    found = []
    with torch.no_grad():
        for some in _groups(streams, sets, questions):
            found += _Together(streams, sets, *some).run()
    return found


def _groups(
    streams: Sequence[Tensor], sets: Sequence[Sequence[int]], questions: Sequence[Question]
) -> Iterator[Sequence[Question]]:
    kept = sum(stream.numel() for stream in streams)
    channels = sum(streams[stream].shape[1] for members in sets for stream in members)
    taps = 9 if streams[0].ndim == 4 else 1
    step = max(1, kept // max(1, _COPIES * HIDDEN * taps * channels))
    for start in range(0, len(questions), step):
        yield questions[start : start + step]


class _Together:
    """The fits of all sets for all questions; those that are over leave."""

    def __init__(
        self, streams: Sequence[Tensor], sets: Sequence[Sequence[int]], *questions: Question
    ) -> None:
        self.streams, self.sets, self.questions = streams, sets, questions
        self._generators = [torch.Generator().manual_seed(one.seed) for one in questions]
        self._places = math.prod(streams[0].shape[2:])
        taps = 9 if streams[0].ndim == 4 else 1
        widths = [taps * stream.shape[1] for stream in streams]
        problems = [(fold, at) for fold in range(len(questions)) for at in range(len(sets))]
        layout = Layout(tuple(problems), sets, widths, questions[0].count)
        self._lay_out(layout, self._first_weights(layout))
        self.means = self.best = self.weights.clone()
        # with no outer weights, the first guess is the shares of the classes
        self.null = self.losses = self._check_losses()
        self.waited = torch.zeros(len(problems), dtype=torch.int64, device=self.weights.device)
        self.found: dict[Problem, Tensor | None] = {}
        is_known = self.weights.device.type in ("cpu", "cuda")  # where torch has one kernel for it
        self.adam = torch.optim.Adam([self.weights], lr=_LEARNING_RATE, fused=is_known)

    def run(self) -> list[Tensor]:
        problems = self.layout.problems
        for _ in range(_MOST_EPOCHS):
            self._epoch()
            self._leave(self._is_over())
            if not self.layout.problems:
                break
        self._leave([True] * len(self.layout.problems))
        return [self._predicted(problem) for problem in problems]

    def _first_weights(self, layout: Layout) -> Tensor:
        """Return hidden layers at random, the same for all sets of a question."""
        device = self.streams[0].device
        weights = torch.zeros(layout.size, dtype=torch.float32, device=device)
        inner, (_, _, bias) = layout.views(weights)
        for place, (fold, at) in enumerate(layout.problems):
            widths = [layout.widths[stream] for stream in self.sets[at]]
            generator = torch.Generator().manual_seed(self.questions[fold].seed)
            shape = (HIDDEN, sum(widths))
            drawn = torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu")
            drawn *= (2.0 / max(1, sum(widths))) ** 0.5
            for stream, part in zip(self.sets[at], drawn.split(widths, dim=1), strict=True):
                inner[stream][layout.rows(stream, place)] = part.to(device)
            bias[place] = self.questions[fold].prior.log()
        return weights

    def _lay_out(self, layout: Layout, weights: Tensor) -> None:
        """Take these weights, and name their parts and those of their derivatives."""
        self.layout, self.weights = layout, weights
        self.owners, self.folds = layout.owners(weights.device), layout.folds(weights.device)
        self.weights.grad = torch.zeros_like(weights)
        self.inner, self.outer = layout.views(weights)
        self.inner_slopes, self.outer_slopes = layout.views(self.weights.grad)

    def _epoch(self) -> None:
        fits = [question.split.fit for question in self.questions]
        fewest = min(len(fit) for fit in fits)
        steps = -(-fewest // min(_BATCH, max(16, fewest // 20)))
        size = fewest // steps
        orders = [
            fit[torch.randperm(len(fit), generator=generator, device="cpu").to(fit.device)]
            for fit, generator in zip(fits, self._generators, strict=True)
        ]
        for step in range(steps):
            self._slopes(*(order[step * size : (step + 1) * size] for order in orders))
            self.adam.step()
            # a running mean over about an epoch
            self.means.lerp_(self.weights, 1 / steps)

    def _slopes(self, *batches: Tensor) -> None:
        """Set the derivative of each fit's mean loss on its question's batch by its weights."""
        inputs: dict[int, dict[int, Tensor]] = {fold: {} for fold in self.layout.columns}
        for fold, stream in self.layout.runs:
            inputs[fold][stream] = self._read(fold, stream, batches[fold])
        size = len(batches[0])
        rows = size * self._places
        hidden = self.weights.new_empty(rows, self.outer[0].numel())
        for fold, place in self.layout.columns.items():
            bias = self.outer[0].flatten()[place]
            _units(self.layout, fold, inputs[fold], self.inner, bias, hidden[:, place])
        units = _by_set(hidden, self._places)
        _, weights, outer_bias = self.outer
        # with the rows last, a softmax of few classes is fast
        logits = torch.baddbmm(outer_bias.mT, weights.mT, units.mT)
        slopes = logits.softmax(dim=1).div_(size)
        classes = torch.stack([self.questions[0].classes[rows] for rows in batches])
        chosen = classes[self.folds][:, None]
        slopes.scatter_add_(1, chosen, slopes.new_full((1, 1, 1), -1 / size).expand_as(chosen))
        slopes = slopes.mT
        back = (slopes @ weights.mT).transpose(0, 1).flatten(1)
        if self._places > 1:
            back = (back / self._places).repeat_interleave(self._places, dim=0)
        back = back.mul_(hidden.sign())
        grads = [back.sum(dim=0).view(-1, HIDDEN), units.mT @ slopes, slopes.sum(1, keepdim=True)]
        for kept, grad in zip(self.outer_slopes, grads, strict=True):
            kept.copy_(grad)
        for (fold, stream), runs in self.layout.runs.items():
            slope = back[:, self.layout.columns[fold]]
            for columns, part in runs:
                out = self.inner_slopes[stream][part]
                torch.mm(slope[:, columns].T, inputs[fold][stream], out=out)

    def _read(self, fold: int, stream: int, rows: Tensor) -> Tensor:
        """Return a stream's vectors; of maps, the 3×3 around each position, with zeros beyond."""
        scaling = self.questions[fold].scaling(self.streams, stream)
        values = scaling.of(self.streams[stream], rows)
        return values if values.ndim == 2 else F.unfold(values, 3, padding=1).mT.flatten(0, 1)

    def _check_losses(self) -> Tensor:
        """Return (problems, rows) losses of the mean weights.

        Each question's check rows are as many as those of the one with the fewest.
        """
        inner, outer = self.layout.views(self.means)
        fewest = min(len(question.split.check) for question in self.questions)
        found = []
        for fold in self.layout.columns:
            rows = self.questions[fold].split.check[:fewest]
            logs = self._logs(self.layout, fold, rows, inner, outer)
            classes = self.questions[fold].classes[rows]
            found += [losses_of(one, classes) for one in logs]
        return torch.stack(found)

    def _logs(
        self,
        layout: Layout,
        fold: int,
        rows: Tensor,
        inner: Mapping[int, Tensor],
        outer: Sequence[Tensor],
    ) -> Tensor:
        """Return (problems, rows, classes) float64 log probabilities of a question's problems."""
        columns = layout.columns[fold]
        mine = slice(columns.start // HIDDEN, columns.stop // HIDDEN)
        bias, weights, outer_bias = (part[mine] for part in outer)
        found = []
        for some in rows.split(_ROWS):
            inputs = {s: self._read(fold, s, some) for number, s in layout.runs if number == fold}
            hidden = _units(layout, fold, inputs, inner, bias)
            units = _by_set(hidden, self._places)
            found.append(torch.baddbmm(outer_bias, units, weights))
        return torch.cat(found, dim=1).to(torch.float64).log_softmax(dim=2)

    def _is_over(self) -> list[bool]:
        """Note the check losses of an epoch; tell for which problems they were the last."""
        losses = self._check_losses()
        is_better = losses.mean(dim=1) < self.losses.mean(dim=1) - _LEAST_GAIN
        self.losses = torch.where(is_better[:, None], losses, self.losses)
        self.best = torch.where(is_better[self.owners], self.means, self.best)
        self.waited = torch.where(is_better, 0, self.waited + 1)
        is_over = (self.waited == _PATIENCE) | (self.losses.mean(dim=1) < _SMALLEST_LOSS)
        over: list[bool] = is_over.tolist()
        return over

    def _leave(self, is_over: Sequence[bool]) -> None:
        """Take problems out of the weights and of what Adam remembers, and keep their best."""
        for place, problem in enumerate(self.layout.problems):
            if is_over[place]:
                is_sure = gains_surely(self.null[place], self.losses[place])
                self.found[problem] = self.best[self.owners == place] if is_sure else None
        if not any(is_over):
            return
        stays = [not over for over in is_over]
        kept = torch.tensor(stays, dtype=torch.bool, device=self.owners.device)
        weights = kept[self.owners].nonzero().squeeze(1)
        self.null, self.losses, self.waited = (
            part[kept] for part in (self.null, self.losses, self.waited)
        )
        self.means, self.best = self.means[weights], self.best[weights]
        state = self.adam.state.pop(self.weights, {})
        self._lay_out(self.layout.only(stays), self.weights[weights])
        self.adam.state[self.weights] = {
            name: value[weights] if value.ndim else value for name, value in state.items()
        }
        self.adam.param_groups[0]["params"] = [self.weights]

    def _predicted(self, problem: Problem) -> Tensor:
        """Return log probabilities of the held-out rows: a problem's own, or the prior's."""
        question, weights = self.questions[problem[0]], self.found[problem]
        held_out = question.split.held_out
        if weights is None:
            return question.prior.log().expand(len(held_out), -1)
        layout = Layout((problem,), self.sets, self.layout.widths, question.count)
        return self._logs(layout, problem[0], held_out, *layout.views(weights))[0]


def _units(
    layout: Layout,
    fold: int,
    inputs: Mapping[int, Tensor],
    inner: Mapping[int, Tensor],
    bias: Tensor,
    out: Tensor | None = None,
) -> Tensor:
    """Return the (rows · places, problems · 32) hidden units of a question's problems."""
    rows = len(next(iter(inputs.values())))
    hidden = bias.new_empty(rows, bias.numel()) if out is None else out
    hidden.copy_(bias.flatten().expand_as(hidden))
    for stream, values in inputs.items():
        for columns, part in layout.runs[fold, stream]:
            hidden[:, columns].addmm_(values, inner[stream][part].T)
    return hidden.relu_()


def _by_set(hidden: Tensor, places: int) -> Tensor:
    """Return (sets, rows, 32) hidden units; those of maps are averaged over all places."""
    if places > 1:
        hidden = hidden.unflatten(0, (-1, places)).mean(dim=1)
    found: Tensor = hidden.unflatten(1, (-1, HIDDEN))
    return found.transpose(0, 1)
