"""Two nets of several streams for MNIST digits: a ResNet of eight blocks, a small DenseNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES = 10


class Block(nn.Module):
    """Two convolutions beside an identity, or beside a projection where the size changes."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        same = before == width and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(before, width, 1, stride, bias=False)

    def forward(self, value: Tensor) -> Tensor:
        """Return (N, width, H, W)."""
        branch = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(value)))))
        return torch.relu(branch + self.shortcut(value))


class ResNet(nn.Module):
    """A stem of stride 2 and eight residual blocks of 16, 32 and 64 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        plan = [(16, 1), (16, 1), (16, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1)]
        widths = [16, *(width for width, _ in plan)]
        self.blocks = nn.ModuleList(
            Block(before, width, stride)
            for before, (width, stride) in zip(widths, plan, strict=False)
        )
        self.head = nn.Linear(64, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        """Return scores of the classes, (N, 10), for images (N, 1, 28, 28)."""
        value = torch.relu(self.norm(self.stem(image)))
        for block in self.blocks:
            value = block(value)
        return self.head(value.mean((2, 3)))


class DenseBlock(nn.Module):
    """Three layers, each of which reads all that came before in the block."""

    def __init__(self, before: int, growth: int) -> None:
        super().__init__()
        widths = [before + number * growth for number in range(3)]
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.convs = nn.ModuleList(
            nn.Conv2d(width, growth, 3, padding=1, bias=False) for width in widths
        )
        self.width = before + 3 * growth

    def forward(self, value: Tensor) -> Tensor:
        """Return what came in and what was added, (N, width, H, W)."""
        values = [value]
        for norm, conv in zip(self.norms, self.convs, strict=True):
            values.append(conv(torch.relu(norm(torch.cat(values, 1)))))
        return torch.cat(values, 1)


class DenseNet(nn.Module):
    """A stem of stride 2 and two dense blocks with a transition between them."""

    def __init__(self, growth: int = 12) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False)
        self.block1 = DenseBlock(16, growth)
        self.norm1 = nn.BatchNorm2d(self.block1.width)
        self.transition = nn.Conv2d(self.block1.width, 24, 1, bias=False)
        self.block2 = DenseBlock(24, growth)
        self.norm2 = nn.BatchNorm2d(self.block2.width)
        self.head = nn.Linear(self.block2.width, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        """Return scores of the classes, (N, 10), for images (N, 1, 28, 28)."""
        value = self.transition(torch.relu(self.norm1(self.block1(self.stem(image)))))
        value = self.block2(nn.functional.avg_pool2d(value, 2))
        return self.head(torch.relu(self.norm2(value)).mean((2, 3)))
