"""Small classifiers that are fitted and judged on different samples.

Each starts from the shares of the classes, is fitted on a part of the training samples, and is
stopped, or regularised, where the rest of them, the check rows, say so. Where nothing gains more
than a standard error there, it stays at the shares of the classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

#: Units of the hidden layer.
HIDDEN = 32
_MOST_EPOCHS = 80
_PATIENCE = 8
_LEARNING_RATE = 0.003
#: A smaller fall of the loss, in nats, is no progress.
_LEAST_GAIN = 1e-4
#: Below this loss, in nats, there is nothing left to gain.
_SMALLEST_LOSS = 2e-3


@dataclass(frozen=True, eq=False)
class Split:
    """Which rows a probe is fitted on, which tell when to stop, and which it is judged on."""

    fit: Tensor
    check: Tensor
    held_out: Tensor

    @property
    def training(self) -> Tensor:
        """All rows that the probe may see."""
        return torch.cat([self.fit, self.check])


#: From features, classes, their number, a split and a seed to log probabilities of the held-out
#: rows, shape (held out, classes).
Probe = Callable[[Tensor, Tensor, int, Split, int], Tensor]


def held_out_losses(
    probe: Probe, features: Tensor, classes: Tensor, count: int, split: Split, seed: int
) -> Tensor:
    """Return −log p(class) of every held-out row, in nats, from a probe fitted on the others.

    The probe's probabilities are mixed with the shares of the classes, with the weight of one
    sample, so that a class that training has not seen costs much but not infinitely much.
    """
    training = split.training
    shares = class_shares(classes[training], count)
    probabilities = probe(features, classes, count, split, seed).exp()
    mixed = (probabilities * len(training) + shares) / (len(training) + 1)
    return losses_of(mixed.log(), classes[split.held_out])


def null_losses(classes: Tensor, count: int, split: Split) -> Tensor:
    """Return −log p(class) of every held-out row where p is the class's share in training."""
    shares = class_shares(classes[split.training], count)
    return -shares.log()[classes[split.held_out]]


def class_shares(classes: Tensor, count: int) -> Tensor:
    """Return the share of each of ``count`` classes, half a sample added to each."""
    counts = torch.bincount(classes, minlength=count).to(torch.float64) + 0.5
    return counts / counts.sum()


def losses_of(log_probabilities: Tensor, classes: Tensor) -> Tensor:
    """Return −log p of each row's class."""
    return -log_probabilities.gather(1, classes[:, None]).squeeze(1).to(torch.float64)


def standardised(features: Tensor, training: Tensor) -> Tensor:
    """Return float32 features with mean 0 and variance 1 over the training rows.

    Maps (N, C, H, W) have one mean and variance per channel; what is constant becomes 0. All is
    done in float64 before that, so that neither scale nor offset matters.
    """
    mean, spread = mean_and_spread(features, training)
    return ((features.to(torch.float64) - mean) / spread).to(torch.float32)


