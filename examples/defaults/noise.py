"""Which noise of the KDE says most about a net when nobody has chosen one.

Run with ``python examples/defaults/noise.py --data-dir DATA``; it writes ``noise.csv`` and its
``summary.csv`` beside it, with a row for each seed. About ten minutes a seed on one idle core.
Three nets, untrained and trained, the same samples for every noise.

The rule was set before the run: relative noise of 0.1 says more than a variance of 1 if fewer
layers are saturated with it, over all nets, and if I(Y;M) stands further above its null in each of
the trained nets, as a median over the layers and a share of the ceiling. Both hold for the means
over two seeds, and the first for each seed. The U-Net of the second seed stands below its null in
the median layer with either noise, and further below with relative noise of 0.1. The run was
interrupted and went on with the same seeds; one thread of a shared x86-64 machine, torch 2.14.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.datasets import MNIST

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for the package common
sys.path.append(str(Path(__file__).resolve().parents[1] / "nuclei_unet"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "many_samples"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "pruning"))

from common.tables import write_table
from data import load_nuclei
from evidence.convnets import ResNet
from mnist import convnet

import infoflow
from infoflow.testing import UNet

HERE = Path(__file__).parent
NOISES: tuple[float | infoflow.Relative, ...] = (
    *(0.01, 0.1, 1.0, 10.0),
    *(infoflow.Relative(share) for share in (0.01, 0.03, 0.1, 0.3)),
)
MEASURED = 512
HEADER = (
    *("seed", "net", "state", "noise", "layers"),
    *("I(X;M) saturated", "I(Y;M) saturated", "I(Y;M) above null", "above null, share of ceiling"),
)
Samples = tuple[Tensor, Tensor]


def nets(data_dir: Path, seed: int) -> Iterator[tuple[str, nn.Module, Samples]]:
    """Yield the name, the untrained net and the training samples of each case."""
    nuclei = load_nuclei(data_dir, size=64)
    digits = MNIST(str(data_dir), train=True)
    samples = digits.data[:6000, None].float() / 255, digits.targets[:6000]
    torch.manual_seed(seed)
    yield "U-Net, nuclei", UNet(base_channels=8), (nuclei.images, nuclei.masks)
    torch.manual_seed(seed)
    yield "ResNet, MNIST", ResNet(), samples
    yield "CNN, MNIST", convnet(seed), samples


def train(net: nn.Module, samples: Samples, *, epochs: int, seed: int) -> float:
    """Train a net with Adam; return the mean loss of the last epoch in nats."""
    inputs, targets = samples
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    loss_of = F.binary_cross_entropy if targets.is_floating_point() else F.cross_entropy
    losses: list[float] = []
    net.train()
    for _ in range(epochs):
        losses.clear()
        for rows in torch.randperm(len(inputs), generator=generator).split(32):
            optimizer.zero_grad()
            loss = loss_of(net(inputs[rows]), targets[rows])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    net.eval()
    return float(np.mean(losses))


def numbers_of(net: nn.Module, samples: Samples, noise: float | infoflow.Relative) -> list[float]:
    """Return the numbers of a row, from its layers on."""
    loader = list(zip(*(part[:MEASURED].split(64) for part in samples), strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", infoflow.InfoflowWarning)
        found = infoflow.analyze(net, loader, noise=noise, progress=False).dataset.isel(epoch=0)
    above = found["iym"] - found["iym_null_high"]
    return [
        found.sizes["layer"],
        *(int(found[name].sum()) for name in ("ixm_saturated", "iym_saturated")),
        int((above > 0).sum()),
        float((above / found["iym_ceiling"]).median()),
    ]


def main(
    data_dir: Annotated[Path, typer.Option(help="Holds MNIST and nuclei.", envvar="INFOFLOW_DATA")],
    seeds: Annotated[int, typer.Option(min=1)] = 2,
    epochs: Annotated[int, typer.Option(min=1, help="Of the U-Net; 2 for the others.")] = 30,
) -> None:
    """Measure all nets at all noises."""
    rows: list[tuple[str, ...]] = []
    for seed in range(seeds):
        for name, net, samples in nets(data_dir, seed):
            for state in ("untrained", "trained"):
                if state == "trained":
                    rounds = epochs if name.startswith("U-Net") else 2
                    print(name, train(net, samples, epochs=rounds, seed=seed), "nats", flush=True)
                for noise in NOISES:
                    *counts, share = numbers_of(net.eval(), samples, noise)
                    cells = (*(f"{count:g}" for count in counts), f"{share:.3f}")
                    rows.append((str(seed), name, state, _words(noise), *cells))
                    print(*rows[-1], flush=True)
    write_table(HERE / "noise.csv", HEADER, rows)
    write_summary(rows)


def write_summary(rows: Sequence[tuple[str, ...]]) -> None:
    """Write a variance of 1 beside relative noise: means over the seeds that have both."""
    compared = ("1", "relative, 0.1")
    found = {row[:4]: row for row in rows}
    header = ["net", "state", "seeds", "layers"]
    header += [f"saturated, noise {noise}" for noise in compared]
    header += [f"above null, noise {noise}" for noise in compared]
    summary = []
    for net, state in dict.fromkeys(row[1:3] for row in rows):
        seeds = [s for s in "0123456789" if all((s, net, state, n) in found for n in compared)]
        cells = [str(len(seeds)), found[seeds[0], net, state, compared[0]][4]]
        for column, form in ((5, ".3g"), (8, ".3f")):
            for noise in compared:
                numbers = [float(found[seed, net, state, noise][column]) for seed in seeds]
                cells.append(format(sum(numbers) / len(numbers), form))
        summary.append((net, state, *cells))
    write_table(HERE / "summary.csv", header, summary)


def _words(noise: float | infoflow.Relative) -> str:
    return f"{noise:g}" if isinstance(noise, float) else f"relative, {noise.share:g}"


if __name__ == "__main__":
    typer.run(main)
