"""A Bayesian bootstrap with a worst sample added, which expects more than was seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize, special, stats

from infoflow.pruning.ablation.pairs import Floats, Paired


def exceedance(rises: Floats, weights: Floats, mean: Floats, largest: Floats) -> Floats:
    """Return the probability that a reweighted mean, with one worst sample added, is above one.

    Parameters
    ----------
    rises, weights
        (..., N) of each sample.
    mean
        (...) the supposed mean per unit of weight.
    largest
        (...) the rise per unit of weight of the sample that is added; it weighs as much as the
        heaviest. A larger one among the samples takes its place.

    Returns
    -------
    array
        (...) probabilities between 0 and 1; they fall as ``mean`` rises.

    Notes
    -----
    The samples get random weights E₁ … E_N and E₀ of the exponential distribution, which is the
    Bayesian bootstrap (Rubin 1981); the probability is that of Σ Eᵢ dᵢ ≥ 0 for dᵢ = riseᵢ − mean ·
    weightᵢ, by the saddle point approximation of Lugannani and Rice (1980, equation 10) of the
    cumulant generating function −Σ log(1 − s dᵢ). Where no sample differs it is
    (1 − mean / largest)^N, the probability that a share mean / largest of the samples was missed.

    References
    ----------
    Gaffke (2005), Three test statistics for a nonparametric one-sided hypothesis on the mean of a
    nonnegative variable, Math. Methods Stat. 14: the bound, which is conjectured to hold for every
    distribution up to ``largest``. Learned-Miller and Thomas (2019), arXiv 1905.06208, equation 8.

    Examples
    --------
    >>> one = np.ones(256)
    >>> round(float(exceedance(0 * one, one, np.array(0.01), np.array(1.0))), 2)
    0.08
    >>> round(0.99**256, 2)
    0.08
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = np.where(weights > 0, rises / weights, -np.inf)
    top = np.maximum(largest, rates.max(axis=-1))
    added = (top - mean) * weights.max(axis=-1)
    return chance_of(np.concatenate([rises - mean[..., None] * weights, added[..., None]], axis=-1))


def chance_of(outcomes: Floats) -> Floats:
    """Return the probability that a sum of outcomes, (..., N), with random weights is above 0."""
    above, below = outcomes.max(axis=-1), outcomes.min(axis=-1)
    is_open = (above > 0) & (below < 0)
    scaled = outcomes / np.where(is_open, above, np.inf)[..., None]
    found = _lugannani_rice(scaled, _saddle_point(scaled))
    chances: Floats = np.where(is_open, found, np.where(above > 0, 1.0, 0.0))
    return chances


def _saddle_point(outcomes: Floats) -> Floats:
    """Return where the derivative of −Σ log(1 − s d) is 0; the largest d is 1.

    Newton's steps, and half of the bracket where one leads out of it.
    """
    below = np.minimum(outcomes.min(axis=-1), -1e-12)
    low, high = (1 - 1e-12) / below, np.full(below.shape, 1 - 1e-12)
    slope = np.zeros(below.shape)
    for _ in range(60):
        ratios = outcomes / (1 - slope[..., None] * outcomes)
        first, second = ratios.sum(axis=-1), (ratios**2).sum(axis=-1)
        low, high = np.where(first < 0, slope, low), np.where(first < 0, high, slope)
        after = slope - first / np.maximum(second, 1e-300)
        after = np.where((after > low) & (after < high), after, (low + high) / 2)
        if np.all(np.abs(after - slope) <= 1e-10 * (1 + np.abs(slope))):
            break
        slope = after
    return slope


def _lugannani_rice(outcomes: Floats, slope: Floats) -> Floats:
    """Return the probability that the weighted sum of outcomes is at least 0."""
    factors = 1 - slope[..., None] * outcomes
    generator = -np.log(factors).sum(axis=-1)
    root = np.sign(slope) * np.sqrt(np.maximum(-2 * generator, 0.0))
    steep = slope * np.sqrt(((outcomes / factors) ** 2).sum(axis=-1))
    is_middle = np.abs(root) < 1e-3  # there the two terms below cancel
    safe, steep = np.where(is_middle, 1.0, root), np.where(is_middle, 1.0, steep)
    density = np.exp(-(safe**2) / 2) / np.sqrt(2 * np.pi)
    found = special.ndtr(-safe) + density * (1 / steep - 1 / safe)
    chances: Floats = np.where(is_middle, 0.5, np.clip(found, 0.0, 1.0))
    return chances


def worst_sample_upper(pairs: Paired, error: float, largest: float) -> float:
    """Return the mean that is exceeded with a probability of ``error``, a worst sample added.

    Parameters
    ----------
    pairs
        Rises and weights. In a regression a sample weighs what the whole net loses there, which
        can be next to nothing: the sample that is added has a mean weight, and is as far above the
        mean as any sample is from it.
    error
        The one-sided error, 0.025 for an end of a 95 % interval.
    largest
        The rise per unit of weight of the sample that is added; not used in a regression.
    """
    counted = pairs.counted
    rises, weights = counted.rises, counted.weights
    start = float(rises.sum() / weights.sum())
    top = None if pairs.is_ratio else max(largest, float(pairs.rates.max()))
    if top is None:
        farthest = float(np.abs(rises - start * weights).max())
        rises = np.append(rises, start * weights.mean() + farthest)
        weights = np.append(weights, weights.mean())

    def excess(mean: float) -> float:
        if top is None:
            chance = float(chance_of(rises - mean * weights))
        else:
            chance = float(exceedance(rises, weights, np.array(mean), np.array(top)))
        return float(stats.norm.isf(max(chance, 1e-300)) - stats.norm.isf(error))

    return upper_root(excess, start, top)


def upper_root(excess: Callable[[float], float], start: float, top: float | None) -> float:
    """Return where a rising function of the mean is 0, from ``start`` to ``top``, if it has one."""
    if top is None:
        if excess(start) >= 0:
            return start  # no sample rises more than another
        reach = 1.0
        while excess(start + reach) < 0:
            reach *= 2
        return float(optimize.brentq(excess, start, start + reach, xtol=1e-9, rtol=1e-12))
    if top <= start:
        return top
    end = top - 1e-9 * (top - start)
    if excess(end) < 0:
        return top
    return float(optimize.brentq(excess, start, end, xtol=1e-9 * (top - start), rtol=1e-12))


def worst_sample_lower(pairs: Paired, error: float, largest: float) -> float:
    """As :func:`worst_sample_upper`, for the lower end and the largest gain."""
    return -worst_sample_upper(pairs.reversed, error, largest)
