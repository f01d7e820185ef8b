"""The noisy SZT net of Goldfeld et al. (2019), Fig. 5(a): train it, and measure it on the way.

The task of Shwartz-Ziv and Tishby: all 4096 inputs of 12 bits with a binary label, a fully
connected 12-10-7-5-4-3-2 net with tanh, noise of β = 0.005 at the five hidden layers. 85 % of the
inputs are for training, in batches of 256, with plain SGD; information is measured over all 4096.

    python examples/noisy_szt/run.py --data-dir DATA --out szt.csv
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import time
import warnings
from pathlib import Path

import torch
from scipy.io import loadmat
from torch import Tensor, nn
from torch.nn import functional as F

import infoflow
from infoflow.interface import SaturationWarning

WIDTHS = (12, 10, 7, 5, 4, 3, 2)


def read_task(data_dir: Path) -> tuple[Tensor, Tensor]:
    """Return all 4096 inputs, as −1 and 1, and their labels."""
    stored = loadmat(data_dir / "szt" / "var_u.mat")
    inputs = torch.as_tensor(stored["F"], dtype=torch.float32)
    return 2.0 * inputs - 1.0, torch.as_tensor(stored["y"]).flatten().long()


def szt_net() -> nn.Sequential:
    """Return the tanh net with Glorot weights."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(WIDTHS):
        linear = nn.Linear(inputs, outputs)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def train(noisy: infoflow.NoisyNet, inputs: Tensor, labels: Tensor, epochs: int, lr: float) -> None:
    """Train for some epochs with plain SGD and batches of 256."""
    optimizer = torch.optim.SGD(noisy.parameters(), lr=lr)
    for _ in range(epochs):
        for rows in torch.randperm(len(inputs)).split(256):
            optimizer.zero_grad()
            F.cross_entropy(noisy(inputs[rows]), labels[rows]).backward()
            optimizer.step()


def measure(
    noisy: infoflow.NoisyNet, inputs: Tensor, labels: Tensor, draws: int, epoch: int
) -> list[dict[str, object]]:
    """Measure layer by layer, so that each has its own processor time."""
    loader = list(zip(inputs.split(1024), labels.split(1024), strict=True))
    estimator = infoflow.SamplePropagation(draws=draws)
    rows: list[dict[str, object]] = []
    for layer in noisy.noisy_layers(inputs[:2]):
        start = time.process_time()
        result = infoflow.analyze(
            noisy, loader, estimator=estimator, layers=layer.name, unit="nats", progress=False
        )
        seconds = time.process_time() - start
        names = ("ixm", "ixm_lower", "ixm_standard_error", "ixm_risk_bound")
        names += ("iym", "iym_lower", "iym_standard_error")
        values = {name: round(result.dataset[name].item(), 4) for name in names}
        units = layer.shape[0]
        rows.append({"epoch": epoch, "units": units, **values, "cpu_seconds": round(seconds, 1)})
    return rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data-dir", default=os.environ.get("INFOFLOW_DATA"))
    options.add_argument("--out", type=Path, default=Path("szt.csv"))
    options.add_argument("--epochs", type=int, nargs="+", default=[0, 300])
    options.add_argument("--beta", type=float, default=0.005)
    options.add_argument("--lr", type=float, default=0.1)
    options.add_argument("--draws", type=int, default=32)
    chosen = options.parse_args()
    if chosen.data_dir is None:
        options.error("give --data-dir, or set INFOFLOW_DATA: the folder that holds szt/var_u.mat")
    # an untrained net keeps all inputs apart in every layer, and here that is the truth
    warnings.simplefilter("ignore", SaturationWarning)
    torch.manual_seed(0)
    inputs, labels = read_task(Path(chosen.data_dir))
    train_rows, test_rows = torch.randperm(len(inputs)).split([3482, 614])
    noisy = infoflow.NoisyNet(szt_net(), beta=chosen.beta)
    rows: list[dict[str, object]] = []
    done = 0
    for epoch in chosen.epochs:
        train(noisy, inputs[train_rows], labels[train_rows], epoch - done, chosen.lr)
        done = epoch
        with torch.no_grad():
            right = noisy(inputs[test_rows]).argmax(1) == labels[test_rows]
        print(f"epoch {epoch}: test accuracy {right.float().mean():.3f}", flush=True)
        for row in measure(noisy, inputs, labels, chosen.draws, epoch):
            rows.append(row)
            print(row, flush=True)
    with chosen.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
