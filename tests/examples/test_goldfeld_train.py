"""The trainings of the study of Goldfeld et al.: recipes, and that a stopped one loses nothing."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy.io import savemat
from torch import Tensor
from torch.nn import functional as F

from tests.examples.nuclei import import_example

example = import_example("goldfeld")
nets, cnns = example.compression.szt_net, example.compression.mnist_net
checkpoints, scales = example.compression.checkpoints, example.compression.scales
train_szt = example.compression.szt_train.train_szt
train_mnist = example.compression.mnist_train.train_mnist
NEVER = float("inf")
TANH = scales.SztTraining("tanh", "tanh", 0.005, 0.001, 3, 2)
NOISY = scales.MnistTraining("noise0.1", 0.1, 0.0, 2, 0, 64, 64)


def task() -> tuple[Tensor, Tensor]:
    """Return all 12-bit inputs, of class 1 where most of the first three bits are set."""
    bits = (torch.arange(4096)[:, None] >> torch.arange(12)) & 1
    return bits.float(), (bits[:, :3].sum(1) > 1).long()


def digits() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(64) % 10
    images = -torch.ones(64, 1, 28, 28) + 0.1 * torch.rand(64, 1, 28, 28, generator=generator)
    for row, digit in enumerate(classes.tolist()):
        images[row, :, 4 + 2 * digit, :] = 1.0
    return images, classes


def test_a_stack_is_its_nets_side_by_side():
    stack = nets.Stack("tanh", 0.005, 2)
    inputs = task()[0][None, :50].expand(2, -1, -1)
    outputs = stack(inputs)
    for seed in range(2):
        one = nets.net_of("tanh", [value.detach() for value in stack.parameters], seed)
        torch.testing.assert_close(outputs[seed], one(inputs[seed]))
        torch.testing.assert_close(one[0].weight, nets.fresh_net("tanh", seed)[0].weight)


def test_a_seed_trains_alike_alone_and_in_company(tmp_path: Path):
    both, alone = tmp_path / "both", tmp_path / "alone"
    assert train_szt(TANH, task(), both, deadline=NEVER)
    assert train_szt(replace(TANH, seeds=1), task(), alone, deadline=NEVER)
    for a, b in zip(
        checkpoints.read_weights(both, 3), checkpoints.read_weights(alone, 3), strict=True
    ):
        torch.testing.assert_close(a[:1], b)


def test_a_step_is_adam_on_the_mean_loss_of_a_batch(tmp_path: Path):
    """The slow twin: a plain net, the same order, no noise."""
    plain = replace(TANH, beta=0.0, pull=0.0, epochs=1, seeds=1)
    train_szt(plain, task(), tmp_path, deadline=NEVER)
    rows = nets.split_rows(0)[0]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))
    net = nets.fresh_net("tanh", 0)
    optimizer = torch.optim.Adam(net.parameters(), 4e-4)
    for batch in rows[order].split(256):
        optimizer.zero_grad()
        F.cross_entropy(net(task()[0][batch]), task()[1][batch]).backward()
        optimizer.step()
    got = nets.net_of("tanh", checkpoints.read_weights(tmp_path, 1), 0)
    for mine, theirs in zip(got.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_the_pull_makes_weights_orthonormal():
    stack = nets.Stack("tanh", 0.0, 1)
    for _ in range(2000):
        stack.pull(0.05)
    rows = stack.weights[0][0]
    torch.testing.assert_close(rows @ rows.T, torch.eye(10), atol=1e-3, rtol=0)
    assert not torch.allclose(stack.weights[-1][0] @ stack.weights[-1][0].T, torch.eye(2))


def stopped_after_each_epoch(train, folder: Path) -> None:
    """Call a training that stops after one epoch, until it says that it has ended."""
    calls = 1
    while not train(folder, deadline=time.monotonic()):
        calls += 1
    assert calls > 2


def test_a_stopped_szt_training_ends_with_the_same_numbers(tmp_path: Path):
    def train(folder: Path, deadline: float) -> bool:
        return bool(train_szt(TANH, task(), folder, deadline=deadline))

    assert train(tmp_path / "whole", NEVER)
    stopped_after_each_epoch(train, tmp_path / "pieces")
    assert_same(tmp_path / "whole", tmp_path / "pieces", TANH)


def test_a_stopped_mnist_training_ends_with_the_same_numbers(tmp_path: Path):
    def train(folder: Path, deadline: float) -> bool:
        return bool(train_mnist(NOISY, digits(), digits(), folder, deadline=deadline))

    assert train(tmp_path / "whole", NEVER)
    stopped_after_each_epoch(train, tmp_path / "pieces")
    assert_same(tmp_path / "whole", tmp_path / "pieces", NOISY)


def assert_same(whole: Path, pieces: Path, training) -> None:
    first, second = (checkpoints.find_checkpoint(training, folder) for folder in (whole, pieces))
    assert repr(first.metrics) == repr(second.metrics)  # NaN is NaN here
    for epoch in training.looks():
        a, b = (checkpoints.read_weights(folder, epoch) for folder in (whole, pieces))
        a, b = (list(each.values()) if isinstance(each, dict) else each for each in (a, b))
        assert all(map(torch.equal, a, b))


def test_the_cnn_learns_and_its_noise_stays_in_evaluation(tmp_path: Path):
    longer = replace(NOISY, epochs=8)
    train_mnist(longer, digits(), digits(), tmp_path, deadline=NEVER)
    errors = [row["errors"] for row in checkpoints.find_checkpoint(longer, tmp_path).metrics]
    assert errors[-1] < errors[0] / 2
    net = cnns.fresh_cnn(0.1, 0.0, 0).eval()
    assert not torch.equal(net(digits()[0]), net(digits()[0]))
    silent = cnns.fresh_cnn(0.0, 0.2, 0).eval()
    assert torch.equal(silent(digits()[0]), silent(digits()[0]))


def test_distortions_leave_the_background_and_the_middle():
    images = -torch.ones(16, 1, 28, 28)
    images[:, :, 12:16, 12:16] = 1.0
    found = cnns.distorted(images, torch.Generator().manual_seed(0))
    assert found.min() == -1.0
    assert (found[:, :, 13:15, 13:15].mean((1, 2, 3)) > -0.9).all()
    assert (found[:, :, :6].abs() == 1.0).all()  # 2 pixels and 10 degrees never reach the rim


def test_other_settings_are_refused_and_nothing_is_lost(tmp_path: Path):
    train_szt(TANH, task(), tmp_path, deadline=NEVER)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(ValueError, match=r"was made with beta 0.005, expected 0.01. Give"):
        train_szt(replace(TANH, beta=0.01), task(), tmp_path, deadline=NEVER)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_a_broken_checkpoint_is_named(tmp_path: Path):
    (tmp_path / "checkpoint.pt").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"checkpoint.pt cannot be read as a checkpoint of this"):
        train_szt(TANH, task(), tmp_path, deadline=NEVER)


def test_missing_and_foreign_data_are_named(tmp_path: Path):
    with pytest.raises(ValueError, match="data folder is not given"):
        nets.read_task(None)
    with pytest.raises(ValueError, match=r"var_u.mat is not there, expected the task"):
        nets.read_task(tmp_path)
    (tmp_path / "szt").mkdir()
    path = tmp_path / "szt" / "var_u.mat"
    savemat(path, {"F": torch.zeros(10, 3).numpy(), "y": torch.zeros(10).numpy()})
    with pytest.raises(ValueError, match=r"this is another task's file"):
        nets.read_task(tmp_path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"cannot be read as the task"):
        nets.read_task(tmp_path)
    with pytest.raises(ValueError, match=r"cannot be read as MNIST"):
        cnns.read_mnist(tmp_path, train=True)


def test_an_unknown_scale_is_named():
    with pytest.raises(ValueError, match="scale must be full, cpu or smoke, got 'tiny'"):
        scales.make_scale("tiny")
