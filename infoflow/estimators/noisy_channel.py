"""Information through Gaussian noise around the values of a layer, sampled."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from infoflow.estimators.mixture import KernelSum, standard_normal

#: Share of the pooled density in a held-out one, so that a point far from all of its input's own
#: draws costs log 1000 and not infinity. Lowers the bound by at most as many nats.
_SHARE = 0.001


#: Parts into which the draws are divided, each held out once for the lower bound.
_FOLDS = 4


class NoisyChannel:
    """Mixtures of the draws by input, by class and of all; each with a fold left out, too.

    Parameters
    ----------
    centres
        (N, draws, units) in units of the noise.
    labels
        (N,) classes, or None.
    seed
        Seed of the points.
    """

    def __init__(self, centres: Tensor, labels: Tensor | None, seed: int) -> None:
        self._centres = centres
        self._inputs, self._count, self._units = centres.shape
        device = centres.device
        given = (
            torch.zeros(self._inputs, dtype=torch.long, device="cpu")
            if labels is None
            else labels.cpu()
        )
        numbered, sizes = torch.unique(given, return_inverse=True, return_counts=True)[1:]
        self._classes, self._class_sizes = numbered.to(device), sizes.to(device)
        self._folds = min(_FOLDS, self._count)
        self._fold_of = torch.arange(self._count, device=device, dtype=torch.int64) % self._folds
        self._fold_sizes = torch.bincount(self._fold_of)
        self._sums = [
            [KernelSum(self._members(fold, label), 1.0) for label in range(len(sizes))]
            for fold in range(self._folds)
        ]
        self._generator = torch.Generator(device).manual_seed(seed)

    def _members(self, fold: int, label: int) -> Tensor:
        chosen = self._centres[self._classes == label][:, self._fold_of == fold]
        return chosen.reshape(-1, self._units)

    def information(self, points: int) -> Tensor:
        """Return log-ratios at random points, (points, 4): of X and Y, then both held out."""
        generator, device = self._generator, self._centres.device
        inputs = torch.randint(self._inputs, (points,), generator=generator, device=device)
        draw = torch.randint(self._count, (points,), generator=generator, device=device)
        noise = standard_normal((points, self._units), generator)
        at = self._centres[inputs, draw] + noise
        own, within, pool = self._log_sums(at, inputs)
        everything = torch.ones(points, self._folds, dtype=torch.bool, device=device)
        seen = self._ratios(own, within, pool, inputs, everything)
        if self._folds == 1:
            return torch.stack([*seen, *seen], dim=1)
        others = everything.scatter(1, self._fold_of[draw][:, None], False)
        held_out = self._ratios(own, within, pool, inputs, others)
        return torch.stack([*seen, *(_softened(ratio) for ratio in held_out)], dim=1)

    def _log_sums(self, at: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the sums over the point's own input, its class and all, (points, folds) each."""
        sums = torch.stack(
            [torch.stack([log_sum(at) for log_sum in fold], dim=1) for fold in self._sums], dim=1
        )
        classes = self._classes[inputs][:, None, None].expand(-1, self._folds, 1)
        within = sums.gather(2, classes).squeeze(2)
        squares = [(self._centres[inputs, k] - at).square().sum(1) for k in range(self._count)]
        exponents = torch.stack(squares, dim=1) / -2
        own = [torch.logsumexp(exponents[:, self._fold_of == f], 1) for f in range(self._folds)]
        return torch.stack(own, dim=1), within, torch.logsumexp(sums, dim=2)

    def _ratios(
        self, own: Tensor, within: Tensor, pool: Tensor, inputs: Tensor, used: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return log p(t|x)/p(t) and log p(t|y)/p(t), by the folds ``used`` at each point."""
        unused = ~used
        draws = (used * self._fold_sizes).sum(dim=1).log()
        by_input, by_class, by_all = (
            torch.logsumexp(sums.masked_fill(unused, -math.inf), dim=1) - draws
            for sums in (own, within, pool)
        )
        of_class = self._class_sizes[self._classes[inputs]].log()
        density = by_all - math.log(self._inputs)
        return by_input - density, by_class - of_class - density


def _softened(log_ratio: Tensor) -> Tensor:
    """Mix a density with the pooled one: it stays a density, and its log-ratio is bounded below."""
    kept = log_ratio + math.log1p(-_SHARE)
    return torch.logaddexp(kept, torch.full_like(kept, math.log(_SHARE)))
