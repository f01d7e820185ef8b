"""Linear nets on Gaussian input, whose mutual information is a log determinant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from infoflow.interface import ArgumentError
from infoflow.testing.truth import KnownNet, LayerTruth

Noise = Literal["propagated", "measured"]
Matrix = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_QUANTITIES = {
    "propagated": "M with noise of variance {:g} after every linear layer, which goes on through "
    "the net",
    "measured": "M with noise of variance {:g}, added for the measurement only",
}


class LinearChain(nn.Module):
    """Linear layers in a row, ``layers.0`` and on; with a skip, the first one's value is added.

    Parameters
    ----------
    weights
        One (units, units) matrix per layer.
    skip
        Whether the value of the first layer is added to that of the last but one.
    """

    def __init__(self, weights: Matrix, *, skip: bool) -> None:
        super().__init__()
        self.skip = skip
        self.layers = nn.ModuleList()
        for weight in weights:
            layer = nn.utils.skip_init(nn.Linear, *reversed(weight.shape), bias=False)
            layer.load_state_dict({"weight": torch.from_numpy(weight).float()})
            self.layers.append(layer)

    def forward(self, value: Tensor) -> Tensor:
        """Return (N, units) values for (N, units) inputs."""
        first = value = self.layers[0](value)
        for layer in self.layers[1:-1]:
            value = layer(value)
        output: Tensor = self.layers[-1](value + first if self.skip else value)
        return output


def gaussian_chain(
    *,
    depth: int = 3,
    units: int = 2,
    skip: bool = False,
    noise: Noise = "propagated",
    noise_variance: float = 0.1,
    samples: int = 300,
    seed: int = 0,
) -> KnownNet:
    """Return a linear net on standard normal input, with I(X;M) = ½ log det(1 + S N⁻¹).

    S is the covariance of what X puts into M, and N that of the noise. Y is the sign of a noisy
    projection of X, and I(Y;M) is an integral in one dimension.

    Parameters
    ----------
    depth, units
        Number of layers, at least 2 (3 with a skip), and the width of each.
    skip
        Whether the first layer's value is added to that of the last but one. That sum is the layer
        ``add``.
    noise
        ``"propagated"``: every linear layer adds its own noise, which goes on through the net (the
        net that is returned is the one without noise). ``"measured"``: noise is added to one layer
        at a time, where it is looked at, as the kernel density estimate has it.
    noise_variance
        Variance of the noise in every unit.
    samples
        Number of samples of X to draw.
    seed
        Seed of weights, inputs and Y; the global generators are left alone.

    Returns
    -------
    KnownNet
        Its truths are of X in general, not of the samples: with few of them, an estimate that takes
        X for uniform over the samples has a lower one to find (:func:`mixture_information`).

    Raises
    ------
    ArgumentError
        If the depth is too small, the noise has another name, or its variance is not positive.

    Examples
    --------
    >>> [round(truth.ixm, 3) for truth in gaussian_chain().truths]
    [2.481, 1.837, 1.378]
    """
    if depth < 2 + skip:
        raise ArgumentError(f"depth must be at least {2 + skip}, got {depth}.")
    if noise not in _QUANTITIES:
        raise ArgumentError(f"noise must be 'propagated' or 'measured', got {noise!r}.")
    if not 0 < noise_variance < math.inf:
        raise ArgumentError(f"noise_variance must be greater than 0, got {noise_variance}.")
    random = np.random.default_rng(seed)
    weights = np.eye(units) + random.normal(size=(depth, units, units)) / (2 * math.sqrt(units))
    direction = random.normal(size=units)
    direction /= np.linalg.norm(direction)
    inputs = random.normal(size=(samples, units))
    projected = inputs @ direction + _LABEL_NOISE * random.normal(size=samples)
    values = _values(weights, skip)
    noises = {
        name: noise_variance * value.noise_covariance(noise) for name, value in values.items()
    }
    truths = tuple(
        _truth(name, value.signal, noises[name], direction) for name, value in values.items()
    )
    return KnownNet(
        f"linear Gaussian chain{' with a skip' if skip else ''}",
        LinearChain(weights, skip=skip),
        torch.from_numpy(inputs).float(),
        torch.from_numpy(projected > 0).long(),
        truths,
        _QUANTITIES[noise].format(noise_variance),
        noise_covariances={name: torch.from_numpy(matrix) for name, matrix in noises.items()},
    )


#: Standard deviation of the noise in Y's projection of X.
_LABEL_NOISE = 0.5


@dataclass(frozen=True)
class _Value:
    """A layer's value as linear maps of X and of the noises of the layers up to it."""

    signal: Matrix
    noises: tuple[Matrix, ...]

    def through(self, weight: Matrix) -> _Value:
        """Return the value after a linear layer that adds noise of its own."""
        own = np.eye(len(weight))
        return _Value(weight @ self.signal, (*(weight @ part for part in self.noises), own))

    def plus(self, other: _Value) -> _Value:
        """Return the sum with a value whose noises are the first of these."""
        shared = len(other.noises)
        sums = [one + two for one, two in zip(self.noises, other.noises, strict=False)]
        return _Value(self.signal + other.signal, (*sums, *self.noises[shared:]))

    def noise_covariance(self, noise: Noise) -> Matrix:
        """Return the covariance of the noise, in units of one noise's variance."""
        own = np.eye(len(self.signal))
        parts = self.noises if noise == "propagated" else (own,)
        return np.asarray(sum(part @ part.T for part in parts))


def _values(weights: Matrix, skip: bool) -> dict[str, _Value]:
    """Return every layer's value by the layer's name, in the graph's order."""
    value = _Value(np.eye(weights.shape[1]), ())
    found: dict[str, _Value] = {}
    for index, weight in enumerate(weights):
        if skip and index == len(weights) - 1:
            value = found["add"] = value.plus(found["layers.0"])
        value = found[f"layers.{index}"] = value.through(weight)
    return found


def _truth(name: str, signal: Matrix, noise_covariance: Matrix, direction: Matrix) -> LayerTruth:
    total = signal @ signal.T + noise_covariance
    ixm = (np.linalg.slogdet(total)[1] - np.linalg.slogdet(noise_covariance)[1]) / 2
    seen = signal @ direction
    explained = float(seen @ np.linalg.solve(total, seen))
    return LayerTruth(name, float(ixm), sign_information(explained, 1 + _LABEL_NOISE**2))


def sign_information(explained: float, variance: float = 1.0) -> float:
    """Return what a Gaussian M knows about the sign of a Gaussian variable, in nats.

    Parameters
    ----------
    explained
        Variance of the variable's conditional mean given M.
    variance
        Variance of the variable itself; its mean is 0.

    Examples
    --------
    >>> round(sign_information(1.0), 6), sign_information(0.0)
    (0.693147, 0.0)
    """
    from scipy import integrate, special, stats

    if explained >= variance:
        return math.log(2)
    steepness = math.sqrt(explained / (variance - explained))

    def density(at: float) -> float:
        chance = special.ndtr(at * steepness)
        return float(stats.norm.pdf(at) * (special.entr(chance) + special.entr(1 - chance)))

    doubt = 2 * integrate.quad(density, 0, 12, epsabs=1e-12, epsrel=1e-10)[0]
    return max(0.0, math.log(2) - float(doubt))
