"""A full memory is told as such, and is never taken for a property of the model or the loader."""

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.stopwatch import Stopwatch
from infoflow.interface import InfoflowError
from infoflow.interface.argument_checks import called
from infoflow.interface.errors import is_out_of_memory
from infoflow.pruning.trial.cost import latency_ratio

FULL = [
    torch.OutOfMemoryError("CUDA out of memory."),
    MemoryError("Unable to allocate 9 GB"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
]
X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("error", [*FULL, np.exceptions.TooHardError("other"), RuntimeError("no")])
def test_full_memories_are_told_from_other_errors(error):
    assert is_out_of_memory(error) == (error in FULL)


class Large(nn.Module):
    """Fails on batches of another size than fits."""

    def __init__(self, error, fits):
        super().__init__()
        self.layer, self.error, self.fits = nn.Linear(3, 3), error, fits

    def forward(self, x):
        if len(x) != self.fits:
            raise self.error
        return self.layer(x) + x


@pytest.mark.parametrize("error", FULL, ids=lambda e: type(e).__name__)
def test_a_batch_that_does_not_fit_is_no_fixed_shape(error):
    net = nn.Sequential(Large(error, fits=4), nn.Linear(3, 2))
    with pytest.raises(type(error)):
        infoflow.trace(net, X, leaves=[Large])


@pytest.mark.parametrize("error", FULL, ids=lambda e: type(e).__name__)
def test_an_example_that_does_not_fit_is_answered_with_memory(error):
    with pytest.raises(InfoflowError, match="Memory is full: give smaller batches") as caught:
        infoflow.trace(Large(error, fits=0), X)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", FULL, ids=lambda e: type(e).__name__)
def test_a_loader_and_an_unpack_that_run_full_are_not_blamed(error):
    class Loader:
        def __iter__(self):
            yield X
            raise error

    def unpack(batch):
        raise error

    net = nn.Linear(3, 2)
    with pytest.raises(type(error)):
        infoflow.analyze(net, Loader(), progress=False)
    with pytest.raises(type(error)):
        infoflow.analyze(net, [X], unpack=unpack, progress=False)
    with pytest.raises(type(error)):
        called("loss", unpack, X)


# --------------------------------------------------------------------------- time


def test_a_stopwatch_waits_for_every_accelerator(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))

    class On:
        def __init__(self, device):
            self.device = torch.device(device)

    watch = Stopwatch([On("cuda:1"), On("cpu"), On("mps"), On("meta"), On("cuda:1")])
    watch.now()
    assert sorted(map(str, waited)) == ["cuda:1", "mps"]


def test_latency_looks_at_keyword_arguments_for_devices(monkeypatch):
    seen = []

    class Seen(Stopwatch):
        def __init__(self, tensors):
            tensors = list(tensors)
            seen.extend(tensors)
            super().__init__(tensors)

    class Named(nn.Module):
        def forward(self, *, x):
            return x + 1

    monkeypatch.setattr("infoflow.pruning.trial.cost.Stopwatch", Seen)
    assert latency_ratio(Named(), Named(), Arguments(kwargs={"x": X}), rounds=1) > 0
    assert any(tensor is X for tensor in seen)


def test_targets_with_a_history_are_clustered():
    masks = torch.cat([torch.zeros(4, 1, 4, 4), torch.ones(4, 1, 4, 4)]).requires_grad_()
    assert infoflow.KMeans(2).reduce(masks * 1.0).singleton_classes == 0
