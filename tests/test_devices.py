"""Tensors are made where they are used: the same numbers on another device, by other defaults."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.interface import ArgumentError
from tests.pretended import moved, pretended
from tests.tiers import thorough

QUIET = {"progress": False}


class Residual(nn.Module):
    """Adds a convolution to a normalised one, concatenates both, and predicts classes."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.norm, self.h = nn.BatchNorm2d(2), nn.Linear(64, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.norm(self.a(x)).relu()
        both = torch.cat([a, a + self.b(a)], 1)
        return self.h(both.flatten(1))


Loader = list[tuple[torch.Tensor, torch.Tensor]]


def data(samples: int) -> Loader:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(samples, 1, 4, 4, generator=generator, dtype=torch.float32, device="cpu")
    y = torch.arange(samples, device="cpu") % 3
    return [(x[i : i + 8], y[i : i + 8]) for i in range(0, samples, 8)]


def traced(model: nn.Module, device: torch.device) -> Any:
    return infoflow.trace(model, data(8)[0][0][:4].to(device))


def analysis(**options: Any) -> Callable[[nn.Module, torch.device], Any]:
    def run(model: nn.Module, device: torch.device) -> Any:
        result = infoflow.analyze(model, data(16), layers=["b", "add"], **options, **QUIET)
        names = ("ixm", "iym", "ixm_ci_low", "iym_null")
        return [result.dataset[name].values for name in names]

    return run


def estimate(estimator: Any) -> Callable[[nn.Module, torch.device], Any]:
    def run(model: nn.Module, device: torch.device) -> Any:
        values = torch.cat([x.flatten(1)[:, :3] for x, _ in data(24)]).to(device)
        labels = torch.cat([y for _, y in data(24)])
        found = infoflow.estimate(values, labels, estimator=estimator)
        return [np.array([found.ixm, found.iym, found.iym_ci_low, found.iym_null])]

    return run


def pruned(model: nn.Module, device: torch.device, **options: Any) -> Any:
    x = data(8)[0][0].to(device)
    return infoflow.prune(model, "a->add", x, **options)(x).detach().cpu().numpy()


def ablated(model: nn.Module, device: torch.device, **options: Any) -> Any:
    found = infoflow.ablate(model, data(256), **options, **QUIET)
    return found.dataset["bits"].values


def graph_values(model: nn.Module, device: torch.device) -> Any:
    values = traced(model, device).values(data(8)[0][0].to(device))
    assert {value.device for value in values.values()} == {device}
    return [value.detach().cpu().numpy() for value in values.values()]


def noisy(model: nn.Module, device: torch.device) -> Any:
    net = infoflow.NoisyNet(model, beta=0.5)
    found = infoflow.SamplePropagation(draws=2, most_points=50)
    return infoflow.analyze(net, data(8), estimator=found, layers=["add"], **QUIET).ixm.shape


QUICK = {
    "values": graph_values,
    "exact": analysis(distances="exact"),
    "kde": estimate(infoflow.KDE(infoflow.Relative(0.1), permutations=5)),
    "binning": estimate(infoflow.Binning(0.2, permutations=5)),
    "ksg": estimate("ksg"),
    "renyi": estimate("renyi"),
    "equal-mass": estimate("equal-mass"),
    "prune": pruned,
}
SLOW = {
    "trace": lambda model, device: str(traced(model, device)),
    "sketch": analysis(distances=infoflow.DistanceOptions("sketch", sketch_size=4)),
    "binned layers": analysis(estimator="binning"),
    "reduce": analysis(reduce="mean"),
    "sample propagation": noisy,
    "mend": lambda model, device: pruned(model, device, mend="auto", calibrate=data(256)),
    "probe": lambda model, device: str(infoflow.probe(model, data(24), folds=2, **QUIET)),
    "ablate": lambda model, device: ablated(model, device, mend=None),
    "ablate, mended": lambda m, device: ablated(m, device, calibrate=data(512)[32:]),
}
#: On the pretended device every operation takes long.
FEW = ("values", "kde", "prune")
ALL = [*QUICK, *map(thorough, SLOW)]


def net() -> nn.Module:
    torch.manual_seed(0)
    return Residual().eval()


@cache
def on_cpu(name: str) -> Any:
    return {**QUICK, **SLOW}[name](net(), torch.device("cpu"))


def same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, (str, tuple)):
        return found == wanted
    pairs = zip(found, wanted, strict=True)
    return all(
        torch.allclose(
            torch.from_numpy(one).double(),
            torch.from_numpy(other).double(),
            rtol=1e-5,
            atol=1e-6,
            equal_nan=True,
        )
        for one, other in pairs
    )


@pytest.mark.parametrize(
    "name", [*FEW, *(thorough(name) for name in {**QUICK, **SLOW} if name not in FEW)]
)
def test_an_accelerator_gives_the_numbers_of_the_cpu(name):
    run, wanted = {**QUICK, **SLOW}[name], on_cpu(name)
    with pretended("cuda") as device:
        assert same(run(moved(net(), device), device), wanted)


@pytest.mark.parametrize(
    "name", ["kde", *(thorough(name) for name in ("exact", "sketch", "binned layers", "ksg"))]
)
def test_without_float64_on_a_device_the_cpu_estimates(name):
    wanted = on_cpu(name)
    with pretended("mps") as device:
        assert same(
            {**QUICK, **SLOW}[name](moved(net(), device).requires_grad_(False), device), wanted
        )


def test_ablate_wants_float64():
    with pretended("mps") as device, pytest.raises(ArgumentError, match=r"ablate .* on mps:0"):
        ablated(moved(net(), device).requires_grad_(False), device)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("default", ["device", "dtype"])
def test_torchs_defaults_change_nothing(name, default):
    run, model, wanted = {**QUICK, **SLOW}[name], net(), on_cpu(name)
    before = torch.get_default_dtype()
    try:
        if default == "device":
            torch.set_default_device("meta")
        else:
            torch.set_default_dtype(torch.float64)
        found = run(model, torch.device("cpu"))
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(before)
    assert same(found, wanted)


def test_the_pretended_device_stops_where_an_accelerator_would():
    with pretended("cuda") as device:
        there = torch.ones(3, device=device)
        assert (there + 1).sum().item() == 6.0
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(3)
        with pytest.raises((RuntimeError, TypeError)):
            there.numpy()
        with pytest.raises(RuntimeError, match="generator"):
            torch.rand(3, device=device, generator=torch.Generator())
