"""The quantity that a kernel density estimate bounds, by Monte Carlo integration."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.interface import ArgumentError

#: Noisy values that are compared with all samples at a time.
_ROWS = 2048


@dataclass(frozen=True)
class MixtureInformation:
    """I(X; M + Z) and I(Y; M + Z) of N samples, with Monte Carlo standard errors, in nats."""

    ixm: float
    iym: float
    ixm_error: float
    iym_error: float


def mixture_information(
    values: Tensor, labels: Tensor, noise_variance: float, *, draws: int = 64, seed: int = 0
) -> MixtureInformation:
    """Integrate the information in M + Z, where X is uniform over the samples and Z is Gaussian.

    It is the mean of log p(t | x) / p(t) and of log p(t | y) / p(t) over noisy values t, with the
    densities of the Gaussian mixtures themselves (Goldfeld et al. 2019, section III).

    Parameters
    ----------
    values
        (N, units) values of a layer, any floating dtype.
    labels
        (N,) int64 classes.
    noise_variance
        Variance of Z in every unit, in squared units of the values.
    draws
        Noisy values per sample.
    seed
        Seed of Z; torch's global generator is left alone.

    Raises
    ------
    ArgumentError
        If the noise variance is not positive, or there are fewer than two draws.

    Examples
    --------
    >>> values = torch.tensor([[0.0], [0.0], [30.0], [30.0]])
    >>> known = mixture_information(values, torch.tensor([0, 0, 1, 1]), 1.0)
    >>> round(known.ixm, 6), round(known.iym, 6)
    (0.693147, 0.693147)
    """
    if not 0 < noise_variance < math.inf:
        raise ArgumentError(f"noise_variance must be greater than 0, got {noise_variance}.")
    if draws < 2:
        raise ArgumentError(f"draws must be at least 2, got {draws}.")
    centred = values.double() - values.double().mean(0)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(draws, *centred.shape, generator=generator, dtype=torch.float64)
    noise *= math.sqrt(noise_variance)
    noisy = (centred + noise).flatten(0, 1)
    own = -noise.square().sum(2).flatten() / (2 * noise_variance)
    same = labels[:, None] == labels
    parts = [
        _log_densities(rows, centred, same.repeat(draws, 1)[start : start + _ROWS], noise_variance)
        for start, rows in zip(range(0, len(noisy), _ROWS), noisy.split(_ROWS), strict=True)
    ]
    everything, inside = (torch.cat(part) for part in zip(*parts, strict=True))
    ixm, ixm_error = _mean_with_error((own - everything).view(draws, -1))
    iym, iym_error = _mean_with_error((inside - everything).view(draws, -1))
    return MixtureInformation(ixm, iym, ixm_error, iym_error)


def _log_densities(
    noisy: Tensor, centres: Tensor, same: Tensor, noise_variance: float
) -> tuple[Tensor, Tensor]:
    """Return log p(t) and log p(t | y), both less the Gaussian's constant."""
    mode = "donot_use_mm_for_euclid_dist"
    exponents = torch.cdist(noisy, centres, compute_mode=mode).square() / (-2 * noise_variance)
    everything = exponents.logsumexp(1) - math.log(len(centres))
    inside = exponents.masked_fill(~same, -math.inf).logsumexp(1) - same.sum(1).double().log()
    return everything, inside


def _mean_with_error(ratios: Tensor) -> tuple[float, float]:
    """Return the mean of (draws, N) values, and its standard error with the samples fixed."""
    draws, samples = ratios.shape
    error = (ratios.var(0).sum() / draws).sqrt() / samples
    return float(ratios.mean()), float(error)
