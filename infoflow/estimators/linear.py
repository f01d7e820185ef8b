"""Multinomial logistic regression, fitted as probes are, and kept as a linear read-out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from infoflow.estimators.probes import Split, class_shares, gains_surely, losses_of, mean_and_spread

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

#: Inverse strengths of the penalty, from strong to weak, for features whose squares add up to 1 on
#: average.
STRENGTHS = tuple(10.0**power for power in range(-2, 5))

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


def linear_probe(features: Tensor, classes: Tensor, count: int, split: Split, seed: int) -> Tensor:
    """Fit multinomial logistic regression, with the penalty that does best on the check rows."""
    del seed  # the fit is convex
    readout = fit_linear(features, classes, count, split)
    return readout.log_probabilities(features[split.held_out])


def fit_linear(features: Tensor, classes: Tensor, count: int, split: Split) -> LinearReadout:
    """Fit a read-out of features (N, d), with the penalty that does best on the check rows.

    Features are standardised and divided by √d, so that a penalty means the same for all layers.
    The final fit has the check rows too.
    """
    mean, spread = mean_and_spread(features, split.training)
    spread = spread * features.shape[1] ** 0.5
    scaled = ((features.to(torch.float64) - mean) / spread).to(torch.float32)
    seen = scaled[split.training].to(torch.float64)
    basis = _basis(seen)
    rows = scaled if basis is None else scaled.to(torch.float64) @ seen.T @ basis
    prior = class_shares(classes[split.training], count)
    strength, model = _best_fit(rows.cpu().numpy(), classes.cpu(), prior.cpu(), split)
    if model is None:
        weight = torch.zeros(0, features.shape[1], dtype=torch.float64, device="cpu")
        return LinearReadout(
            weight, weight[:, 0], torch.arange(0, dtype=torch.int64, device="cpu"), prior, None
        )
    weight, bias = _weights(model)
    weight = weight.to(seen.device)
    if basis is not None:
        weight = weight @ basis.T @ seen
    weight = weight / spread
    bias = bias.to(seen.device) - (weight * mean).sum(dim=1)
    return LinearReadout(weight, bias, torch.from_numpy(model.classes_), prior, strength)


def _basis(seen: Tensor) -> Tensor | None:
    """Return what rotates rows with more units than training rows have into the span of these.

    The penalised fit is the same there. None where rows have fewer units.
    """
    if seen.shape[1] <= len(seen):
        return None
    values, vectors = torch.linalg.eigh(seen @ seen.T)
    kept = values > 1e-10 * values[-1]
    if not bool(kept.any()):
        return torch.zeros_like(vectors[:, :1])
    turned: Tensor = (vectors / values.sqrt())[:, kept]
    return turned


def _best_fit(
    rows: np.ndarray, classes: Tensor, prior: Tensor, split: Split
) -> tuple[float, LogisticRegression | None]:
    """Return the strength that does best on the check rows, and the fit of all training rows."""
    from sklearn.linear_model import LogisticRegression

    labels = classes.numpy()
    fit, check = split.fit.cpu().numpy(), split.check.cpu().numpy()
    truth = classes[split.check.cpu()]
    null = best = -prior.log()[truth]
    chosen, failures = 0.0, 0
    model = LogisticRegression(warm_start=True, max_iter=200)
    for strength in STRENGTHS if len(np.unique(labels[fit])) > 1 else ():
        _fit(model.set_params(C=strength), rows[fit], labels[fit])
        weight, bias = _weights(model)
        readout = LinearReadout(weight, bias, torch.from_numpy(model.classes_), prior, strength)
        losses = losses_of(readout.log_probabilities(torch.from_numpy(rows[check])), truth)
        is_better = bool(losses.mean() < best.mean())
        best, chosen = (losses, strength) if is_better else (best, chosen)
        failures = 0 if is_better else failures + 1
        if failures == 2:
            break
    if not gains_surely(null, best):
        return 0.0, None
    training = np.concatenate([fit, check])
    final = LogisticRegression(C=chosen, max_iter=200)
    _fit(final, rows[training], labels[training])
    return chosen, final


def _fit(model: LogisticRegression, rows: np.ndarray, labels: np.ndarray) -> None:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # a fit that has not converged is judged on other rows as any other
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, labels)


def _weights(model: LogisticRegression) -> tuple[Tensor, Tensor]:
    """Return a weight and a bias for each class; of two classes scikit-learn keeps one."""
    weight = torch.from_numpy(model.coef_.astype(np.float64))
    bias = torch.from_numpy(np.atleast_1d(model.intercept_).astype(np.float64))
    if len(model.classes_) == 2:
        weight = torch.cat([torch.zeros_like(weight), weight])
        bias = torch.cat([torch.zeros_like(bias), bias])
    return weight, bias
