"""The training of the MNIST CNN, which can be killed and go on."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import trange

from compression.checkpoints import Checkpoint, Row, find_checkpoint, keep_weights
from compression.mnist_net import Cnn, distorted, fresh_cnn
from compression.scales import MnistTraining

FIRST_RATE, LAST_RATE, MOMENTUM, BATCH = 5e-3, 5e-4, 0.9, 32

Images = tuple[Tensor, Tensor]


def train_mnist(
    training: MnistTraining, learn: Images, test: Images, folder: Path, *, deadline: float
) -> bool:
    """Train to the end or to a time of the monotonic clock; tell whether it ended."""
    found = find_checkpoint(training, folder)
    if found.epoch == training.epochs:
        return True
    net = fresh_cnn(training.beta, training.dropout, training.seed)
    optimizer = torch.optim.SGD(net.parameters(), FIRST_RATE, MOMENTUM)
    if found.state:
        net.load_state_dict(found.state["weights"])
        optimizer.load_state_dict(found.state["optimizer"])
    net.to(memory_format=torch.channels_last)
    for epoch in trange(found.epoch + 1, training.epochs + 1, desc=training.name, disable=None):
        loss = _train_epoch(training, net, optimizer, learn, epoch) if epoch else float("nan")
        if epoch in training.looks():
            errors = test_errors(net, test, epoch)
            found.metrics.append({"epoch": epoch, "train_loss": loss, **errors})
            keep_weights(folder, epoch, net.state_dict())
        found.epoch = epoch
        _save(found, net, optimizer, folder)
        if time.monotonic() > deadline:
            break
    return found.epoch == training.epochs


def _save(found: Checkpoint, net: Cnn, optimizer: torch.optim.Optimizer, folder: Path) -> None:
    found.state = {"weights": net.state_dict(), "optimizer": optimizer.state_dict()}
    found.save(folder)


def rate_at(epoch: int, epochs: int) -> float:
    """Return the learning rate, which falls evenly in the logarithm.

    Examples
    --------
    >>> rate_at(1, 16), round(rate_at(16, 16), 6)
    (0.005, 0.0005)
    """
    return float(FIRST_RATE * (LAST_RATE / FIRST_RATE) ** ((epoch - 1) / max(epochs - 1, 1)))


def _train_epoch(
    training: MnistTraining, net: Cnn, optimizer: torch.optim.Optimizer, learn: Images, epoch: int
) -> float:
    """Go once through the images in the epoch's own order; return the mean loss in nats."""
    images, digits = learn
    seed = 10**6 * training.seed + epoch
    generator = torch.Generator().manual_seed(seed)
    net.reseed(seed)
    for group in optimizer.param_groups:
        group["lr"] = rate_at(epoch, training.epochs)
    net.train()
    total = 0.0
    for rows in torch.randperm(len(images), generator=generator).split(BATCH):
        inputs = distorted(images[rows], generator).contiguous(memory_format=torch.channels_last)
        loss = F.cross_entropy(net(inputs), digits[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    return total / len(images)


@torch.no_grad()
def test_errors(net: Cnn, test: Images, seed: int) -> Row:
    """Return the test loss and the number of errors, with the noise that the net has."""
    net.eval()
    net.reseed(seed)
    images, digits = test
    outputs = torch.cat([net(part) for part in images.split(500)])
    return {
        "test_loss": F.cross_entropy(outputs, digits).item(),
        "errors": int((outputs.argmax(1) != digits).sum()),
    }
