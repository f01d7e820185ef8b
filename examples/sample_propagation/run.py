"""Sample propagation against known truth: Goldfeld's neuron, and how fast its error falls.

    python examples/sample_propagation/run.py --out docs

writes ``noise_neuron.png`` (Fig. 4(c) and (d) of Goldfeld et al., 2019, beside numerical
integration), ``noise_rate.png`` and ``noise_rate.csv`` (the error against the number of inputs, on
a linear-Gaussian chain whose information has a closed form). About ten minutes on one core.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.integrate import quad
from torch import Tensor

from infoflow.estimators.propagation import sample_propagation

INPUTS = torch.tensor([-3.0, -1.0, 1.0, 3.0], dtype=torch.float64)
TARGETS = torch.tensor([-1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
BETA = 0.5


def integrated(values: Tensor, beta: float) -> float:
    """Return the information of equally likely values in Gaussian noise, by quadrature."""
    centres = np.unique(values.numpy().round(12))
    weights = np.array([np.isclose(values.numpy(), c, atol=1e-11).mean() for c in centres])

    def integrand(t: float) -> float:
        kernels = np.exp(-(((t - centres) / beta) ** 2) / 2)
        density = float(weights @ kernels) / (beta * math.sqrt(2 * math.pi))
        return -density * math.log(density) if density > 0 else 0.0

    edges = np.unique(np.concatenate([centres - 9 * beta, centres, centres + 9 * beta]))
    edges = edges[np.diff(edges, prepend=-np.inf) > 0.01 * beta]
    pairs = itertools.pairwise(edges)
    entropy = sum(quad(integrand, a, b, epsabs=1e-7)[0] for a, b in pairs)
    return float(entropy - 0.5 * math.log(2 * math.pi * math.e * beta**2))


def train_neuron(epochs: list[int], lr: float = 0.01) -> list[Tensor]:
    """Return tanh(wx + b) of the four inputs at some epochs of gradient descent from zero."""
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    found = []
    for epoch in range(max(epochs) + 1):
        values = torch.tanh(weights[0] * INPUTS + weights[1])
        if epoch in epochs:
            found.append(values.detach().clone())
        (gradient,) = torch.autograd.grad((values - TARGETS).square().mean(), weights)
        with torch.no_grad():
            weights -= lr * gradient
    return found


def plot_neuron(path: Path) -> None:
    """Draw I(X;T) of the neuron over its training, sampled and integrated."""
    epochs = sorted({int(e) for e in np.geomspace(1, 30_000, 40)})
    values = train_neuron(epochs)
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for beta, colour in ((0.01, "C0"), (0.05, "C1"), (0.2, "C2")):
        truth = [integrated(v, beta) for v in values]
        got = [sample_propagation(v[:, None, None], beta) for v in values]
        worst = max(abs(g.ixm - t) for g, t in zip(got, truth, strict=True))
        print(f"beta {beta}: largest distance to the integral {worst:.4f} nats")
        axes.plot(epochs, truth, colour, label=f"β = {beta:g}, integrated")
        axes.plot(epochs, [g.ixm for g in got], f"{colour}o", ms=4, mfc="none", label="sampled")
    axes.axhline(math.log(4), color="grey", lw=0.8, ls=":")
    axes.set(xscale="log", xlabel="epoch", ylabel="I(X;T) in nats", title="One tanh neuron")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=100)


def errors_of(layer: int, size: int, sets: int) -> np.ndarray:
    """Return the error, in nats, on each of many data sets of ``size`` inputs.

    X is standard normal, every layer adds noise of β = 0.5, and there are as many draws as inputs.
    """
    truth = 0.5 * math.log1p(1.0 / (layer * BETA**2))
    errors = []
    for seed in range(sets):
        generator = torch.Generator().manual_seed(1000 * size + seed)
        draws = torch.randn(size, 1, 1, generator=generator, dtype=torch.float64)
        if layer == 2:
            noise = torch.randn(size, size, 1, generator=generator, dtype=torch.float64)
            draws = draws + BETA * noise
        wanted = 0.1 / math.sqrt(size)  # well below the error that the inputs make
        got = sample_propagation(draws, BETA, standard_error=wanted, seed=seed)
        errors.append(got.ixm - truth)
    return np.array(errors)


def row_of(layer: int, size: int, sets: int) -> dict[str, float]:
    """Return the mean absolute error with its standard error, and the mean error, in nats."""
    errors = errors_of(layer, size, sets)
    distances = np.abs(errors)
    row = {
        "layer": layer,
        "inputs": size,
        "error_nats": round(float(distances.mean()), 5),
        "standard_error": round(float(distances.std() / math.sqrt(sets)), 5),
        "bias_nats": round(float(errors.mean()), 5),
        "data_sets": sets,
    }
    print(row, flush=True)
    return row


def slope_of(rows: list[dict[str, float]]) -> tuple[float, float]:
    """Return the slope of log error by log inputs, and its standard error."""
    sizes, errors, bars = (
        np.array([row[key] for row in rows]) for key in ("inputs", "error_nats", "standard_error")
    )
    fit, covariance = np.polyfit(np.log(sizes), np.log(errors), 1, w=errors / bars, cov="unscaled")
    return float(fit[0]), float(covariance[0, 0] ** 0.5)


def plot_rate(png: Path, table: Path, sets: int) -> None:
    """Draw the error against the number of inputs, on logarithmic axes."""
    rows = []
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for layer, sizes in ((1, (16, 32, 64, 128, 256, 512)), (2, (8, 16, 32))):
        # small data sets cost little, and can be many
        found = [row_of(layer, size, sets * (1 if size > 64 // layer**2 else 4)) for size in sizes]
        slope, doubt = slope_of(found)
        label = f"layer {layer}: slope {slope:.2f} ± {doubt:.2f}"
        print(label, flush=True)
        columns = [[row[key] for row in found] for key in ("error_nats", "standard_error")]
        axes.errorbar(sizes, *columns, marker="o", ms=4, label=label)
        rows += found
    guide = np.array([8, 512])
    axes.plot(guide, 0.7 / np.sqrt(guide), "k:", lw=0.8, label=r"$n^{-1/2}$")
    axes.set(xscale="log", yscale="log", xlabel="inputs n", ylabel="mean error in nats")
    axes.set_title("A noisy linear chain, against its closed form")
    axes.legend(fontsize=8)
    figure.savefig(png, dpi=100)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=Path("docs"))
    options.add_argument("--sets", type=int, default=100, help="data sets of the largest sizes")
    chosen = options.parse_args()
    plot_neuron(chosen.out / "noise_neuron.png")
    plot_rate(chosen.out / "noise_rate.png", chosen.out / "noise_rate.csv", chosen.sets)


if __name__ == "__main__":
    main()
