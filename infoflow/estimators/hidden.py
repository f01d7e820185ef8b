"""Classifiers with one hidden layer, on several sets of streams at once.

A stream is multiplied once with the weights of all sets that have it, so that each step costs the
products and little else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from infoflow.estimators.probes import Question, gains_surely, losses_of

#: Units of the hidden layer.
HIDDEN = 32
_MOST_EPOCHS = 80
_PATIENCE = 4
_LEARNING_RATE = 0.01
#: A smaller fall of the loss, in nats, is no progress.
_LEAST_GAIN = 1e-4
#: Below this loss, in nats, there is nothing left to gain.
_SMALLEST_LOSS = 2e-3
#: Name of a weight's running mean in the state of Adam.
_MEAN = "mean"
#: Rows that are predicted at a time.
_ROWS = 4096
#: Rows of a step.
_BATCH = 512


def hidden_probes(
    streams: Sequence[Tensor], sets: Sequence[Sequence[int]], question: Question
) -> list[Tensor]:
    """Fit one hidden layer of 32 rectified units on each set of streams, stopped by check rows.

    Of vectors the layer is dense; of maps it is a 3×3 convolution with zeros around the map, whose
    units are averaged over all positions. Adam, learning rate 0.01; what is judged are means of the
    weights over about an epoch. A set's fit does not depend on the other sets.

    Parameters
    ----------
    streams
        Standardised rows in the order of the question, float32 (rows, d), or maps (rows, d, h, w)
        of one size.
    sets
        The numbers of the streams that a probe reads side by side.
    question
        What is to be predicted.

    Returns
    -------
    list of Tensor
        For each set float64 log probabilities of the held-out rows, (held out, classes).
    """
    with torch.no_grad():
        return _Together(streams, sets, question).run()


@dataclass
class _Progress:
    """How far the fit of one set has come: its best check losses, and its weights there."""

    null: Tensor
    best: Tensor
    kept: list[Tensor] | None = None
    waited: int = 0

    def is_over(self, losses: Tensor) -> bool:
        """Note the check losses of an epoch; tell whether they were the last."""
        if losses.mean() < self.best.mean() - _LEAST_GAIN:
            self.best, self.kept, self.waited = losses, None, 0
        else:
            self.waited += 1
        return self.waited == _PATIENCE or bool(self.best.mean() < _SMALLEST_LOSS)


class _Together:
    """The fits of all sets; those that are over leave."""

    def __init__(
        self, streams: Sequence[Tensor], sets: Sequence[Sequence[int]], question: Question
    ) -> None:
        self.streams, self.sets, self.question = streams, sets, question
        self.generator = torch.Generator().manual_seed(question.seed)
        self.live = list(range(len(sets)))
        inner = [self._first_weights(members) for members in sets]
        self.inner = {
            stream: torch.cat([inner[number][stream] for number in self._readers(stream)])
            for stream in range(len(streams))
            if self._readers(stream)
        }
        device, count = streams[0].device, question.count
        # with no outer weights, the first guess is the shares of the classes
        prior = question.prior.log().float().to(device).expand(len(sets), 1, count)
        self.outer = [
            torch.zeros(len(sets), HIDDEN, device=device, dtype=torch.float32),
            torch.zeros(len(sets), HIDDEN, count, device=device, dtype=torch.float32),
            prior.clone(),
        ]
        is_known = device.type in ("cpu", "cuda")  # where torch has one kernel for a step
        self.adam = torch.optim.Adam(self._weights, lr=_LEARNING_RATE, fused=is_known)

    def run(self) -> list[Tensor]:
        check = self.question.split.check
        progress = [_Progress(losses, losses) for losses in self._losses(check)]
        for _ in range(_MOST_EPOCHS):
            self._epoch()
            over = []
            for at, losses in enumerate(self._losses(check)):
                state = progress[self.live[at]]
                over += [at] if state.is_over(losses) else []
                if state.waited == 0:
                    state.kept = self._copy(at)
            self._leave(over)
            if not self.live:
                break
        return [self._predicted(number, state) for number, state in enumerate(progress)]

    @property
    def _weights(self) -> list[Tensor]:
        return [*self.inner.values(), *self.outer]

    def _readers(self, stream: int) -> list[int]:
        """Return the sets, among those that are not over, that a stream is in."""
        return [number for number in self.live if stream in self.sets[number]]

    def _first_weights(self, members: Sequence[int]) -> dict[int, Tensor]:
        """Return random weights of the hidden layer, for each stream of a set."""
        widths = [self.streams[stream].shape[1] for stream in members]
        if self.streams[0].ndim == 4:
            widths = [9 * width for width in widths]
        generator = torch.Generator().manual_seed(self.question.seed)
        shape = (HIDDEN, sum(widths))
        drawn = torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu")
        drawn *= (2.0 / max(1, sum(widths))) ** 0.5
        parts = drawn.to(self.streams[0].device).split(widths, dim=1)
        return dict(zip(members, parts, strict=True))

    def _epoch(self) -> None:
        fit = self.question.split.fit
        order = torch.randperm(len(fit), generator=self.generator, device="cpu").to(fit.device)
        for batch in order.split(min(_BATCH, max(16, len(fit) // 20))):
            self._slopes(batch)
            self.adam.step()
            self._average(rate=batch.numel() / len(fit))

    def _average(self, rate: float) -> None:
        """Keep a running mean of the weights over about an epoch beside what Adam remembers."""
        for weight in self._weights:
            self.adam.state[weight].setdefault(_MEAN, weight.clone()).lerp_(weight, rate)

    def _means(self) -> tuple[dict[int, Tensor], list[Tensor]]:
        """Return the running means of the weights; before any step, the weights."""
        state = self.adam.state
        inner = {stream: state[weight].get(_MEAN, weight) for stream, weight in self.inner.items()}
        return inner, [state[weight].get(_MEAN, weight) for weight in self.outer]

    def _slopes(self, batch: Tensor) -> None:
        """Set the derivative of each set's mean loss by its weights."""
        inputs, hidden, logits = self._forward(batch, self.inner, self.outer)
        _, outer, _ = self.outer
        classes = self.question.classes.index_select(0, batch)
        slopes = logits.softmax(dim=2).div_(len(batch))
        chosen = classes[None, :, None].expand(len(slopes), -1, 1)
        slopes.scatter_add_(
            2, chosen, slopes.new_full((1, 1, 1), -1 / len(batch)).expand(chosen.shape)
        )
        back = (slopes @ outer.mT).transpose(0, 1).flatten(1)
        places = len(hidden) // len(batch)
        if places > 1:
            back = (back / places).repeat_interleave(places, dim=0)
        back = back.mul_(hidden.sign())
        grads = [back.sum(dim=0).view(-1, HIDDEN), _by_set(hidden, places).mT @ slopes]
        for weight, grad in zip(self.outer, [*grads, slopes.sum(dim=1, keepdim=True)], strict=True):
            weight.grad = grad
        blocks = dict(zip(self.live, back.split(HIDDEN, dim=1), strict=True))
        for stream, weight in self.inner.items():
            parts = [blocks[number] for number in self._readers(stream)]
            weight.grad = torch.cat(parts, dim=1).T @ inputs[stream]

    def _forward(
        self, rows: Tensor, inner: dict[int, Tensor], outer: Sequence[Tensor]
    ) -> tuple[dict[int, Tensor], Tensor, Tensor]:
        """Return what is read of each stream, (rows · places, sets · 32) hidden units, logits."""
        inputs = {stream: self._read(stream, rows) for stream in self.inner}
        parts: dict[int, list[Tensor]] = {number: [] for number in self.live}
        for stream, weight in inner.items():
            blocks = (inputs[stream] @ weight.T).split(HIDDEN, dim=1)
            for number, block in zip(self._readers(stream), blocks, strict=True):
                parts[number].append(block)
        bias, weights, outer_bias = outer
        hidden = torch.cat([_total(part) for part in parts.values()], dim=1)
        hidden = hidden.add_(bias.flatten()).relu_()
        units = _by_set(hidden, len(hidden) // max(1, len(rows)))
        return inputs, hidden, torch.baddbmm(outer_bias, units, weights)

    def _read(self, stream: int, rows: Tensor) -> Tensor:
        """Return a stream's vectors; of maps, the 3×3 around each position, with zeros beyond."""
        values = self.streams[stream].index_select(0, rows)
        if values.ndim == 2:
            return values
        return F.unfold(values, 3, padding=1).mT.flatten(0, 1)

    def _losses(self, rows: Tensor) -> Tensor:
        """Return (sets, rows) losses of the mean weights."""
        means = self._means()
        parts = [self._forward(part, *means)[2] for part in rows.split(_ROWS)]
        found = torch.cat(parts, dim=1).to(torch.float64).log_softmax(dim=2)
        classes = self.question.classes.index_select(0, rows)
        return torch.stack([losses_of(logs, classes) for logs in found])

    def _copy(self, at: int) -> list[Tensor]:
        """Return a copy of the mean weights of the set at a place among those not over."""
        number = self.live[at]
        inner, outer = self._means()
        blocks = []
        for stream in self.sets[number]:
            place = self._readers(stream).index(number) * HIDDEN
            blocks.append(inner[stream][place : place + HIDDEN])
        return [weight.clone() for weight in (*blocks, *(weight[at] for weight in outer))]

    def _leave(self, over: Sequence[int]) -> None:
        """Take the sets at these places out of the weights and of what Adam remembers."""
        if not over:
            return
        gone = {self.live[at] for at in over}
        kept = [at for at in range(len(self.live)) if at not in over]
        readers = {stream: self._readers(stream) for stream in self.inner}
        self.live = [self.live[at] for at in kept]
        for stream, numbers in readers.items():
            stay = [at for at, number in enumerate(numbers) if number not in gone]
            if not stay:
                self.adam.state.pop(self.inner.pop(stream), None)
            elif len(stay) < len(numbers):
                rows = [at * HIDDEN + unit for at in stay for unit in range(HIDDEN)]
                self.inner[stream] = self._selected(self.inner[stream], rows)
        self.outer = [self._selected(weight, kept) for weight in self.outer]
        self.adam.param_groups[0]["params"] = self._weights

    def _selected(self, weight: Tensor, rows: list[int]) -> Tensor:
        new = weight[rows]
        state = self.adam.state.pop(weight, {})
        self.adam.state[new] = {
            name: value[rows] if value.ndim else value for name, value in state.items()
        }
        return new

    def _predicted(self, number: int, state: _Progress) -> Tensor:
        """Return log probabilities of the held-out rows: a set's own, or the prior's."""
        question, members = self.question, self.sets[number]
        held_out = question.split.held_out
        if state.kept is None or not gains_surely(state.null, state.best):
            return question.prior.log().expand(len(held_out), -1)
        *inner, bias, outer, outer_bias = state.kept
        found = []
        for rows in held_out.split(_ROWS):
            parts = [
                self._read(stream, rows) @ weight.T
                for stream, weight in zip(members, inner, strict=True)
            ]
            hidden = (_total(parts) + bias).relu_()
            found.append(_by_set(hidden, len(hidden) // len(rows))[0] @ outer + outer_bias)
        return torch.cat(found).to(torch.float64).log_softmax(dim=1)


def _total(parts: Sequence[Tensor]) -> Tensor:
    found = parts[0]
    for part in parts[1:]:
        found = found + part
    return found


def _by_set(hidden: Tensor, places: int) -> Tensor:
    """Return (sets, rows, 32) hidden units; those of maps are averaged over all places."""
    if places > 1:
        hidden = hidden.unflatten(0, (-1, places)).mean(dim=1)
    found: Tensor = hidden.unflatten(1, (-1, HIDDEN))
    return found.transpose(0, 1)
