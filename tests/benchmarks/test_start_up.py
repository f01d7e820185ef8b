"""What it costs to begin, in CPU time of whole processes beside ``import torch``.

Run with ``pytest tests/benchmarks/test_start_up.py --benchmark-only -s``.
"""

import os
import statistics
import subprocess
import sys

import pytest

from tests.benchmarks.clock import ROUNDS, show

NET = "net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))"
DATA = "data = [(torch.randn(64, 4), torch.arange(64) % 2)]"
ANALYZE = "infoflow.analyze(net, data, progress=False, noise='relative')"
PROGRAMS = {
    "import torch": ["-c", "import torch"],
    "import infoflow": ["-c", "import infoflow"],
    "infoflow graph torchvision:resnet18": ["-m", "infoflow", "graph", "torchvision:resnet18"],
    "first analyze": ["-c", "\n".join(("import torch, infoflow", NET, DATA, ANALYZE))],
}


def cpu_seconds(arguments):
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = os.times()
    spent = after.children_user - before.children_user
    return spent + after.children_system - before.children_system


@pytest.mark.benchmark(group="start-up")
def test_beginnings_beside_import_torch(benchmark):
    cpu_seconds(PROGRAMS["first analyze"])  # what is compiled once
    rounds = [
        {name: cpu_seconds(arguments) for name, arguments in PROGRAMS.items()}
        for _ in range(ROUNDS)
    ]
    show(
        benchmark,
        {
            f"{name} / import torch": statistics.median(o[name] / o["import torch"] for o in rounds)
            for name in PROGRAMS
            if name != "import torch"
        },
    )


@pytest.mark.benchmark(group="start-up")
def test_the_demo_beside_import_torch(benchmark, tmp_path):
    """The README's first command, in CPU time; 30 seconds were asked for on two idle cores."""
    torch = cpu_seconds(PROGRAMS["import torch"])
    demo = cpu_seconds(["-m", "infoflow", "demo", "--out", str(tmp_path / "demo")])
    show(benchmark, {"infoflow demo / import torch": demo / torch})
    print(f"infoflow demo: {demo:.0f} s of CPU time")
