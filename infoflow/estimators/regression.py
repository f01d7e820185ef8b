"""Means over all samples from some of them, by regression on what is known of all.

W. G. Cochran, "Sampling Techniques", 3rd edition, Wiley 1977, sections 7.1 to 7.3.
"""

from __future__ import annotations

import math

from torch import Tensor


def regression_mean(values: Tensor, known: Tensor, rows: Tensor) -> tuple[float, float]:
    """Return the mean of a quantity over N samples, and its standard error, in the quantity's unit.

    Parameters
    ----------
    values
        (n,) float64: the quantity, for n samples drawn at random.
    known
        (N,) float64: another quantity of every sample.
    rows
        (n,) int64 numbers of the samples that were drawn.

    Examples
    --------
    >>> import torch
    >>> known = torch.arange(10).double()
    >>> rows = torch.tensor([1, 2, 5])
    >>> regression_mean(2 * known[rows] + 1, known, rows)
    (10.0, 0.0)
    """
    drawn = known[rows]
    centred = drawn - drawn.mean()
    spread = float(centred.square().sum())
    slope = float(centred @ values) / spread if spread > 0 else 0.0
    mean = values.mean() + slope * (known.mean() - drawn.mean())
    left = values - values.mean() - slope * centred
    share = 1 - len(rows) / len(known)
    variance = float(left.square().sum()) / max(1, len(rows) - 2) * share / len(rows)
    return float(mean), math.sqrt(variance)


def means_as_of_all(values: Tensor, samples: int) -> Tensor:
    """Return the means of each trial over n drawn samples, as spread as those over all N would be.

    Over trials, a mean over n samples has variance V/n + (1 − 1/n) C, where V is the mean variance
    of one sample's value, and C the mean covariance of two. Both are unbiased from drawn samples.

    Parameters
    ----------
    values
        (trials, n) float64.
    samples
        N.

    Examples
    --------
    >>> import torch
    >>> generator = torch.Generator().manual_seed(0)
    >>> shared = 0.1 * torch.randn(2000, 1, generator=generator).double()
    >>> values = shared + torch.randn(2000, 50, generator=generator).double()
    >>> round(float(values.mean(1).std()), 2), round(float(means_as_of_all(values, 5000).std()), 2)
    (0.18, 0.11)
    """
    means = values.mean(1)
    if len(values) < 2:
        return means
    drawn = values.shape[1]
    single, found = float(values.var(0).mean()), float(means.var())
    shared = (found - single / drawn) / (1 - 1 / drawn)
    # it cannot be told apart from 0 where single values make up the whole spread
    wanted = max(0.0, shared) * (1 - 1 / samples) + single / samples
    scale = math.sqrt(min(1.0, wanted / found)) if found > 0 else 1.0
    return means.mean() + (means - means.mean()) * scale
