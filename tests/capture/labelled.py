"""Images of three classes with masks, and small nets, for the tests of Y."""

import torch
from torch import nn
from torch.nn import functional as F

N = 48
TRUTH = torch.arange(N) % 3


def maps(void=None, share=0.05, dtype=torch.int64):
    """Return masks of three kinds of images, and with some pixels void."""
    masks = torch.zeros(N, 8, 8, dtype=torch.int64)
    masks[:, 2:6, 2:6] = TRUTH[:, None, None] + 1
    if void is not None:
        generator = torch.Generator().manual_seed(1)
        masks = masks.masked_fill(torch.rand(masks.shape, generator=generator) < share, void)
    return masks.to(dtype)


def images():
    generator = torch.Generator().manual_seed(2)
    return F.one_hot(maps(), 4).permute(0, 3, 1, 2).float() + 0.1 * torch.randn(
        N, 4, 8, 8, generator=generator
    )


def loader(masks):
    return [(images()[rows], masks[rows]) for rows in torch.arange(N).split(16)]


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1)).eval()


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x):
        x = self.first(x)
        return x + self.second(x)
