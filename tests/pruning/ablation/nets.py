"""Small nets and made-up data for ablations."""

from typing import ClassVar

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Residual(nn.Module):
    """Three residual branches, of which the last one does nothing, and a classifier."""

    def __init__(self, width=12, classes=3):
        super().__init__()
        self.stem = nn.Linear(4, width)
        self.blocks = nn.ModuleList([nn.Linear(width, width) for _ in range(3)])
        self.head = nn.Linear(width, classes)
        nn.init.zeros_(self.blocks[2].weight)
        nn.init.zeros_(self.blocks[2].bias)

    def forward(self, x, *, without=()):
        value = self.stem(x).relu()
        for number, block in enumerate(self.blocks):
            branch = block(value).relu()
            value = value + (torch.zeros_like(branch) if number in without else branch)
        return self.head(value)


class SameBranches(nn.Module):
    """A stem and three branches that add the same value, at scales of their own."""

    SCALES = (0.02, 0.3, 4.0)
    #: What the streams carry, in multiples of the stem's value.
    CARRIED: ClassVar = {
        "stem": 1.0,
        "branches.0": 0.02,
        "add": 1.02,
        "branches.1": 0.3,
        "add:2": 1.32,
        "branches.2": 4.0,
    }

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 3, bias=False)
        self.branches = nn.ModuleList(nn.Linear(4, 3, bias=False) for _ in self.SCALES)
        with torch.no_grad():
            for branch, scale in zip(self.branches, self.SCALES, strict=True):
                branch.weight.copy_(scale * self.stem.weight)

    def forward(self, x):
        value = self.stem(x)
        for branch in self.branches:
            value = value + branch(x)
        return value


def clusters(count, seed=0):
    """Return points around three centres, and the number of the centre."""
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(count) % 3
    return centres[labels] + torch.randn(count, 4, generator=generator), labels


def trained(net=None, steps=150, seed=0):
    """Return a net that was trained on the clusters."""
    torch.manual_seed(seed)
    net = Residual() if net is None else net
    points, labels = clusters(256, seed=7)
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(points), labels).backward()
        if isinstance(net, Residual):
            for parameter in net.blocks[2].parameters():
                parameter.grad = None
        optimiser.step()
    optimiser.zero_grad()
    return net.eval()


def loader(points, labels, batch=50):
    return DataLoader(TensorDataset(points, labels), batch_size=batch)
