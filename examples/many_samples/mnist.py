"""Measure what anchors and exact distances cost against the number of samples: a CNN on MNIST.

Run with ``python examples/many_samples/mnist.py --data-dir DATA``; it writes ``mnist.csv`` and
``exponents.csv`` beside it. About five minutes on one core. Every measurement has a process of its
own: CPU time of one thread, and the peak of its memory above what it had before.
"""

from __future__ import annotations

import csv
import multiprocessing
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import nn
from torchvision.datasets import MNIST

import infoflow

HERE = Path(__file__).parent
#: Exact matrices of more samples do not fit into the usual budget of 2 GB.
SIZES = {"exact": (500, 1000, 2000, 4000), "anchors": (500, 1000, 2000, 4000, 10_000, 50_000)}
#: Exponents are fitted from here on: below, what does not depend on N counts, and every sample is
#: an anchor.
FITTED_FROM = {"exact": 1000, "anchors": 2000}
BATCH = 250


def convnet(seed: int = 0) -> nn.Module:
    """Return the net with random weights, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU()),
            nn.MaxPool2d(2),
            nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(784, 64),
            nn.Tanh(),
            nn.Linear(64, 10),
        )


def trained(images: torch.Tensor, labels: torch.Tensor) -> nn.Module:
    """Return the net after one epoch of 10,000 digits."""
    net = convnet()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for start in range(0, 10_000, 100):
        optimizer.zero_grad()
        part = slice(start, start + 100)
        nn.functional.cross_entropy(net(images[part]), labels[part]).backward()
        optimizer.step()
    return net.eval()


def digits(data_dir: Path, samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first training digits."""
    found = MNIST(str(data_dir), train=True)
    return found.data[:samples, None].float() / 255, found.targets[:samples]


def measured(task: tuple[str, int, Path, dict[str, torch.Tensor]]) -> dict[str, object]:
    """Return the cost and the numbers of one measurement, in this process."""
    mode, samples, data_dir, state = task
    torch.set_num_threads(1)
    net = convnet()
    net.load_state_dict(state)
    images, labels = digits(data_dir, samples)
    loader = list(zip(images.split(BATCH), labels.split(BATCH), strict=True))
    # what is imported at the first call is no cost of the samples
    infoflow.analyze(net.eval(), loader[:1], noise="relative", progress=False)
    with torch.no_grad():
        start = time.process_time()
        for batch, _ in loader:
            net(batch)
        forward = time.process_time() - start
    before, start = _peak(), time.process_time()
    result = infoflow.analyze(net, loader, noise="relative", distances=mode, progress=False)
    seconds = time.process_time() - start
    names = ("ixm", "iym", "ixm_standard_error", "iym_standard_error", "iym_ci_low", "iym_ci_high")
    numbers = {
        name: result.dataset[name][0].values.tolist() for name in names if name in result.dataset
    }
    costs = {"forward": forward, "seconds": seconds, "memory": (_peak() - before) / 1e6}
    return {"mode": mode, "samples": samples, **costs, **numbers}


def _peak() -> float:
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def exponent(runs: Sequence[dict[str, object]], mode: str, cost: str) -> float:
    """Return the slope of log cost by log N."""
    chosen = [r for r in runs if r["mode"] == mode and r["samples"] >= FITTED_FROM[mode]]
    logs = np.log([[one["samples"], one[cost]] for one in chosen])
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def table(runs: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Return a row for each run; the error is that of the layer that is off most."""
    exact = {one["samples"]: one for one in runs if one["mode"] == "exact"}
    return [
        {
            "distances": one["mode"],
            "samples": f"{one['samples']:,}",
            "CPU (s)": f"{one['seconds']:.1f}",
            "forward passes": f"{one['seconds'] / one['forward']:.1f}",
            "memory (MB)": f"{one['memory']:.0f}",
            **_doubt(one, exact.get(one["samples"])),
        }
        for one in runs
    ]


def _doubt(one: dict[str, object], exact: dict[str, object] | None) -> dict[str, str]:
    """Return the last layer's I(Y;M), the widest interval, and what exact distances say."""
    low, high = np.array(one["iym_ci_low"]), np.array(one["iym_ci_high"])
    found = {
        "I(Y;M), last layer (bits)": f"{one['iym'][-1]:.3f}",
        "widest interval (bits)": f"{float((high - low).max()):.3f}",
        "off exact (bits)": "",
        "standard error (bits)": "",
        "interval holds exact": "",
    }
    if exact is None or one is exact or "iym_standard_error" not in one:
        return found
    gaps = np.abs(np.array(one["iym"]) - exact["iym"])
    worst = int(gaps.argmax())
    held = (low <= exact["iym"]) & (exact["iym"] <= high)
    return {
        **found,
        "off exact (bits)": f"{gaps[worst]:.3f}",
        "standard error (bits)": f"{one['iym_standard_error'][worst]:.3f}",
        "interval holds exact": f"{int(held.sum())} of {len(held)} layers",
    }


def _write(path: Path, rows: Sequence[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def main(data_dir: Annotated[Path, typer.Option(envvar="INFOFLOW_DATA")], out: Path = HERE) -> None:
    """Measure, and write both tables."""
    torch.set_num_threads(1)
    state = trained(*digits(data_dir, 10_000)).state_dict()
    runs = []
    for mode, sizes in SIZES.items():
        for samples in sizes:
            # a process of its own has a peak of its own
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                runs.append(pool.apply(measured, ((mode, samples, data_dir, state),)))
            print(mode, samples, f"{runs[-1]['seconds']:.1f} s", flush=True)
    _write(out / "mnist.csv", table(runs))
    exponents = [
        {
            "distances": mode,
            "from": f"{FITTED_FROM[mode]:,}",
            "to": f"{SIZES[mode][-1]:,}",
            "CPU time": f"{exponent(runs, mode, 'seconds'):.2f}",
            "memory": f"{exponent(runs, mode, 'memory'):.2f}",
        }
        for mode in SIZES
    ]
    _write(out / "exponents.csv", exponents)


if __name__ == "__main__":
    typer.run(main)
