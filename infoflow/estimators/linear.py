"""Multinomial logistic regression, fitted as probes are, and kept as a linear read-out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from infoflow.estimators.logistic import Logistic, Weights, gram_of
from infoflow.estimators.probes import (
    Question,
    Split,
    gains_surely,
    losses_of,
    mean_and_spread,
    moments_of,
    standardised,
)

#: Inverse strengths of the penalty, from strong to weak, for features whose squares add up to 1 on
#: average.
STRENGTHS = tuple(10.0**power for power in range(-2, 5))
#: Where fits end that are only compared.
_ROUGH = 3e-4
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
    streams: Sequence[Tensor], sets: Sequence[Sequence[int]], question: Question
) -> list[Tensor]:
    """Fit multinomial logistic regression, with the penalty that does best on the check rows.

    Parameters and result are those of :func:`infoflow.estimators.hidden.hidden_probes`, for
    vectors.
    """
    spans = _Spans(streams, len(question.split.training))
    found = []
    for members in sets:
        rows, width, _ = spans.of(members)
        best = _best_fit(rows, width, question)
        readout = _readout(best, rows.shape[1], question)
        found.append(readout.log_probabilities(rows[question.split.held_out]))
    return found


def fit_linear(features: Tensor, classes: Tensor, count: int, split: Split) -> LinearReadout:
    """Fit a read-out of features (N, d), with the penalty that does best on the check rows.

    Features are standardised and divided by √d, so that a penalty means the same for all layers.
    The final fit has the check rows too.
    """
    mean, spread = mean_and_spread(moments_of(features, [split.training]), features.dtype)
    scaled = standardised(features, split.order, mean, spread)
    order = split.order.to(classes.device)
    question = Question(classes[order], count, split.sorted(classes.device), 0)
    rows, width, turned = _Spans([scaled], len(split.training)).of([0])
    best = _best_fit(rows, width, question)
    readout = _readout(best, features.shape[1], question)
    if best is None:
        return readout
    weight = readout.weight if turned is None else readout.weight @ turned.T @ _seen(scaled, split)
    weight = weight / spread
    return replace(readout, weight=weight, bias=readout.bias - (weight * mean).sum(dim=1))


def _seen(scaled: Tensor, split: Split) -> Tensor:
    return scaled[: len(split.training)].to(torch.float64)


class _Spans:
    """Streams side by side, in no more coordinates than there are training rows.

    Where rows have more units than that, they are rotated into the span of the training rows: the
    penalised fit is the same there. Each stream is multiplied with itself once for all sets.
    """

    def __init__(self, streams: Sequence[Tensor], training: int) -> None:
        self._streams, self._training = streams, training
        self._products: dict[int, Tensor] = {}

    def of(self, members: Sequence[int]) -> tuple[Tensor, int, Tensor | None]:
        """Return rows, the square of what the penalty divides them by, and the rotation."""
        width = sum(self._streams[stream].shape[1] for stream in members)
        if width <= self._training or self._training > _MOST_ROTATED:
            parts = [self._streams[stream] for stream in members]
            return (parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)), width, None
        products = self._product(members[0])
        for stream in members[1:]:
            products = products + self._product(stream)
        turned = _rotation(products[: self._training])
        return products @ turned, width, turned

    def _product(self, stream: int) -> Tensor:
        """Return the products of all rows with the training rows, in float64."""
        if stream not in self._products:
            rows = self._streams[stream].to(torch.float64)
            self._products[stream] = rows @ rows[: self._training].T
        return self._products[stream]


def _rotation(products: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(products)
    kept = values > 1e-10 * values[-1]
    if not bool(kept.any()):
        return torch.zeros_like(vectors[:, :1])
    turned: Tensor = (vectors / values.sqrt())[:, kept]
    return turned


@dataclass(frozen=True, eq=False)
class _Best:
    """The strength that does best on the check rows, and the fit of all training rows with it."""

    strength: float
    weights: Weights
    seen: Tensor


def _best_fit(rows: Tensor, width: int, question: Question) -> _Best | None:
    """Return the best fit; None where none gains anything surely."""
    split, prior = question.split, question.prior
    fit, training = len(split.fit), len(split.training)
    seen, labels = question.classes[:fit].unique(return_inverse=True)
    if len(seen) < 2:
        return None
    truth = question.classes[split.check]
    null = best = -prior.log()[truth]
    gram = gram_of(rows[:training])
    model = Logistic(rows[:fit], labels, len(seen), gram, width)
    found = chosen = None
    failures = 0
    for strength in STRENGTHS:
        found = model.fit(strength, found, _ROUGH)
        readout = LinearReadout(found.weight, found.bias, seen, prior, strength)
        losses = losses_of(readout.log_probabilities(rows[split.check]), truth)
        if losses.mean() < best.mean():
            best, chosen, failures = losses, (strength, found), 0
        else:
            failures += 1
        if failures == 2:
            break
    if chosen is None or not gains_surely(null, best):
        return None
    strength, start = chosen
    every, labels = question.classes[:training].unique(return_inverse=True)
    final = Logistic(rows[:training], labels, len(every), gram, width)
    weights = final.fit(strength, start if len(every) == len(seen) else None)
    return _Best(strength, weights, every)


def _readout(best: _Best | None, width: int, question: Question) -> LinearReadout:
    if best is None:
        weight = torch.zeros(0, width, dtype=torch.float64, device="cpu")
        seen = torch.arange(0, dtype=torch.int64, device="cpu")
        return LinearReadout(weight, weight[:, 0], seen, question.prior, None)
    weights = best.weights
    return LinearReadout(weights.weight, weights.bias, best.seen, question.prior, best.strength)
