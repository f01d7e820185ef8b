"""Measuring leaves no trace: flags, gradients, hooks, parameters, random states."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import infoflow
from infoflow.interface import ArgumentError, InfoflowError


def random_states(loader):
    return (
        random.getstate(),
        tuple(np.random.get_state()[1]),  # noqa: NPY002
        torch.get_rng_state().tolist(),
        loader.generator.get_state().tolist(),
    )


def state_of(model):
    return (
        {name: m.training for name, m in model.named_modules()},
        {name: p.requires_grad for name, p in model.named_parameters()},
        {name: t.clone() for name, t in model.state_dict().items()},
        {name: len(m._forward_hooks) for name, m in model.named_modules()},
    )


def same(one, other):
    tensors = zip(one[2].values(), other[2].values(), strict=True)
    return one[:2] == other[:2] and one[3] == other[3] and all(torch.equal(*t) for t in tensors)


@pytest.fixture
def shuffling(blobs):
    return DataLoader(blobs, 6, shuffle=True, generator=torch.Generator().manual_seed(9))


def run(model, loader):
    infoflow.analyze(model, loader, target=infoflow.KMeans(3), noise=100.0, progress=False)


def test_after_a_measurement(unet, shuffling):
    unet.train()
    unet.encoder.eval()
    unet.output.weight.requires_grad_(False)
    unet.output.register_forward_hook(lambda *_: None)
    before, states = state_of(unet), random_states(shuffling)
    run(unet, shuffling)
    assert same(state_of(unet), before)
    assert random_states(shuffling) == states
    assert torch.is_grad_enabled()
    assert all(p.grad is None for p in unet.parameters())


def test_after_an_exception(unet, shuffling):
    unet.train()
    before, states = state_of(unet), random_states(shuffling)

    class Fails:
        generator = shuffling.generator

        def __iter__(self):
            yield next(iter(shuffling))
            raise RuntimeError("the disk is gone")

    with pytest.raises(InfoflowError, match="the disk is gone"):
        run(unet, Fails())
    assert same(state_of(unet), before)
    assert random_states(shuffling) == states
    assert torch.is_grad_enabled()


def test_a_training_goes_on_as_if_nothing_had_been_measured(shuffling):
    def train(measure):
        torch.manual_seed(1)
        shuffling.generator.manual_seed(9)
        model = infoflow.testing.UNet(2)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(2):
            for image, mask in shuffling:
                optimizer.zero_grad()
                torch.nn.functional.binary_cross_entropy(model(image), mask).backward()
                optimizer.step()
            if measure:
                run(model, shuffling)
        return [p.detach() for p in model.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(train(True), train(False), strict=True))


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_a_device_that_is_not_there(unet, shuffling, device):
    with pytest.raises(
        ValueError, match=f"device '{device}' cannot be used here .* Available: cpu"
    ):
        infoflow.analyze(unet, shuffling, device=device)


def test_the_device_that_the_model_is_on(unet, loader):
    one = infoflow.analyze(unet, loader, target="none", device="cpu", noise=100.0)
    other = infoflow.analyze(unet, loader, target="none", noise=100.0)
    assert one.ixm.equals(other.ixm)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_cannot_take(seed):
    with pytest.raises(ArgumentError, match="seed must be a whole number from 0 to 4294967295"):
        infoflow.analyze(nn.Linear(2, 2), [torch.rand(4, 2)], target="none", seed=seed)
