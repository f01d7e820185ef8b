"""Cost of tracing, and of capturing all layers, beside plain forward passes of the same model.

Ratios of CPU time, in turns within one run; no time is asserted. Run with
``OMP_NUM_THREADS=1 pytest tests/benchmarks/test_trace.py --benchmark-only -s``.
"""

import statistics

import pytest
import torch
import torchvision
from torch import nn

import infoflow
from infoflow.graph.running.arguments import Arguments
from infoflow.testing import UNet
from tests.benchmarks.clock import ratios, show

#: The smallest of each of torchvision's families of classifiers.
FAMILIES = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s"),
    *(
        "googlenet",
        "maxvit_t",
        "mnasnet0_5",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "regnet_y_400mf",
    ),
    *("resnet18", "resnet50", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t"),
    *("vgg11", "vit_b_16"),
)
SAMPLES = 4


#: The models that have a goal: at most 2.5 forward passes.
NAMED = ("densenet121", "gpt2", "resnet50", "vit_b_16")


def build(name):
    options = {"init_weights": False} if name == "googlenet" else {}
    return torchvision.models.get_model(name, weights=None, **options).eval()


def gpt2():
    """GPT-2 small with random weights, and sequences of 128 tokens."""
    transformers = pytest.importorskip("transformers")
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()
    return model, torch.randint(0, 50257, (SAMPLES, 128))


def small_nets():
    mlp = (nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    cnn = (
        *(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 10)),
    )
    return {
        "MLP": (nn.Sequential(*mlp).eval(), torch.rand(1, 20)),
        "CNN": (nn.Sequential(*cnn).eval(), torch.rand(1, 1, 28, 28)),
        "U-Net": (UNet(base_channels=4).eval(), torch.rand(1, 3, 32, 32)),
    }


@torch.no_grad()
def ratio_of(clock, model, x):
    """Return the median ratio of tracing to a forward pass, which take turns."""

    def trace():
        assert infoflow.trace(model, x).verification.is_exact

    return clock.ratios({"trace": trace, "pass": lambda: model(x)}, "pass")["trace / pass"]


def images(clock):
    return torch.rand(SAMPLES, 3, 224, 224, device=clock.device)


@pytest.mark.benchmark(group="trace")
def test_tracing_beside_a_forward_pass(benchmark, clock):
    """Tracing with its proof: 1.75 passes' worth of samples, and what Python needs per call."""
    names = sorted({*FAMILIES} - {*NAMED})
    found = {name: ratio_of(clock, build(name).to(clock.device), images(clock)) for name in names}
    show(benchmark, {"median of 16 families": statistics.median(found.values()), **found})


@pytest.mark.benchmark(group="trace")
@pytest.mark.parametrize("name", NAMED)
def test_tracing_a_named_model_beside_a_forward_pass(benchmark, clock, name):
    model, x = gpt2() if name == "gpt2" else (build(name), images(clock))
    ratio = ratio_of(clock, model.to(clock.device), x.to(clock.device))
    show(benchmark, {"trace / forward pass": ratio})


@torch.no_grad()
@pytest.mark.benchmark(group="trace")
@pytest.mark.parametrize("name", ["MLP", "CNN", "U-Net"])
def test_tracing_a_small_net(benchmark, clock, name):
    """What Python needs is all of it here."""
    model, x = (part.to(clock.device) for part in small_nets()[name])
    ways = {"pass": lambda: model(x), "trace": lambda: infoflow.trace(model, x)}
    ways["trace"]()
    rounds = clock.rounds(ways, rounds=15)
    milliseconds = 1000 * statistics.median(one["trace"] for one in rounds)
    show(benchmark, {**ratios(rounds, "pass"), "CPU milliseconds": milliseconds})


@torch.no_grad()
@pytest.mark.benchmark(group="capture")
@pytest.mark.parametrize("name", ["resnet50", "vit_b_16"])
def test_capturing_all_layers_beside_a_forward_pass(benchmark, clock, name):
    model, x = build(name).to(clock.device), images(clock)
    graph = infoflow.trace(model, x[:2])
    seen = set()

    def capture():
        graph.visit(Arguments((x,)), graph.layers, lambda layer, value: seen.add(layer.name))

    figures = clock.ratios({"capture": capture, "forward pass": lambda: model(x)}, "forward pass")
    assert seen == set(graph.names)
    show(benchmark, figures)
