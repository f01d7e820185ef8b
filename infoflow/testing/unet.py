"""The U-Net of Lee and Bajić (2021), with any subset of its skip connections."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from infoflow.interface import ArgumentError


class UNet(nn.Module):
    """U-Net with 23 layers, numbered as in Fig. 1 of the paper.

    Layers 0 to 9 are pairs of 3×3 "same" convolutions with ReLU, with 2×2 max pooling between the
    pairs; then come four times a 2×2 transposed convolution of stride 2 and a pair of convolutions
    (layers 10 to 21), and a 1×1 convolution with a sigmoid (layer 22).

    Parameters
    ----------
    base_channels
        Channels of the first pair; every pooling doubles them. The paper has 16.
    skips
        The skip connections to build, of ``"7->11"``, ``"5->14"``, ``"3->17"`` and ``"1->20"``.
        The paper's Model 1 has all four, Model 2 lacks 1->20, Model 3 also 3->17, Model 4 also
        5->14.
    in_channels
        Channels of the image. Its sides must be multiples of 16.

    References
    ----------
    .. [1] S. Lee and I. V. Bajić, "Information Flow Through U-Nets", ISBI 2021, Fig. 1.

    Examples
    --------
    >>> import torch
    >>> UNet(base_channels=4)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 1, 32, 32])
    """

    ALL_SKIPS = ("7->11", "5->14", "3->17", "1->20")

    def __init__(
        self,
        base_channels: int = 16,
        *,
        skips: Collection[str] = ALL_SKIPS,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        unknown = sorted(set(skips) - set(self.ALL_SKIPS))
        if unknown:
            raise ArgumentError(f"skips must be among {', '.join(self.ALL_SKIPS)}, got {unknown}.")
        self.skips = tuple(skip for skip in self.ALL_SKIPS if skip in skips)
        widths = [base_channels * 2**level for level in range(5)]
        self.encoder = nn.ModuleList(
            _pair(before, width)
            for before, width in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.upsample = nn.ModuleList(
            nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in reversed(widths[:-1])
        )
        self.decoder = nn.ModuleList(
            _pair(2 * width if skip in skips else width, width)
            for skip, width in zip(self.ALL_SKIPS, reversed(widths[:-1]), strict=True)
        )
        self.output = nn.Conv2d(base_channels, 1, 1)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor) -> Tensor:
        """Return the probability of foreground, (N, 1, H, W), for images (N, C, H, W) in [0, 1]."""
        kept = []
        value = image
        for level, pair in enumerate(self.encoder):
            value = pair(self.pool(value) if level else value)
            kept.append(value)
        for skip, upsample, pair in zip(self.ALL_SKIPS, self.upsample, self.decoder, strict=True):
            value = upsample(value)
            source = kept[int(skip.split("->")[0]) // 2]
            value = pair(torch.cat([source, value], 1) if skip in self.skips else value)
        return torch.sigmoid(self.output(value))


def _pair(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
    )
