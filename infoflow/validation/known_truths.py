"""What the numbers of a case must be, by the definition that an estimator claims."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.testing.counting import counted_entropy, counted_information
from infoflow.testing.mixtures import mixture_information
from infoflow.validation.cases import ClassCase


@dataclass(frozen=True)
class Truth:
    """A known value in nats, with the standard error of how it was found."""

    value: float
    error: float = 0.0


_SYMBOLS = {"ixm": "I(X;M)", "iym": "I(Y;M)"}


def mixture_truth(values: Tensor, labels: Tensor, noise_variance: float) -> dict[str, Truth]:
    """Return I(X; M + Z) and I(Y; M + Z) of the samples, by Monte Carlo integration."""
    known = mixture_information(values, labels, noise_variance, draws=32, seed=1)
    return {"ixm": Truth(known.ixm, known.ixm_error), "iym": Truth(known.iym, known.iym_error)}


def of_symbols(case: ClassCase) -> dict[str, Truth]:
    """Return what was counted over all that can happen."""
    return {"ixm": Truth(case.ixm), "iym": Truth(case.iym)}


def with_noise(noise_variance: float) -> Callable[[ClassCase], dict[str, Truth]]:
    """Return the truth of M with noise: counted for far symbols, else integrated."""

    def truth(case: ClassCase) -> dict[str, Truth]:
        if case.is_discrete:
            return of_symbols(case)
        return mixture_truth(case.values, case.labels, noise_variance)

    return truth


def in_bins(bin_size: float) -> Callable[[ClassCase], dict[str, Truth]]:
    """Return the truth of M in bins: of symbols themselves, else counted sample by sample."""

    def truth(case: ClassCase) -> dict[str, Truth]:
        if case.is_discrete:
            return of_symbols(case)
        codes = [tuple(math.floor(m / bin_size) for m in row) for row in case.values.tolist()]
        iym = counted_information(codes, case.labels.tolist())
        return {"ixm": Truth(counted_entropy(codes)), "iym": Truth(iym)}

    return truth


def of_distribution(case: ClassCase) -> dict[str, Truth]:
    """Return I(Y;M) of the distribution that the samples come from."""
    return {"iym": Truth(case.iym)}


def of_symbols_only(case: ClassCase) -> dict[str, Truth]:
    """Return what was counted, and nothing where M is continuous."""
    return of_symbols(case) if case.is_discrete else {}


def of_order(alpha: float) -> Callable[[ClassCase], dict[str, Truth]]:
    """Return the truth of Rényi's entropies of far symbols; nothing where M is continuous."""

    def entropy(symbols: list[Hashable]) -> float:
        shares = [count / len(symbols) for count in Counter(symbols).values()]
        return math.log(math.fsum(share**alpha for share in shares)) / (1 - alpha)

    def truth(case: ClassCase) -> dict[str, Truth]:
        if not case.is_discrete:
            return {}
        symbols: list[Hashable] = [tuple(row) for row in case.values.tolist()]
        labels: list[Hashable] = case.labels.tolist()
        both: list[Hashable] = list(zip(symbols, labels, strict=True))
        iym = entropy(symbols) + entropy(labels) - entropy(both)
        return {"ixm": Truth(entropy(symbols)), "iym": Truth(iym)}

    return truth


def _whitened(values: Tensor, noise_covariance: Tensor) -> Tensor:
    """Return values in coordinates where the noise is standard normal."""
    root = torch.linalg.cholesky(noise_covariance)
    white: Tensor = torch.linalg.solve_triangular(root, values.double().T, upper=False)
    return white.T
