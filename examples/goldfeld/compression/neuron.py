"""One noisy tanh neuron, and two leaky-ReLU neurons in a row, beside numerical integration.

The paper's section 4 and Fig. 4. All numbers are in nats.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import quad
from torch import Tensor
from torch.nn import functional as F

from infoflow.estimators.propagation import sample_propagation

Floats = NDArray[np.float64]

INPUTS = torch.tensor([-3.0, -1.0, 1.0, 3.0], dtype=torch.float64)
TARGETS = torch.tensor([-1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
#: Noise levels of the neuron.
BETAS = (0.01, 0.05, 0.2, 0.5)
#: The two-neuron net: the paper only mentions it, so inputs, targets and noise are ours.
PAIR_INPUTS = torch.arange(1.0, 9.0, dtype=torch.float64)
PAIR_TARGETS = torch.tensor([0.0] * 4 + [0.25] * 4, dtype=torch.float64)
PAIR_BETA, SLOPE, PAIR_DRAWS = 0.01, 0.1, 512
#: Learning rate of both.
RATE = 0.01


def train_neuron(epochs: list[int]) -> list[Tensor]:
    """Return weight and bias at some epochs of gradient descent from zero."""
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    found = []
    for epoch in range(max(epochs) + 1):
        if epoch in epochs:
            found.append(weights.detach().clone())
        values = torch.tanh(weights[0] * INPUTS + weights[1])
        (gradient,) = torch.autograd.grad((values - TARGETS).square().mean(), weights)
        with torch.no_grad():
            weights -= RATE * gradient
    return found


def integrated(values: Tensor, beta: float) -> float:
    """Return the information of equally likely values in Gaussian noise, by quadrature.

    Examples
    --------
    >>> far_apart = torch.tensor([0.0, 9.0], dtype=torch.float64)
    >>> abs(integrated(far_apart, 0.1) - math.log(2)) < 1e-6
    True
    """
    centres, counts = np.unique(values.numpy().round(12), return_counts=True)
    weights = counts / counts.sum()

    def integrand(t: float) -> float:
        kernels = np.exp(-(((t - centres) / beta) ** 2) / 2)
        density = float(weights @ kernels) / (beta * math.sqrt(2 * math.pi))
        return -density * math.log(density) if density > 0 else 0.0

    edges = np.unique(np.concatenate([centres - 9 * beta, centres, centres + 9 * beta]))
    edges = edges[np.diff(edges, prepend=-np.inf) > 0.01 * beta]
    pairs = itertools.pairwise(edges)
    entropy = sum(quad(integrand, a, b, epsabs=1e-7)[0] for a, b in pairs)
    return float(entropy - 0.5 * math.log(2 * math.pi * math.e * beta**2))


def neuron_rows(epochs: list[int]) -> list[dict[str, Any]]:
    """Return I(X;T(k)) of the neuron, sampled and integrated, for every noise level."""
    rows = []
    for epoch, (weight, bias) in zip(epochs, train_neuron(epochs), strict=True):
        values = torch.tanh(weight * INPUTS + bias)
        for beta in BETAS:
            got = sample_propagation(values[:, None, None], beta)
            about = {"epoch": epoch, "weight": weight.item(), "bias": bias.item(), "beta": beta}
            numbers = {"integrated": integrated(values, beta), "sampled": got.ixm}
            rows.append(_rounded({**about, **numbers, "standard_error": got.ixm_standard_error}))
    return rows


def train_pair(epochs: list[int]) -> list[Tensor]:
    """Return (w₁, b₁, w₂, b₂) at some epochs of gradient descent on the net without noise."""
    weights = torch.tensor([0.05, 0.0, 0.05, 0.0], dtype=torch.float64, requires_grad=True)
    found = []
    for epoch in range(max(epochs) + 1):
        if epoch in epochs:
            found.append(weights.detach().clone())
        first = F.leaky_relu(weights[0] * PAIR_INPUTS + weights[1], SLOPE)
        second = F.leaky_relu(weights[2] * first + weights[3], SLOPE)
        (gradient,) = torch.autograd.grad((second - PAIR_TARGETS).square().mean(), weights)
        with torch.no_grad():
            weights -= RATE * gradient
    return found


def pair_draws(weights: Tensor, draws: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return draws of both neurons before their own noise, (inputs, draws, 1) each."""
    generator = torch.Generator().manual_seed(seed)
    first = F.leaky_relu(weights[0] * PAIR_INPUTS + weights[1], SLOPE)[:, None].expand(-1, draws)
    noise = torch.randn(first.shape, generator=generator, dtype=torch.float64)
    second = F.leaky_relu(weights[2] * (first + PAIR_BETA * noise) + weights[3], SLOPE)
    return first[:, :, None], second[:, :, None]


def pair_integrated(weights: Tensor, points: int = 4000, nodes: int = 201) -> float:
    """Return I(X;T₂) of the two neurons by integrating over the noise of both on grids."""
    at = np.linspace(-6.0, 6.0, nodes)
    share = np.exp(-at * at / 2)
    share /= share.sum()
    first = F.leaky_relu(weights[0] * PAIR_INPUTS + weights[1], SLOPE).numpy()
    noisy = torch.from_numpy(first[:, None] + PAIR_BETA * at)
    centres = F.leaky_relu(weights[2] * noisy + weights[3], SLOPE).numpy()
    edges = centres.min() - 8 * PAIR_BETA, centres.max() + 8 * PAIR_BETA
    grid = np.linspace(*edges, points)
    given = np.stack([_density(grid, row, share) for row in centres])
    step = grid[1] - grid[0]
    whole = _entropy(given.mean(0), step)
    return float(whole - np.mean([_entropy(row, step) for row in given]))


def _density(grid: Floats, centres: Floats, share: Floats) -> Floats:
    kernels = np.exp(-(((grid[:, None] - centres) / PAIR_BETA) ** 2) / 2)
    density: Floats = kernels @ share / (PAIR_BETA * math.sqrt(2 * math.pi))
    return density


def _entropy(density: Floats, step: float) -> float:
    logs = np.log(density, where=density > 0, out=np.zeros_like(density))
    return float(-(density * logs).sum() * step)


def pair_rows(epochs: list[int]) -> list[dict[str, Any]]:
    """Return I(X;T₁) and I(X;T₂) of the two neurons, sampled and integrated."""
    rows = []
    for epoch, weights in zip(epochs, train_pair(epochs), strict=True):
        first, second = pair_draws(weights, PAIR_DRAWS, seed=0)
        truths = integrated(first[:, 0, 0], PAIR_BETA), pair_integrated(weights)
        for layer, (draws, truth) in enumerate(zip((first, second), truths, strict=True), start=1):
            got = sample_propagation(draws, PAIR_BETA)
            numbers = {"integrated": truth, "sampled": got.ixm, "lower": got.ixm_lower}
            about = {"epoch": epoch, "layer": layer}
            rows.append(_rounded({**about, **numbers, "standard_error": got.ixm_standard_error}))
    return rows


def neuron_epochs(last: int) -> list[int]:
    """Return epochs that are spaced evenly in the logarithm, with those of Fig. 4(a)."""
    spaced = np.geomspace(1, last, min(40, last // 10)).round().astype(int).tolist()
    return sorted({*spaced, *(epoch for epoch in (250, 2500) if epoch <= last)})


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 6) if isinstance(value, float) else value for name, value in row.items()
    }