def mean_and_spread(features: Tensor, training: Tensor) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and standard deviation over the training rows, in float64.

    What is constant but for rounding has an infinite deviation, so that dividing by it leaves
    nothing.
    """
    axes = [axis for axis in range(features.ndim) if axis != 1]
    seen = features[training].to(torch.float64)
    largest = seen.abs().amax(dim=axes, keepdim=True)
    unit = torch.where(largest > 0, largest, 1.0)  # else squares of tiny values would be 0
    mean = seen.mean(dim=axes, keepdim=True)
    spread = (seen / unit).var(dim=axes, keepdim=True, correction=0).sqrt() * unit
    is_constant = spread <= 8 * torch.finfo(features.dtype).eps * largest
    return mean, torch.where(is_constant, torch.inf, spread)


def gains_surely(null: Tensor, losses: Tensor) -> bool:
    """Tell whether losses are below the null's by more than a standard error of the difference.

    Of many probes that learn nothing, the best on the check rows is a lucky one.
    """
    gains = null - losses
    error = gains.std(correction=0) / len(gains) ** 0.5
    return bool(gains.mean() > error)


# ------------------------------------------------------------------------------- one hidden layer


def hidden_probe(features: Tensor, classes: Tensor, count: int, split: Split, seed: int) -> Tensor:
    """Fit one hidden layer of 32 rectified units, stopped early by the check rows.

    Of vectors (N, d) the layer is dense; of maps (N, C, H, W) it is a 3×3 convolution with zeros
    around the map, whose units are averaged over all positions. Adam, learning rate 0.003.
    """
    with torch.enable_grad():
        return _Hidden(standardised(features, split.training), classes, count, split, seed).run()


class _Hidden:
    """One fit of a hidden layer; its random numbers are its own."""

    def __init__(self, rows: Tensor, classes: Tensor, count: int, split: Split, seed: int) -> None:
        self.rows, self.classes, self.split = rows, classes, split
        self.generator = torch.Generator().manual_seed(seed)
        window = (3, 3) if rows.ndim == 4 else ()
        shape = (HIDDEN, rows.shape[1], *window)
        fan_in = max(1, rows[0].numel() if not window else 9 * rows.shape[1])
        inner = (
            torch.randn(shape, generator=self.generator, dtype=torch.float32, device="cpu")
            * (2.0 / fan_in) ** 0.5
        )
        prior = class_shares(classes[split.training], count).log().float()
        # with no outer weights, the first guess is the shares of the classes
        self.weights = [
            inner.to(rows.device),
            torch.zeros(HIDDEN, device=rows.device, dtype=torch.float32),
            torch.zeros(count, HIDDEN, device=rows.device, dtype=torch.float32),
            prior.to(rows.device),
        ]
        for weight in self.weights:
            weight.requires_grad_()

    def run(self) -> Tensor:
        is_known = self.rows.device.type in ("cpu", "cuda")  # where torch has one kernel for a step
        optimiser = torch.optim.Adam(self.weights, lr=_LEARNING_RATE, fused=is_known)
        null = best = self._check_losses()
        start = kept = self._copy()
        waited = 0
        for _ in range(_MOST_EPOCHS):
            self._epoch(optimiser)
            losses = self._check_losses()
            if losses.mean() < best.mean() - _LEAST_GAIN:
                best, kept, waited = losses, self._copy(), 0
            else:
                waited += 1
            if waited == _PATIENCE or best.mean() < _SMALLEST_LOSS:
                break
        self.weights = kept if gains_surely(null, best) else start
        return self._log_probabilities(self.split.held_out)

    def _epoch(self, optimiser: torch.optim.Optimizer) -> None:
        fit = self.split.fit
        order = fit[torch.randperm(len(fit), generator=self.generator, device="cpu").to(fit.device)]
        for batch in order.split(min(512, max(16, len(fit) // 20))):
            optimiser.zero_grad()
            F.cross_entropy(self._logits(self.rows[batch]), self.classes[batch]).backward()
            optimiser.step()

    def _logits(self, rows: Tensor) -> Tensor:
        inner, inner_bias, outer, outer_bias = self.weights
        if rows.ndim == 4:
            hidden = F.conv2d(rows, inner, inner_bias, padding=1).relu().mean(dim=(2, 3))
        else:
            hidden = F.linear(rows, inner, inner_bias).relu()
        return F.linear(hidden, outer, outer_bias)

    def _check_losses(self) -> Tensor:
        found = self._log_probabilities(self.split.check)
        return losses_of(found, self.classes[self.split.check])

    @torch.no_grad()
    def _log_probabilities(self, rows: Tensor) -> Tensor:
        parts = [self._logits(self.rows[part]) for part in rows.split(4096)]
        return torch.cat(parts).to(torch.float64).log_softmax(dim=1)

    def _copy(self) -> list[Tensor]:
        return [weight.detach().clone() for weight in self.weights]
