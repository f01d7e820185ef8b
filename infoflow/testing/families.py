"""Pairs of continuous variables with known mutual information, on which estimators are compared.

P. Czyż, F. Grabowski, J. Vogt, N. Beerenwinkel and A. Marx, "Beyond Normal: On the Evaluation of
Mutual Information Estimators", NeurIPS 2023. Smooth maps of X alone and of Y alone that can be
undone change nothing, so that hard shapes can be made of easy ones (its theorem 2.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from infoflow.interface import ArgumentError

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Pair = tuple[Array, Array]


@dataclass(frozen=True)
class PairFamily:
    """A joint distribution of X and Y with its mutual information.

    Parameters
    ----------
    name
        What it is, for tables.
    information
        I(X;Y), in nats.
    x_units, y_units
        Dimensions of X and of Y.
    draw
        Takes a ``numpy.random.Generator`` and N; returns (N, x_units) and (N, y_units) arrays.
    """

    name: str
    information: float
    x_units: int
    y_units: int
    draw: Callable[[np.random.Generator, int], Pair]

    def sample(self, samples: int, *, seed: int = 0) -> Pair:
        """Return N samples of X and Y; numpy's global generator is left alone."""
        return self.draw(np.random.default_rng(seed), samples)


def correlated_normal(dimensions: int, correlation: float = 0.6) -> PairFamily:
    """Return normal X and Y whose coordinates are correlated in pairs: −d/2 · log(1 − ρ²).

    Raises
    ------
    ArgumentError
        If there is no dimension, or the correlation is not between −1 and 1.

    Examples
    --------
    >>> round(correlated_normal(3).information, 4)
    0.6694
    """
    _check(dimensions, correlation)

    def draw(random: np.random.Generator, samples: int) -> Pair:
        x, own = random.normal(size=(2, samples, dimensions))
        return x, correlation * x + math.sqrt(1 - correlation**2) * own

    information = -dimensions / 2 * math.log1p(-(correlation**2))
    name = f"normal, {dimensions} dim"
    return PairFamily(name, information, dimensions, dimensions, draw)


def student_t(dimensions: int, freedom: float = 3.0, correlation: float = 0.6) -> PairFamily:
    """Return X and Y of one multivariate Student's t: heavy tails, and information in the scale.

    The normal's information, and what the common scale adds: f(ν) + f(ν + 2d) − 2 f(ν + d) with
    f(a) = log Γ(a/2) − a/2 · ψ(a/2) (R. B. Arellano-Valle, J. E. Contreras-Reyes and M. G. Genton,
    "Shannon Entropy and Mutual Information for Multivariate Skew-Elliptical Distributions",
    Scandinavian Journal of Statistics 40, 2013).

    Raises
    ------
    ArgumentError
        As for :func:`correlated_normal`, or if the degrees of freedom are not positive.

    Examples
    --------
    >>> student_t(1, correlation=0.0).information > 0
    True
    """
    normal = correlated_normal(dimensions, correlation)
    if not 0 < freedom < math.inf:
        raise ArgumentError(f"freedom must be greater than 0, got {freedom}. Try 3.")

    def draw(random: np.random.Generator, samples: int) -> Pair:
        x, y = normal.draw(random, samples)
        scale = np.sqrt(freedom / random.chisquare(freedom, (samples, 1)))
        return x * scale, y * scale

    def term(total: float) -> float:
        return float(special.gammaln(total / 2) - total / 2 * special.digamma(total / 2))

    more = term(freedom) + term(freedom + 2 * dimensions) - 2 * term(freedom + dimensions)
    name = f"Student t ({freedom:g}), {dimensions} dim"
    return PairFamily(name, normal.information + more, dimensions, dimensions, draw)


def bimodal(correlation: float = 0.75) -> PairFamily:
    """Return one-dimensional X and Y with two modes each: a normal pair, bent.

    Examples
    --------
    >>> bimodal().information == correlated_normal(1, 0.75).information
    True
    """
    return _mapped("bimodal", correlated_normal(1, correlation), to_bimodal, to_bimodal, 1)


def swiss_roll(correlation: float = 0.75) -> PairFamily:
    """Return X rolled up in the plane, and Y uniform: a normal pair, bent.

    Examples
    --------
    >>> swiss_roll().sample(5)[0].shape
    (5, 2)
    """
    return _mapped("swiss roll", correlated_normal(1, correlation), to_swiss_roll, special.ndtr, 2)


def spiral(dimensions: int = 3, correlation: float = 0.75, turns: float = 1.0) -> PairFamily:
    """Return normal X and Y, each with its first two axes turned by an angle that grows outwards.

    Examples
    --------
    >>> round(spiral().information, 4) == round(correlated_normal(3, 0.75).information, 4)
    True
    """
    if dimensions < 2:
        raise ArgumentError(f"A spiral needs at least 2 dimensions, got {dimensions}.")

    def bend(values: Array) -> Array:
        return to_spiral(values, turns)

    normal = correlated_normal(dimensions, correlation)
    return _mapped(f"spiral, {dimensions} dim", normal, bend, bend, dimensions)


def benchmark_families() -> tuple[PairFamily, ...]:
    """Return the families that ``infoflow.validate`` runs."""
    normals = (correlated_normal(dimensions) for dimensions in (1, 3, 10, 25))
    return (*normals, student_t(1), student_t(2), bimodal(), swiss_roll(), spiral())


#: The two modes of a bimodal variable, and their common standard deviation.
_MODES = (-1.5, 1.5)
_MODE_DEVIATION = 0.5


def to_bimodal(values: Array) -> Array:
    """Map standard normal values to the quantiles of two normal modes, by bisection."""
    shares = special.ndtr(values)
    low, high = np.full_like(values, -20.0), np.full_like(values, 20.0)
    for _ in range(60):
        middle = (low + high) / 2
        is_below = bimodal_share(middle) < shares
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return (low + high) / 2


def bimodal_share(values: Array) -> Array:
    """Return the distribution function of the two modes."""
    shares = [special.ndtr((values - mode) / _MODE_DEVIATION) for mode in _MODES]
    return np.asarray(np.mean(shares, axis=0))


def to_swiss_roll(values: Array) -> Array:
    """Map (N, 1) standard normal values to (N, 2) points on a spiral of one and a half turns."""
    angle = 1.5 * np.pi * (1 + 2 * special.ndtr(values[:, 0]))
    return np.stack([angle * np.cos(angle), angle * np.sin(angle)], axis=1) / 21


def to_spiral(values: Array, turns: float) -> Array:
    """Turn the first two axes by ``turns`` · ‖value‖² / dimensions radians; lengths are kept."""
    angle = turns * np.square(values).sum(1) / values.shape[1]
    first, second = values[:, 0], values[:, 1]
    bent = values.copy()
    bent[:, 0] = np.cos(angle) * first - np.sin(angle) * second
    bent[:, 1] = np.sin(angle) * first + np.cos(angle) * second
    return bent


def _mapped(
    name: str,
    base: PairFamily,
    bend_x: Callable[[Array], Array],
    bend_y: Callable[[Array], Array],
    x_units: int,
) -> PairFamily:
    def draw(random: np.random.Generator, samples: int) -> Pair:
        x, y = base.draw(random, samples)
        return bend_x(x), bend_y(y)

    return PairFamily(name, base.information, x_units, base.y_units, draw)


def _check(dimensions: int, correlation: float) -> None:
    if dimensions < 1:
        raise ArgumentError(f"dimensions must be at least 1, got {dimensions}.")
    if not -1 < correlation < 1:
        raise ArgumentError(f"correlation must be between -1 and 1, got {correlation}.")
