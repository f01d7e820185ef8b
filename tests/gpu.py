"""Run the first tier of the tests and compare numbers on an accelerator: ``python -m tests.gpu``.

Made for one session of at most eight minutes on a machine with a GPU:

    python -m tests.gpu --device cuda --out gpu

It measures the same nets on the CPU and on the device, writes the differences as a table for the
docs (``numbers.csv``), and then runs the first tier of the tests, as far as the time goes, with
``device=`` given to everything that takes it. ``--device cpu`` tries the script without a GPU.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

import infoflow
from infoflow.testing import UNet, blob_images
from tests import tiers

#: Seconds of the whole script.
LIMIT = 480
#: Largest differences that the docs promise: in bits, for float32 nets without TF32.
PROMISED = 1e-3
#: What measures nets, the quickest first.
TESTS = ("tests/test_devices.py", "tests/capture", "tests/flow", "tests/pruning/ablation")

Loader = list[tuple[torch.Tensor, torch.Tensor]]
Row = dict[str, object]


class Tokens(nn.Module):
    """Two transformer blocks on vectors, with attention, norms and residuals."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 32)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(32, 4, 64, batch_first=True) for _ in range(2)
        )
        self.head = nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.embed(x)
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(hidden.mean(1))


class Residual(nn.Module):
    """A residual block between linear layers, in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.h = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 4)
        self.double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.a(x).relu()
        return self.h(a + self.b(a).relu())


def nets() -> Iterator[tuple[str, nn.Module, Loader]]:
    """Yield small nets with data, the same on every call."""
    torch.manual_seed(0)
    images, masks = blob_images(128, size=32, seed=0)
    yield "UNet", UNet(base_channels=4), _batches(images, masks)
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(256) % 4
    tokens = torch.randn(256, 6, 8, generator=generator) + classes[:, None, None]
    yield "Tokens", Tokens(), _batches(tokens, classes)
    vectors = torch.randn(256, 8, generator=generator, dtype=torch.float64) + classes[:, None]
    yield "Residual, float64", Residual(), _batches(vectors, classes)


def _batches(x: torch.Tensor, y: torch.Tensor) -> Loader:
    return [(x[i : i + 32], y[i : i + 32]) for i in range(0, len(x), 32)]


def analysis(**options: object) -> Callable[[nn.Module, Loader, str], dict[str, np.ndarray]]:
    """Return what measures I(X;M) and I(Y;M) of every layer, in bits."""

    def run(net: nn.Module, loader: Loader, device: str) -> dict[str, np.ndarray]:
        target = infoflow.KMeans(4) if loader[0][1].ndim > 1 else "auto"
        options_of_all = {"target": target, "progress": False, "device": device, **options}
        result = infoflow.analyze(net, loader, **options_of_all)
        return {"I(X;M)": result.ixm.values, "I(Y;M)": result.iym.values}

    return run


def ablation(net: nn.Module, loader: Loader, device: str) -> dict[str, np.ndarray]:
    """Return the bits lost without each stream, as the net is."""
    return {"bits lost": infoflow.ablate(
        net, loader, mend=None, sets=None, progress=False, device=device
    ).dataset["bits"].values}  # fmt: skip


MEASUREMENTS: dict[str, Callable[[nn.Module, Loader, str], dict[str, np.ndarray]]] = {
    "kde, exact": analysis(noise="relative", distances="exact"),
    "kde, sketch": analysis(
        noise="relative", distances=infoflow.DistanceOptions("sketch", sketch_size=64)
    ),
    "binning": analysis(estimator=infoflow.Binning(0.5)),
    "ksg": analysis(estimator="ksg"),
    "renyi": analysis(estimator="renyi"),
    "ablate": ablation,
}


def compare(device: str, deadline: float) -> list[Row]:
    """Measure every net both ways; a row for each net and measurement."""
    rows: list[Row] = []
    for name, net, loader in nets():
        for what, run in MEASUREMENTS.items():
            if time.monotonic() > deadline:
                print(f"no time left for {what} of {name}", flush=True)
                continue
            rows += _row(name, what, run, net, loader, device)
    return rows


def _row(
    name: str,
    what: str,
    run: Callable[[nn.Module, Loader, str], dict[str, np.ndarray]],
    net: nn.Module,
    loader: Loader,
    device: str,
) -> list[Row]:
    try:
        on_cpu, cpu_seconds = _timed(run, net, loader, "cpu")
        there, seconds = _timed(run, net, loader, device)
    except infoflow.InfoflowError as error:
        print(f"{name}, {what}: {error}", flush=True)
        return [{"net": name, "measurement": what, "quantity": "", "error": str(error)}]
    rows: list[Row] = []
    for quantity, wanted in on_cpu.items():
        if np.isnan(wanted).all():
            continue  # an estimator that cannot say it
        off = np.nanmax(np.abs(there[quantity] - wanted))
        rows.append(
            {
                "net": name,
                "measurement": what,
                "quantity": quantity,
                "largest": float(np.nanmax(wanted)),
                "off by": float(off),
                "CPU seconds": cpu_seconds,
                "seconds": seconds,
                "error": "",
            }
        )
        print(f"{name}, {what}, {quantity}: off by {off:.2g} bits, {seconds:.1f} s", flush=True)
    return rows


def _timed(
    run: Callable[[nn.Module, Loader, str], dict[str, np.ndarray]],
    net: nn.Module,
    loader: Loader,
    device: str,
) -> tuple[dict[str, np.ndarray], float]:
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", infoflow.InfoflowWarning)
        found = run(net, loader, device)
    return found, round(time.perf_counter() - start, 3)


def write(rows: list[Row], path: Path, device: str) -> None:
    """Write the table for the docs."""
    name = torch.cuda.get_device_name() if device.startswith("cuda") else device
    columns = ("net", "measurement", "quantity", "largest", "off by", "CPU seconds", "seconds")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, (*columns, "device", "torch", "error"), restval="")
        writer.writeheader()
        writer.writerows({**row, "device": name, "torch": torch.__version__} for row in rows)


def run_tests(device: str, seconds: float) -> int:
    """Run the first tier, measuring on the device; return pytest's code."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    try:
        done = subprocess.run(
            command, env={**os.environ, tiers.DEVICE: device}, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"the tests took more than {seconds:.0f} s", flush=True)
        return 124
    return done.returncode


def main() -> int:
    """Compare, write the table, run the tests; 1 where a number or a test is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=Path("gpu"))
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds of all")
    parser.add_argument("--no-tests", action="store_true", help="compare numbers only")
    given = parser.parse_args()
    start = time.monotonic()
    given.out.mkdir(parents=True, exist_ok=True)
    rows = compare(given.device, start + 0.4 * given.limit)
    write(rows, given.out / "numbers.csv", given.device)
    wrong = [row for row in rows if row["error"] or float(str(row["off by"])) > PROMISED]
    for row in wrong:
        print(f"WRONG: {row}", flush=True)
    left = given.limit - (time.monotonic() - start) - 10
    code = 0 if given.no_tests else run_tests(given.device, left)
    return int(bool(wrong) or code != 0)


if __name__ == "__main__":
    sys.exit(main())
