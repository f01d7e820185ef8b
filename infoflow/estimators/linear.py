"""Multinomial logistic regression, fitted as probes are, and kept as a linear read-out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from infoflow.estimators.matrix import MOST_FACTORED, Matrix
from infoflow.estimators.penalty import best_fits
from infoflow.estimators.probes import (
    Question,
    Scaling,
    Split,
    mean_and_spread,
    moments_of,
    standardised,
)

#: Vectors as long as the weights that a fit keeps in float64.
_VECTORS = 30
#: Training rows up to which rows are rotated into their span.
_MOST_ROTATED = 2048

#: Which class a read-out names: the most likely one, or the one that the features speak for most,
#: whose probability has grown by the largest factor over its share in training.
Decision = Literal["likely", "balanced"]


@dataclass(frozen=True, eq=False)
class LinearReadout:
    """Class probabilities as a softmax of a linear map of features; of maps, a 1×1 convolution.

    Parameters
    ----------
    weight, bias
        Shapes (seen, d) and (seen,), float64, for features as the layer gives them.
    seen
        (seen,) numbers of the classes that the fit has seen; the others keep their prior.
    prior
        (classes,) shares of all classes in training, half a sample added to each.
    strength
        Inverse strength of the penalty, for standardised features divided by √d; None where no fit
        gained anything on the check rows, and the read-out is the prior.
    """

    weight: Tensor
    bias: Tensor
    seen: Tensor
    prior: Tensor
    strength: float | None

    def log_probabilities(self, rows: Tensor) -> Tensor:
        """Return log p of every class, shape (N, classes), for features (N, d)."""
        found = self.prior.to(rows.device).expand(len(rows), -1).clone()
        if self.strength is not None:
            seen = self.seen.to(rows.device)
            left = found[:, seen].sum(dim=1, keepdim=True)
            found[:, seen] = left * self._logits(rows).softmax(dim=1)
        return found.clamp(min=1e-300).log()

    def predict(self, rows: Tensor, decision: Decision = "likely") -> Tensor:
        """Return a class for each row, shape (N,), for features (N, d); see :data:`Decision`."""
        found = self.log_probabilities(rows)
        if decision == "balanced":
            found = found - self.prior.to(rows.device).log()
        return found.argmax(dim=1)

    def _logits(self, rows: Tensor) -> Tensor:
        weight, bias = self.weight.to(rows.device), self.bias.to(rows.device)
        return rows.to(torch.float64) @ weight.T + bias


def linear_probes(
    streams: Sequence[Tensor], sets: Sequence[Sequence[int]], *questions: Question
) -> list[Tensor]:
    """Fit multinomial logistic regression, with the penalty that does best on the check rows.

    Parameters and result are those of :func:`infoflow.estimators.hidden.hidden_probes`, for
    vectors.
    """
    found: dict[tuple[int, int], Tensor] = {}
    training = max(len(question.split.training) for question in questions)
    for number, members in enumerate(sets):
        width = sum(streams[stream].shape[1] for stream in members)
        if training < width and training <= _MOST_ROTATED:
            continue
        parts = [streams[stream] for stream in members]
        rows = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        for some in _groups(rows, questions):
            asked = [questions[at] for at in some]
            scalings = [question.joined(streams, members) for question in asked]
            readouts = _readouts(rows, width, scalings, asked)
            for at, scaling, readout in zip(some, scalings, readouts, strict=True):
                held_out = scaling.of(rows, questions[at].split.held_out)
                found[at, number] = readout.log_probabilities(held_out)
    for at, question in enumerate(questions):
        spans = _Spans(streams, question)
        for number, members in enumerate(sets):
            if (at, number) not in found:
                found[at, number] = _in_span(spans, members, question)
    return [found[at, number] for at in range(len(questions)) for number in range(len(sets))]


def _groups(rows: Tensor, questions: Sequence[Question]) -> Iterator[range]:
    """Cut questions into groups whose fits together take no more memory than the rows."""
    width = rows.shape[1]
    curved = 4 * width**2 if width <= MOST_FACTORED else 0
    each = 2 * _VECTORS * questions[0].count * (width + 1) + curved
    step = max(1, rows.numel() // each)
    for start in range(0, len(questions), step):
        yield range(start, min(start + step, len(questions)))


def _in_span(spans: _Spans, members: Sequence[int], question: Question) -> Tensor:
    """Return what a probe says of the held-out rows that is fitted in the span of the others."""
    rows, _ = spans.of(members)
    width = spans.width(members)
    readout = _readouts(rows, width, [Scaling.none(rows)], [question])[0]
    return readout.log_probabilities(rows[question.split.held_out])


def fit_linear(features: Tensor, classes: Tensor, count: int, split: Split) -> LinearReadout:
    """Fit a read-out of features (N, d), with the penalty that does best on the check rows.

    Features are standardised and divided by √d, so that a penalty means the same for all layers.
    The final fit has the check rows too.
    """
    mean, spread = mean_and_spread(moments_of(features, [split.training]), features.dtype)
    scaled = standardised(features, mean, spread)
    question = Question(classes, count, split.to(classes.device), 0)
    training, width = len(split.training), features.shape[1]
    if training < width and training <= _MOST_ROTATED:
        rows, turned = _Spans([scaled], question).of([0])
        scaling = Scaling.none(rows)
        readout = _readouts(rows, width, [scaling], [question])[0]
        seen = scaled.index_select(0, question.split.training).to(torch.float64)
        weight = readout.weight @ turned.T @ seen
    else:
        readout = _readouts(scaled, width, [Scaling.none(scaled)], [question])[0]
        weight = readout.weight
    weight = weight / spread
    return replace(readout, weight=weight, bias=readout.bias - (weight * mean).sum(dim=1))


def _readouts(
    rows: Tensor, width: int, scalings: Sequence[Scaling], questions: Sequence[Question]
) -> list[LinearReadout]:
    """Return the best read-out of each question, for rows that its scaling standardises."""
    factor, shift = (
        torch.cat([part.flatten(1) for part in parts])
        for parts in (
            [scaling.factor for scaling in scalings],
            [scaling.shift for scaling in scalings],
        )
    )
    first = questions[0]
    matrix = Matrix(rows, first.classes, first.count, factor, shift, width)
    return [
        _nothing(rows.shape[1], question)
        if best is None
        else LinearReadout(best.weight, best.bias, best.seen, question.prior, best.strength)
        for best, question in zip(best_fits(matrix, questions), questions, strict=True)
    ]


def _nothing(width: int, question: Question) -> LinearReadout:
    weight = torch.zeros(0, width, dtype=torch.float64, device="cpu")
    seen = torch.arange(0, dtype=torch.int64, device="cpu")
    return LinearReadout(weight, weight[:, 0], seen, question.prior, None)


class _Spans:
    """Streams side by side, in the coordinates of the span of a question's training rows.

    Where rows have more units than that, the penalised fit is the same there. Each stream is
    multiplied with itself once for all sets.
    """

    def __init__(self, streams: Sequence[Tensor], question: Question) -> None:
        self._streams, self._question = streams, question
        self._products: dict[int, Tensor] = {}

    def width(self, members: Sequence[int]) -> int:
        """Return the number of features of some streams."""
        return sum(self._streams[stream].shape[1] for stream in members)

    def of(self, members: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return all rows in the span, float64, and the rotation into it."""
        products = self._product(members[0])
        for stream in members[1:]:
            products = products + self._product(stream)
        turned = _rotation(products[self._question.split.training])
        return products @ turned, turned

    def _product(self, stream: int) -> Tensor:
        """Return the products of all rows with the training rows, in float64."""
        if stream not in self._products:
            rows = self._question.scaling(self._streams, stream).of_all(self._streams[stream])
            rows = rows.to(torch.float64)
            self._products[stream] = rows @ rows[self._question.split.training].T
        return self._products[stream]


def _rotation(products: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(products)
    kept = values > 1e-10 * values[-1]
    if not bool(kept.any()):
        return torch.zeros_like(vectors[:, :1])
    turned: Tensor = (vectors / values.sqrt())[:, kept]
    return turned
