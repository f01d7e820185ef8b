"""Multinomial logistic regressions with a square penalty, fitted side by side on parts of rows.

The objective is that of scikit-learn's ``LogisticRegression``. The fit is preconditioned: units are
taken in coordinates in which the curvature at the start is about 1, which takes L-BFGS a few steps
where it takes hundreds without (``tests/benchmarks/test_probes.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.estimators.descent import Objective, minimise
from infoflow.estimators.matrix import Matrix
from infoflow.estimators.preconditioner import Preconditioner

_MOST_STEPS = 200
#: Ends a fit whose weights are used. scikit-learn's usual fits are 20 times as far off.
TOLERANCE = 1e-5
#: Share of the mean curvature that float32 products do not resolve.
_ROUNDING = 1e-5
#: Share that the curvature at weights of 0 keeps in that at other weights, of which few rows may
#: tell much.
_SHARE_AT_ZERO = 0.01
#: Rows that the curvature is guessed from, for each feature, and as many products with all rows.
_ROWS_PER_FEATURE = 16
_PRODUCTS = 4
#: Logits that are worked on at a time: 1 MB stays near the processor.
_TILE = 2**18


@dataclass(frozen=True, eq=False)
class Weights:
    """For each problem, weights and biases of standardised rows, float64.

    Shapes (problems, classes, d) and (problems, classes). Of two classes the first has none.
    """

    weight: Tensor
    bias: Tensor

    def among(self, problems: Tensor | list[int]) -> Weights:
        """Return the weights of some of the problems."""
        return Weights(self.weight[problems], self.bias[problems])


class Logistic:
    """Fits of the problems of a matrix, each to rows of its own.

    Parameters
    ----------
    matrix
        Rows and labels.
    members
        For each problem, the numbers of its rows, each once, of two classes at least.
    grams
        :meth:`Matrix.grams` of these or alike rows.
    """

    def __init__(self, matrix: Matrix, members: Sequence[Tensor], grams: Tensor | None) -> None:
        self.matrix, self._grams = matrix, grams
        sizes = [len(some) for some in members]
        self._sizes = torch.tensor(sizes, dtype=torch.float64, device=matrix.rows.device)
        #: the rows that are fitted, and what each of them counts in the mean of a problem's losses
        self._fitted, self._parts = matrix, matrix.rows.new_zeros(len(members), len(matrix.rows))
        for problem, some in enumerate(members):
            self._parts[problem, some] = 1.0 / len(some)
        if len(members) == 1:
            self._fitted, self._parts = matrix.at(members[0]), self._parts[:, members[0]]
        counts = [torch.bincount(matrix.labels[some], minlength=matrix.count) for some in members]
        shares = torch.stack(counts).to(torch.float64) / self._sizes[:, None]
        #: (problems, classes) whether the rows of a problem have a class
        self.seen = shares > 0
        classes = self.seen.sum(dim=1)
        self._curvature = (shares * (1 - shares)).sum(dim=1) / classes
        self._columns = 1 if matrix.count == 2 else matrix.count
        # of two classes scikit-learn fits one weight, not two that are opposite halves
        self._doubled = torch.where((classes == 2) & (matrix.count > 2), 2.0, 1.0)

    def fit(
        self, strength: Tensor, start: Weights | None = None, tolerance: float = TOLERANCE
    ) -> Weights:
        """Return the weights that minimise ½‖w‖² + strength · Σ −log p(label), for each problem.

        Parameters
        ----------
        strength
            (problems,) float64 inverse strengths of the penalty.
        start
            Where to start; None for 0.
        tolerance
            Largest derivative, in preconditioned coordinates, where the fit ends.
        """
        penalty = self._doubled * self.matrix.width / (strength * self._sizes)
        problems, width = self.matrix.factor.shape
        weights = None if start is None else self._joined(start)
        precondition = Preconditioner(self._factor(penalty, weights))
        if weights is None:
            weights = penalty.new_zeros(problems, self._columns, width + 1)
        weights = self._descend(weights, precondition, penalty, tolerance)
        if self._columns == 1:
            weights = torch.cat([torch.zeros_like(weights), weights], dim=1)
        return Weights(weights[..., :-1], weights[..., -1])

    def _joined(self, weights: Weights) -> Tensor:
        """Return weights and biases as they are fitted, the bias last."""
        joined = torch.cat([weights.weight, weights.bias[..., None]], dim=2)
        return joined[:, -self._columns :]

    def _descend(
        self, weights: Tensor, precondition: Preconditioner, penalty: Tensor, tolerance: float
    ) -> Tensor:
        """Return the weights that a search in preconditioned coordinates ends at."""

        def among(problems: Tensor) -> Objective:
            some, least = self._among(problems), penalty[problems]
            turn = precondition.among(problems)

            def value(flat: Tensor) -> tuple[Tensor, Tensor]:
                here = turn.weights(flat.view(len(flat), *weights.shape[1:]))
                loss, slope = some._loss(here)
                loss = loss + 0.5 * least * here[..., :-1].square().sum(dim=(1, 2))
                slope[..., :-1] += least[:, None, None] * here[..., :-1]
                return loss, turn.slope(slope).flatten(1)

            return value

        start = precondition.turned(weights).flatten(1)
        found = minimise(among, start, tolerance=tolerance, steps=_MOST_STEPS)
        return precondition.weights(found.view(weights.shape))

    def _among(self, problems: Tensor) -> Logistic:
        """Return what the losses of some of the problems take."""
        some = copy(self)
        some.matrix, some.seen = self.matrix.among(problems), self.seen[problems]
        some._fitted, some._parts = self._fitted.among(problems), self._parts[problems]
        return some

    def losses(self, weights: Weights, prior: Tensor) -> Tensor:
        """Return −log p of the label of every row, float64 (problems, N).

        ``prior`` (problems, classes) are the shares that classes keep which a problem has not seen.
        """
        found = prior.new_empty(len(prior), len(self.matrix.rows))
        left = torch.where(self.seen, prior, 0.0).sum(dim=1, keepdim=True).log()
        known = torch.where(self.seen, -left, -prior.log())
        joined = self._joined(weights)
        for here, rows, labels in self._tiles(self.matrix):
            losses, _ = self._by_row(rows, labels, joined)
            if self._columns > 1:
                losses = losses.masked_fill_(~self.seen[:, labels], 0.0)
                losses = losses + known[:, labels]
            found[:, here] = losses
        return found

    def _factor(self, penalty: Tensor, start: Tensor | None) -> Tensor:
        """Return L of L Lᵀ, about the curvature where a fit starts; the bias comes last."""
        if self._grams is None:
            return (self._curvature + penalty).sqrt()[:, None, None]
        problems, width = self.matrix.factor.shape
        curved = self._grams.new_zeros(problems, width + 1, width + 1)
        curved[:, :-1, :-1] = self._grams * self._curvature[:, None, None]
        curved[:, -1, -1] = self._curvature
        diagonal = curved.diagonal(dim1=1, dim2=2)[:, :-1]
        # what is collinear but for rounding has a curvature of 0
        diagonal += _ROUNDING * diagonal.mean(dim=1, keepdim=True)
        # renewing it must not cost more than the steps that it saves
        if start is not None and width**2 <= _PRODUCTS * len(self._fitted.rows):
            curved.mul_(_SHARE_AT_ZERO).add_(self._curved_at(start), alpha=1 - _SHARE_AT_ZERO)
        diagonal += penalty[:, None]
        factor: Tensor = torch.linalg.cholesky(curved)
        return factor

    def _curved_at(self, weights: Tensor) -> Tensor:
        """Return the mean curvature of the classes at some weights, from some of the rows."""
        count, width = self._fitted.rows.shape
        wanted = max(_ROWS_PER_FEATURE * width, _PRODUCTS * count // max(1, width))
        some = slice(None, None, max(1, count // wanted))
        rows, parts = self._fitted.rows[some], self._parts[:, some]
        logits = self._logits(rows, weights)
        if self._columns == 1:
            chances = logits[:, 0].sigmoid()
            spread = chances * (1 - chances)
        else:
            chances = self._masked(logits).softmax(dim=1)
            spread = (1 - chances.square().sum(dim=1)) / self.seen.sum(dim=1, keepdim=True)
        spread = (spread * parts).to(torch.float64)
        spread = spread / parts.sum(dim=1, keepdim=True).clamp(min=torch.finfo(parts.dtype).tiny)
        return self.matrix.products(rows, spread)

    def _tiles(self, matrix: Matrix) -> Iterator[tuple[slice, Tensor, Tensor]]:
        step = max(1, _TILE // (len(self._parts) * self._columns))
        for start in range(0, len(matrix.rows), step):
            here = slice(start, start + step)
            yield here, matrix.rows[here], matrix.labels[here]

    def _logits(self, rows: Tensor, weights: Tensor) -> Tensor:
        """Return (problems, columns, rows) logits, in the precision of the rows."""
        weight, bias = weights[..., :-1], weights[..., -1:]
        bias = bias + (weight * self.matrix.shift[:, None]).sum(dim=2, keepdim=True)
        weight = (weight * self.matrix.factor[:, None]).flatten(0, 1).to(rows.dtype)
        logits: Tensor = (weight @ rows.T).view(*bias.shape[:2], -1).add_(bias.to(rows.dtype))
        return logits

    def _masked(self, logits: Tensor) -> Tensor:
        return logits.masked_fill_(~self.seen[..., None], -torch.inf)

    def _by_row(self, rows: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return (problems, rows) losses, and their derivatives by the logits.

        A label that a problem has not seen costs infinitely much.
        """
        logits = self._logits(rows, weights)
        if self._columns == 1:
            signs = 1.0 - 2.0 * labels.to(rows.dtype)
            logits = logits[:, 0].mul_(signs)
            return torch.nn.functional.softplus(logits), logits.sigmoid_().mul_(signs)
        logs = self._masked(logits).log_softmax(dim=1)
        chosen = labels.expand(len(logs), 1, -1)
        losses = -logs.gather(1, chosen)[:, 0]
        one = losses.new_full((1, 1, 1), -1.0).expand_as(chosen)
        return losses, logs.exp_().scatter_add_(1, chosen, one)

    def _loss(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return each problem's mean loss, and its derivative by weights and biases."""
        loss, slope = weights.new_zeros(len(weights)), torch.zeros_like(weights)
        for here, rows, labels in self._tiles(self._fitted):
            parts = self._parts[:, here]
            losses, residual = self._by_row(rows, labels, weights)
            if self._columns == 1:
                residual = residual.mul_(parts)
            else:
                losses = losses.masked_fill_(parts == 0, 0.0)
                residual = residual.mul_(parts[:, None]).flatten(0, 1)
            loss += losses.mul_(parts).sum(dim=1)
            slope[..., :-1] += (residual @ rows).view(*slope.shape[:2], -1)
            slope[..., -1] += residual.sum(dim=1).view(slope.shape[:2])
        factor, shift = self.matrix.factor[:, None], self.matrix.shift[:, None]
        slope[..., :-1] = slope[..., :-1] * factor + slope[..., -1:] * shift
        return loss, slope
