"""Small nets and made-up data for ablations."""

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
