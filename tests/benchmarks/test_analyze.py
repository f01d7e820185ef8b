"""Cost of ``analyze`` beside one plain forward pass and beside the straightforward way.

Ratios of CPU time within one run; no time is asserted. Run with
``pytest tests/benchmarks/test_analyze.py --benchmark-only -s``.
"""

import json
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

import infoflow
from infoflow.capture.budget import format_bytes, parse_bytes
from tests.benchmarks import case
from tests.benchmarks.clock import ratios, show
from tests.benchmarks.scripts import matmul, script, syrk

#: Most of the 64 clusters of these masks hold one image; the cost does not depend on it.
pytestmark = pytest.mark.filterwarnings("ignore::infoflow.interface.SingletonWarning")

FORWARD = "forward pass"
SINGLE = infoflow.DistanceOptions("exact", precision="float32")
OURS = {
    "exact, 8 GB": {"distances": "exact", "budget": "8GB"},
    "exact in float32, 8 GB": {"distances": SINGLE, "budget": "8GB"},
    "exact, 1 GB": {"distances": "exact", "budget": "1GB"},
    "sketch, 1 GB": {"distances": "sketch", "budget": "1GB"},
}
SCRIPTS = {
    "script, float32, upper bound": (torch.float32, (2,), matmul),
    "script, float32, upper bound, syrk": (torch.float32, (2,), syrk),
    "script, float64, both bounds": (torch.float64, (2, 8), matmul),
}


@pytest.mark.benchmark(group="analyze")
def test_measurements_beside_a_forward_pass_and_scripts(benchmark, clock):
    dataset = case.data()
    net, batches = case.model().to(clock.device), case.loader(dataset)
    labels = case.CLUSTERS.reduce(dataset.tensors[1]).classes
    results = {}

    def measure(name):
        results[name] = case.measure(net, batches, labels, **OURS[name])

    def run(name):
        dtype, factors, product = SCRIPTS[name]
        script(net, batches, labels, dtype=dtype, factors=factors, product=product)

    is_here = clock.device.type == "cpu"
    scripts = [name for name in SCRIPTS if is_here or "syrk" not in name]
    ways = {FORWARD: partial(case.forward, net, batches)}
    ways |= {name: partial(measure, name) for name in OURS}
    ways |= {name: partial(run, name) for name in scripts}
    ways[FORWARD]()
    figures = ratios(clock.rounds(ways), FORWARD)
    exact, single, small, sketch = (results[name].dataset for name in OURS)
    for name in ("ixm", "iym"):
        rounding = np.abs(single[name] - exact[name])
        assert bool((rounding <= single[f"{name}_sketch_error"] + 1e-9).all())
        figures[f"float32: largest error of {name} (bits)"] = float(rounding.max())
        np.testing.assert_allclose(exact[name], small[name], rtol=0, atol=1e-6)
        off = np.abs(sketch[name] - exact[name])
        assert bool((off <= sketch[f"{name}_sketch_error"]).all())
        figures[f"sketch: largest error of {name} (bits)"] = float(off.max())
    show(benchmark, figures)


@pytest.mark.benchmark(group="analyze")
def test_peak_memory_stays_within_the_budget(benchmark):
    def probe(budget):
        command = [sys.executable, "-m", "tests.benchmarks.case", budget]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    own = probe("forward")["peak"]
    probes = {budget: probe(budget) for budget in ("1GB", "8GB")}
    print(f"\nmodel, data and libraries, one forward pass: {format_bytes(own)}")
    shares = {}
    for budget, found in probes.items():
        above = found["peak"] - own
        assert 0 < above <= parse_bytes(budget)
        shares[f"memory above a forward pass's / budget of {budget}"] = above / parse_bytes(budget)
    show(benchmark, shares)
    np.testing.assert_allclose(
        probes["1GB"]["numbers"], probes["8GB"]["numbers"], rtol=0, atol=1e-6
    )
