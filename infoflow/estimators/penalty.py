"""The penalty of logistic regression that does best on check rows, for many fits at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.estimators.logistic import Logistic, Weights
from infoflow.estimators.matrix import Matrix
from infoflow.estimators.probes import Question, gains_surely

#: Inverse strengths of the penalty, from strong to weak, for features whose squares add up to 1 on
#: average.
STRENGTHS = tuple(10.0**power for power in range(-2, 5))
#: Where fits end that are only compared.
_ROUGH = 3e-4
#: Weaker penalties that do worse, one after the other, before none is tried any more.
_MOST_FAILURES = 2


@dataclass(frozen=True, eq=False)
class Best:
    """The strength that does best on the check rows, and the fit of all training rows with it.

    Parameters
    ----------
    strength
        Inverse strength of the penalty.
    weight, bias
        Float64 (seen, d) and (seen,), for standardised rows.
    seen
        (seen,) numbers of the classes in training.
    """

    strength: float
    weight: Tensor
    bias: Tensor
    seen: Tensor


def best_fits(matrix: Matrix, questions: Sequence[Question]) -> list[Best | None]:
    """Return the best fit of each question, a problem of the matrix; None where none gains surely.

    Each question's penalties are compared by fits without its check rows; the final fit has them.
    """
    found: list[Best | None] = [None] * len(questions)
    able = [at for at, question in enumerate(questions) if _has_two_classes(question)]
    if able:
        search = _Search(matrix.among(able), [questions[at] for at in able])
        for at, best in zip(able, search.run(), strict=True):
            found[at] = best
    return found


def _has_two_classes(question: Question) -> bool:
    return len(question.classes[question.split.fit].unique()) > 1


class _Search:
    """What is known of each problem: its best check losses so far, and the weights there."""

    def __init__(self, matrix: Matrix, questions: Sequence[Question]) -> None:
        self._matrix, self._questions = matrix, questions
        self._fit = [question.split.fit for question in questions]
        self._training = [question.split.training for question in questions]
        self._check = [question.split.check for question in questions]
        self._grams = matrix.grams(self._training)
        prior = torch.stack([question.prior for question in questions])
        self._prior = prior.to(matrix.rows.device)
        #: for each problem, losses of its check rows by the shares of the classes and the best fit
        self._null = [
            -shares.log()[matrix.labels[rows]]
            for shares, rows in zip(self._prior, self._check, strict=True)
        ]
        self._best = list(self._null)
        self._least = torch.stack([losses.mean() for losses in self._null])
        self._strength = [float("nan")] * len(questions)

    def run(self) -> list[Best | None]:
        weights = self._compare()
        pairs = zip(self._null, self._best, strict=True)
        sure = [at for at, (null, best) in enumerate(pairs) if gains_surely(null, best)]
        found: list[Best | None] = [None] * len(self._questions)
        if not sure:
            return found
        model = self._model(sure, self._training)
        strengths = self._prior.new_tensor([self._strength[at] for at in sure])
        final = model.fit(strengths, weights.among(sure))
        for place, at in enumerate(sure):
            seen = model.seen[place].nonzero().squeeze(1)
            weight, bias = final.weight[place, seen], final.bias[place, seen]
            found[at] = Best(self._strength[at], weight, bias, seen)
        return found

    def _model(self, problems: list[int], members: Sequence[Tensor]) -> Logistic:
        grams = None if self._grams is None else self._grams[problems]
        some = [members[problem] for problem in problems]
        return Logistic(self._matrix.among(problems), some, grams)

    def _compare(self) -> Weights:
        """Return the weights that do best on the check rows."""
        count, (problems, width) = self._matrix.count, self._matrix.factor.shape
        shape = problems, count, width
        kept = torch.zeros(shape, dtype=torch.float64, device=self._prior.device)
        best = Weights(kept, kept[..., 0].clone())
        failures = torch.zeros(problems, dtype=torch.int64, device=kept.device)
        live = list(range(problems))
        model, weights = self._model(live, self._fit), None
        for strength in STRENGTHS:
            strengths = torch.full((len(live),), strength, dtype=torch.float64, device=kept.device)
            weights = model.fit(strengths, weights, _ROUGH)
            is_better = self._note(live, model.losses(weights, self._prior[live]), strength)
            better = torch.tensor(live, dtype=torch.int64, device=kept.device)[is_better]
            best.weight[better] = weights.weight[is_better]
            best.bias[better] = weights.bias[is_better]
            failures = torch.where(is_better, 0, failures + 1)
            places = (failures < _MOST_FAILURES).nonzero().squeeze(1)
            if len(places) < len(live):
                live = [live[place] for place in places.tolist()]
                if not live:
                    break
                model = self._model(live, self._fit)
                weights, failures = weights.among(places), failures[places]
        return best

    def _note(self, live: list[int], losses: Tensor, strength: float) -> Tensor:
        """Keep the losses that are better than the best so far; return whose they are."""
        parts = [losses[at, self._check[problem]] for at, problem in enumerate(live)]
        means = torch.stack([part.mean() for part in parts])
        is_better = means < self._least[live]
        self._least[live] = torch.where(is_better, means, self._least[live])
        for problem, part, better in zip(live, parts, is_better.tolist(), strict=True):
            if better:
                self._best[problem], self._strength[problem] = part, strength
        return is_better
