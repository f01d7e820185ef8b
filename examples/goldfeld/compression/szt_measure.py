"""Information, bins, distances and positions of the SZT net at one epoch."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import infoflow
from compression.scales import SztTraining
from compression.szt_net import WIDTHS
from infoflow.estimators.distances import squared_distances
from infoflow.interface import InfoflowWarning

HIDDEN = WIDTHS[1:-1]
#: Bin sizes of the deterministic net, as in the paper's Fig. 1.
BIN_SIZES = (0.0001, 0.001, 0.01, 0.1, 0.2, 0.5)
#: Inputs of the distances and of the scatter plots.
_SOME = 1024
_HISTOGRAM_BINS = 40

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Net:
    """One seed's net at one epoch.

    Parameters
    ----------
    training
        What it is of.
    seed, epoch
        Which.
    model
        The net without noise.
    inputs, labels
        All 4096 inputs with their classes.
    """

    training: SztTraining
    seed: int
    epoch: int
    model: nn.Sequential
    inputs: Tensor
    labels: Tensor

    @property
    def loader(self) -> list[tuple[Tensor, Tensor]]:
        """The inputs in batches."""
        return list(zip(self.inputs.split(1024), self.labels.split(1024), strict=True))

    def noisy(self) -> infoflow.NoisyNet:
        """Return the net with its noise."""
        return infoflow.NoisyNet(self.model, beta=self.training.beta, seed=self.seed)

    def hidden(self) -> list[Tensor]:
        """Return one draw of T₁ to T₅, with the layers' own noise."""
        generator = torch.Generator().manual_seed(self.seed)
        found, value = [], self.inputs
        with torch.no_grad():
            for place in range(0, len(self.model) - 1, 2):
                value = self.model[place + 1](self.model[place](value))
                value = value + self.training.beta * torch.randn(value.shape, generator=generator)
                found.append(value)
        return found


def information(net: Net, draws: int, standard_error: float) -> tuple[list[Row], Row]:
    """Return I(X;T) and I(Y;T) of each hidden layer in nats, and what the audit says of them."""
    with warnings.catch_warnings():
        # an untrained net keeps all inputs apart, and here that is the truth
        warnings.simplefilter("ignore", InfoflowWarning)
        result = infoflow.analyze(
            net.noisy(),
            net.loader,
            estimator=infoflow.SamplePropagation(
                draws=draws, standard_error=standard_error, seed=net.seed
            ),
            unit="nats",
            progress=False,
        )
    names = ("ixm", "ixm_lower", "ixm_standard_error", "iym", "iym_lower", "iym_standard_error")
    values = {name: result.dataset[name].values.reshape(-1) for name in names}
    about = {"seed": net.seed, "epoch": net.epoch, "draws": draws}
    rows = [
        {
            **about,
            "layer": layer + 1,
            **{name: round(float(values[name][layer]), 5) for name in names},
        }
        for layer in range(len(HIDDEN))
    ]
    return rows, {**about, **audited(result.audit())}


def audited(audit: infoflow.Audit) -> Row:
    """Return how many pairs of layers an audit holds, and its findings."""
    rises = [row.rise for row in audit.violations]
    return {
        "pairs": len(audit.rows),
        "holds": audit.count("holds"),
        "within_interval": audit.count("within interval"),
        "estimator": audit.count("estimator"),
        "largest_rise": round(max(rises, default=0.0), 5),
    }


def bin_entropies(net: Net, sizes: tuple[float, ...]) -> list[Row]:
    """Return H(Bin(T)) of each hidden layer in nats, for several sizes of the bins."""
    rows: list[Row] = []
    for layer, values in enumerate(net.hidden(), start=1):
        for size in sizes:
            binning = infoflow.Binning(size)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InfoflowWarning)  # small bins keep inputs apart
                entropy = infoflow.estimate(values, estimator=binning, unit="nats").ixm
            about = {"seed": net.seed, "epoch": net.epoch, "layer": layer, "bin_size": size}
            rows.append({**about, "entropy": round(entropy, 5)})
    return rows


def distances(net: Net) -> tuple[list[Row], dict[str, Any]]:
    """Return medians and near pairs of each hidden layer, and the histograms.

    A pair is near where the two are closer than ten standard deviations of the noise, or 0.05
    without noise: ``near_pairs`` is the share of all pairs, ``near_same_class`` the share of the
    near ones that are of one class.
    """
    rows: list[Row] = []
    histograms: dict[str, Any] = {}
    labels = net.labels[:: len(net.labels) // _SOME]
    same = labels[:, None] == labels
    upper = torch.ones_like(same).triu(1)
    for layer, values in enumerate(net.hidden(), start=1):
        squared = squared_distances(values[:: len(values) // _SOME])
        found = infoflow.distance_histograms(squared, labels, bins=_HISTOGRAM_BINS)
        near = (squared < (10 * (net.training.beta or 0.005)) ** 2) & upper
        pairs = int(near.sum())
        rows.append(
            {
                "seed": net.seed,
                "epoch": net.epoch,
                "layer": layer,
                "within_median": round(found.within_median, 5),
                "between_median": round(found.between_median, 5),
                "near_pairs": round(pairs / int(upper.sum()), 6),
                "near_same_class": round(int((near & same).sum()) / pairs, 5) if pairs else None,
            }
        )
        key = f"epoch{net.epoch}-layer{layer}"
        histograms[f"{key}-edges"] = found.edges.astype("float32")
        histograms[f"{key}-within"] = found.within.astype("float32")
        histograms[f"{key}-between"] = found.between.astype("float32")
    return rows, histograms


def positions(net: Net) -> dict[str, Any]:
    """Return where some inputs lie in layer 5, and their classes."""
    some = slice(None, None, len(net.inputs) // _SOME)
    return {
        f"epoch{net.epoch}": net.hidden()[-1][some].numpy().astype("float16"),
        "labels": net.labels[some].numpy().astype("int8"),
    }
