"""Cost of ``ablate`` in forward passes over the samples that are measured.

Ratios within one run; no seconds are asserted. Run with
``pytest tests/benchmarks --benchmark-only -s``.
"""

import time

import pytest
import torch
import torchvision.models as tv
from torch.utils.data import DataLoader, TensorDataset

from infoflow.graph.running.model_state import countable_attention
from infoflow.graph.running.undisturbed import undisturbed
from infoflow.pruning.ablation.journal import Journal
from infoflow.pruning.ablation.opening import Choices, choose_streams, open_bench
from infoflow.pruning.ablation.stages import PASSES, Session

BATCH = 32


def held_out(size, samples):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(samples, 3, size, size, generator=generator)
    return DataLoader(TensorDataset(images, torch.arange(samples) % 10), batch_size=BATCH)


def vit():
    return tv.VisionTransformer(64, 8, 6, 4, 128, 256, num_classes=10)


def session_of(net, loader, place):
    choices = Choices(None, None, "auto", False, None, 2 * 10**9, 0)
    bench, _ = open_bench(net, loader, choices, place)
    streams, is_named = choose_streams(bench.graph, "all")
    return Session(bench, streams, is_named, (), None, Journal(None, {}), False)


def seconds(call):
    """Return the processor's time for a call, which other work on the machine hardly changes."""
    start = time.process_time()
    call()
    return time.process_time() - start


@pytest.mark.benchmark(group="ablate")
@pytest.mark.parametrize("build", [lambda: tv.resnet18(num_classes=10), vit])
def test_measuring_all_streams_as_they_are(benchmark, build):
    """At most 0.6 forward passes a stream, the run of the whole net included."""
    torch.manual_seed(0)
    net, loader = build().eval(), held_out(64, 192)
    with undisturbed(net, loader, None) as place, countable_attention():
        session = session_of(net, loader, place)
        rows = session.bench.held_out.measured
        forward = min(
            seconds(lambda: session.bench.score(net, rows, lambda share: None)) for _ in range(3)
        )
        assert session.variants
        taken = benchmark.pedantic(lambda: seconds(lambda: session.plain), rounds=1, iterations=1)
    ratio = taken / forward / len(session.plain)
    benchmark.extra_info["forward passes a stream"] = ratio
    print(f"{type(net).__name__}: {len(session.plain)} streams, {ratio:.2f} forward passes each")


@pytest.mark.benchmark(group="ablate")
def test_ranking_and_measuring_the_streams_of_densenet_121(benchmark):
    """At most 40 forward passes for 535 streams: ranked by one backward pass, then candidates."""
    torch.manual_seed(0)
    net, loader = tv.densenet121(num_classes=10).eval(), held_out(64, 96)
    with undisturbed(net, loader, None) as place, countable_attention():
        session = session_of(net, loader, place)
        rows = session.bench.held_out.measured
        forward = min(
            seconds(lambda: session.bench.score(net, rows, lambda share: None)) for _ in range(2)
        )
        ranking = seconds(lambda: session.screen)
        choosing = seconds(lambda: session.variants)
        taken = benchmark.pedantic(lambda: seconds(lambda: session.plain), rounds=1, iterations=1)
    passes = {
        "ranking": ranking / forward,
        "choosing": choosing / forward,
        "measuring": taken / forward,
    }
    benchmark.extra_info.update(passes)
    shown = ", ".join(f"{name} {value:.1f}" for name, value in passes.items())
    print(
        f"DenseNet-121: {len(session.streams)} streams, {len(session.plain)} measured; forward "
        f"passes: {shown} (planned {PASSES:.0f})"
    )
    assert len(session.streams) > 200
