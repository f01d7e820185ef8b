"""Multinomial logistic regression with a square penalty, for one penalty after the other.

The objective is that of scikit-learn's ``LogisticRegression``. The fit is preconditioned: units are
taken in coordinates in which the curvature at the start is about 1, which takes L-BFGS a few steps
where it takes hundreds without (``tests/benchmarks/test_probes.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: Features up to which the curvature is factored.
_MOST_FACTORED = 2048
_MOST_STEPS = 200
#: Ends a fit whose weights are used. scikit-learn's usual fits are 20 times as far off.
TOLERANCE = 1e-5
#: Share of the mean curvature that float32 products do not resolve.
_ROUNDING = 1e-5


@dataclass(frozen=True, eq=False)
class Weights:
    """A weight and a bias of each class, float64 (classes, d) and (classes,).

    Of two classes the first has none.
    """

    weight: Tensor
    bias: Tensor


class Logistic:
    """Fits of one set of rows.

    Parameters
    ----------
    rows
        (N, d), each with mean 0.
    labels
        (N,) numbers from 0 to ``count`` − 1, each of which occurs.
    count
        Number of classes, at least 2.
    gram
        ``rows.T @ rows`` of these or alike rows, (d, d), divided by their number; None where d is
        too large for it.
    width
        The square of what the rows are to be divided by for the penalty.
    """

    def __init__(
        self, rows: Tensor, labels: Tensor, count: int, gram: Tensor | None, width: float
    ) -> None:
        self._rows, self._labels, self._count = rows, labels, count
        self._gram, self._width = gram, width
        self._columns = 1 if count == 2 else count
        shares = torch.bincount(labels, minlength=count).to(torch.float64) / len(labels)
        self._curvature = float((shares * (1 - shares)).mean())

    def fit(
        self, strength: float, start: Weights | None = None, tolerance: float = TOLERANCE
    ) -> Weights:
        """Return the weights that minimise ½‖w‖² + strength · Σ −log p(label).

        Parameters
        ----------
        strength
            Inverse strength of the penalty.
        start
            Where to start; None for 0.
        tolerance
            Largest derivative, in preconditioned coordinates, where the fit ends.
        """
        from scipy.optimize import minimize

        penalty = self._width / (strength * len(self._rows))
        factor = self._factor(penalty)
        size = self._columns, self._rows.shape[1]

        def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
            turned = torch.from_numpy(flat).to(self._rows.device).view(size[0], size[1] + 1)
            weight, bias = _back(turned[:, 1:], factor), turned[:, 0] / self._curvature**0.5
            loss, residual = self._loss(weight, bias)
            slope = (residual.T @ self._rows).to(torch.float64) + penalty * weight
            slopes = [residual.sum(dim=0).to(torch.float64)[:, None] / self._curvature**0.5]
            slopes.append(_forth(slope, factor))
            loss += 0.5 * penalty * float((weight * weight).sum())
            return loss, torch.cat(slopes, dim=1).flatten().cpu().numpy()

        found = minimize(
            value,
            self._start(start, factor).flatten().cpu().numpy(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _MOST_STEPS, "gtol": tolerance, "ftol": 1e-12, "maxls": 50},
        )
        turned = torch.from_numpy(found.x).to(self._rows.device).view(size[0], size[1] + 1)
        weight, bias = _back(turned[:, 1:], factor), turned[:, :1] / self._curvature**0.5
        if self._columns == 1:
            weight, bias = (torch.cat([0 * part, part]) for part in (weight, bias))
        return Weights(weight, bias[:, 0])

    def _factor(self, penalty: float) -> Tensor:
        """Return L of L Lᵀ, the curvature where all rows have the shares of the classes."""
        if self._gram is None:
            root = (self._curvature + penalty) ** 0.5
            return torch.tensor([root], dtype=torch.float64, device=self._rows.device)
        curved = self._gram * self._curvature
        # what is collinear but for rounding has a curvature of 0
        curved.diagonal().add_(max(penalty, _ROUNDING * float(curved.diagonal().mean())))
        factor: Tensor = torch.linalg.cholesky(curved)
        return factor

    def _start(self, start: Weights | None, factor: Tensor) -> Tensor:
        if start is None:
            shape = self._columns, self._rows.shape[1] + 1
            return torch.zeros(shape, dtype=torch.float64, device=self._rows.device)
        weight, bias = start.weight[-self._columns :], start.bias[-self._columns :, None]
        turned = weight * factor if factor.ndim == 1 else weight @ factor
        return torch.cat([bias * self._curvature**0.5, turned], dim=1)

    def _loss(self, weight: Tensor, bias: Tensor) -> tuple[float, Tensor]:
        """Return the mean loss, and its derivative by each row's logits."""
        logits = (self._rows @ weight.T.to(self._rows.dtype)).to(torch.float64) + bias
        if self._columns == 1:
            signs = 1.0 - 2.0 * self._labels.to(torch.float64)[:, None]
            loss = torch.nn.functional.softplus(signs * logits).mean()
            residual = signs * torch.sigmoid(signs * logits)
        else:
            logs = logits.log_softmax(dim=1)
            chosen = self._labels[:, None]
            loss = -logs.gather(1, chosen).mean()
            residual = logs.exp()
            residual.scatter_add_(1, chosen, torch.full_like(logits[:, :1], -1.0))
        return float(loss), (residual / len(self._rows)).to(self._rows.dtype)


def _back(turned: Tensor, factor: Tensor) -> Tensor:
    """Return weights from preconditioned ones."""
    if factor.ndim == 1:
        return turned / factor
    weight: Tensor = torch.linalg.solve_triangular(factor, turned, upper=False, left=False)
    return weight


def _forth(slope: Tensor, factor: Tensor) -> Tensor:
    """Return the derivative by preconditioned weights from that by weights."""
    if factor.ndim == 1:
        return slope / factor
    turned: Tensor = torch.linalg.solve_triangular(factor, slope.T, upper=False)
    return turned.T


def gram_of(rows: Tensor) -> Tensor | None:
    """Return what :class:`Logistic` takes as ``gram``, in float64."""
    if rows.shape[1] > _MOST_FACTORED:
        return None
    return (rows.T @ rows).to(torch.float64) / len(rows)
