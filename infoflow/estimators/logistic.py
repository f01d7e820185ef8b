"""Multinomial logistic regressions with a square penalty, fitted side by side on parts of rows.

The objective is that of scikit-learn's ``LogisticRegression``. The fit is preconditioned: units are
taken in coordinates in which the curvature at the start is about 1, which takes L-BFGS a few steps
where it takes hundreds without (``tests/benchmarks/test_probes.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.estimators.descent import minimise

#: Features up to which the curvature is factored.
MOST_FACTORED = 2048
_MOST_STEPS = 200
#: Ends a fit whose weights are used. scikit-learn's usual fits are 20 times as far off.
TOLERANCE = 1e-5
#: Share of the mean curvature that float32 products do not resolve.
_ROUNDING = 1e-5
#: Logits that are worked on at a time: 1 MB stays near the processor.
_TILE = 2**18


@dataclass(frozen=True, eq=False)
class Matrix:
    """Rows that problems share, and how each standardises them.

    Parameters
    ----------
    rows
        (N, d), float32 or float64.
    labels
        (N,) numbers from 0 to ``count`` − 1.
    count
        Number of classes, at least 2.
    factor, shift
        (problems, d) float64; a problem reads ``rows * factor + shift``.
    width
        The square of what the standardised rows are divided by for the penalty.
    """

    rows: Tensor
    labels: Tensor
    count: int
    factor: Tensor
    shift: Tensor
    width: float

    def of(self, problem: int, members: Tensor) -> Tensor:
        """Return some standardised rows of a problem."""
        kind = self.rows.dtype
        factor, shift = self.factor[problem].to(kind), self.shift[problem].to(kind)
        return torch.addcmul(shift, self.rows.index_select(0, members), factor)

    def among(self, problems: Tensor | list[int]) -> Matrix:
        """Return the matrix for some of the problems."""
        factor, shift = self.factor[problems], self.shift[problems]
        return Matrix(self.rows, self.labels, self.count, factor, shift, self.width)

    def grams(self, members: Sequence[Tensor]) -> Tensor | None:
        """Return the mean products of some standardised rows of each problem, (problems, d, d).

        None where there are too many features for it.
        """
        if self.rows.shape[1] > MOST_FACTORED:
            return None
        parts = (self.of(problem, some) for problem, some in enumerate(members))
        return torch.stack([(part.T @ part).to(torch.float64) / len(part) for part in parts])


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
        For each problem, the numbers of its rows, of two classes at least.
    grams
        :meth:`Matrix.grams` of these or alike rows.
    """

    def __init__(self, matrix: Matrix, members: Sequence[Tensor], grams: Tensor | None) -> None:
        self.matrix, self._grams = matrix, grams
        device = matrix.rows.device
        self._sizes = torch.tensor(
            [len(some) for some in members], dtype=torch.float64, device=device
        )
        self._weights = matrix.rows.new_zeros(len(matrix.rows), len(members))
        counts = []
        for problem, some in enumerate(members):
            self._weights[some, problem] = 1.0 / len(some)
            counts.append(torch.bincount(matrix.labels[some], minlength=matrix.count))
        shares = torch.stack(counts).to(torch.float64) / self._sizes[:, None]
        #: (problems, classes) whether the rows of a problem have a class.
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
        factor = self._factor(penalty)
        problems, width = self.matrix.factor.shape
        shape = problems, self._columns, width + 1
        root = self._curvature.sqrt()[:, None]

        def unturned(flat: Tensor) -> tuple[Tensor, Tensor]:
            turned = flat.view(shape)
            return _back(turned[..., 1:], factor), turned[..., 0] / root

        def value(flat: Tensor) -> tuple[Tensor, Tensor]:
            weight, bias = unturned(flat)
            loss, slope, bias_slope = self._loss(weight, bias)
            loss = loss + 0.5 * penalty * weight.square().sum(dim=(1, 2))
            slope = _forth(slope + penalty[:, None, None] * weight, factor)
            return loss, torch.cat([(bias_slope / root)[..., None], slope], dim=2).flatten(1)

        if start is None:
            first = torch.zeros(shape, dtype=torch.float64, device=factor.device)
        else:
            weight, bias = (part[:, -self._columns :] for part in (start.weight, start.bias))
            turned = weight * factor if factor.shape[-1] == 1 else weight @ factor
            first = torch.cat([(bias * root)[..., None], turned], dim=2)
        found = minimise(value, first.flatten(1), tolerance=tolerance, steps=_MOST_STEPS)
        weight, bias = unturned(found)
        if self._columns == 1:
            weight, bias = (torch.cat([0 * part, part], dim=1) for part in (weight, bias))
        return Weights(weight, bias)

    def losses(self, weights: Weights, prior: Tensor) -> Tensor:
        """Return −log p of the label of every row, float64 (problems, N).

        ``prior`` (problems, classes) are the shares that classes keep which a problem has not seen.
        """
        found = prior.new_empty(len(prior), len(self.matrix.rows))
        left = torch.where(self.seen, prior, 0.0).sum(dim=1, keepdim=True).log()
        known = torch.where(self.seen, -left, -prior.log())
        for rows, part in self._tiles():
            labels = self.matrix.labels[rows]
            logs = self._logs(part, weights.weight, weights.bias)
            own = logs.gather(2, labels[:, None, None].expand(-1, len(prior), 1))[..., 0].T
            seen = self.seen[:, labels]
            found[:, rows] = known[:, labels] - torch.where(seen, own.to(torch.float64), 0.0)
        return found

    def _factor(self, penalty: Tensor) -> Tensor:
        """Return L of L Lᵀ, the curvature where all rows have the shares of the classes."""
        if self._grams is None:
            return (self._curvature + penalty).sqrt()[:, None, None]
        curved = self._grams * self._curvature[:, None, None]
        diagonal = curved.diagonal(dim1=1, dim2=2)
        # what is collinear but for rounding has a curvature of 0
        diagonal.add_(torch.maximum(penalty, _ROUNDING * diagonal.mean(dim=1))[:, None])
        factor: Tensor = torch.linalg.cholesky(curved)
        return factor

    def _tiles(self) -> Iterator[tuple[slice, Tensor]]:
        rows = self.matrix.rows
        step = max(1, _TILE // (self._weights.shape[1] * self._columns))
        for start in range(0, len(rows), step):
            here = slice(start, start + step)
            yield here, rows[here]

    def _logits(self, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return (rows, problems, columns) logits, float32."""
        bias = bias + (weight * self.matrix.shift[:, None]).sum(dim=2)
        weight = (weight * self.matrix.factor[:, None]).flatten(0, 1)
        logits = torch.addmm(bias.flatten().to(rows.dtype), rows, weight.to(rows.dtype).T)
        return logits.view(len(rows), *bias.shape)

    def _logs(self, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return (rows, problems, classes) log probabilities among the classes that were seen."""
        logits = self._logits(rows, weight, bias)
        return logits.masked_fill_(~self.seen, -torch.inf).log_softmax(dim=2)

    def _loss(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return each problem's mean loss, and its derivatives by weights and by biases."""
        loss = torch.zeros_like(bias[:, 0])
        slope, bias_slope = torch.zeros_like(weight), torch.zeros_like(bias)
        for here, rows in self._tiles():
            shares, labels = self._weights[here], self.matrix.labels[here]
            if self._columns == 1:
                signs = 1.0 - 2.0 * labels.to(rows.dtype)[:, None]
                logits = self._logits(rows, weight, bias)[..., 0].mul_(signs)
                losses = torch.nn.functional.softplus(logits).mul_(shares)
                residual = logits.sigmoid_().mul_(signs).mul_(shares)
            else:
                logs = self._logs(rows, weight, bias)
                chosen = labels[:, None, None].expand(-1, logs.shape[1], 1)
                own = logs.gather(2, chosen)[..., 0]
                losses = torch.where(shares > 0, -own * shares, 0.0)
                one = shares.new_full((1, 1, 1), -1.0).expand_as(chosen)
                residual = logs.exp_().scatter_add_(2, chosen, one)
                residual = residual.mul_(shares[..., None]).flatten(1)
            loss += losses.sum(dim=0, dtype=torch.float64)
            slope += (residual.T @ rows).view(slope.shape)
            bias_slope += residual.sum(dim=0, dtype=torch.float64).view(bias_slope.shape)
        factor, shift = self.matrix.factor[:, None], self.matrix.shift[:, None]
        return loss, slope * factor + bias_slope[..., None] * shift, bias_slope


def _back(turned: Tensor, factor: Tensor) -> Tensor:
    """Return weights from preconditioned ones."""
    if factor.shape[-1] == 1:
        return turned / factor
    weight: Tensor = torch.linalg.solve_triangular(factor, turned, upper=False, left=False)
    return weight


def _forth(slope: Tensor, factor: Tensor) -> Tensor:
    """Return the derivative by preconditioned weights from that by weights."""
    if factor.shape[-1] == 1:
        return slope / factor
    turned: Tensor = torch.linalg.solve_triangular(factor, slope.mT, upper=False)
    return turned.mT
