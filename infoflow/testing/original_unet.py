"""The U-Net of Ronneberger, Fischer and Brox (2015), without padding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from infoflow.interface import ArgumentError

#: Pixels that one side loses from input to output, and the multiple that the poolings ask for.
_LOST = 184
_STEP = 16


class OriginalUNet(nn.Module):
    """U-Net with unpadded convolutions and cropped skip connections; 572×572 gives 388×388.

    Its 23 convolutions are in the places of those of :class:`UNet`, so layers and skip connections
    have the same numbers. A convolution without padding loses a pixel at each edge, and a skip
    connection is cropped to the middle of what it meets.

    Parameters
    ----------
    base_channels
        Channels of the first pair; every pooling doubles them. The paper has 64.
    in_channels, classes
        Channels of the image (1 in the paper) and of the output (2).

    References
    ----------
    .. [1] O. Ronneberger, P. Fischer and T. Brox, "U-Net: Convolutional Networks for Biomedical
       Image Segmentation", MICCAI 2015, Fig. 1 and section 3.

    Examples
    --------
    >>> import torch
    >>> OriginalUNet(base_channels=2)(torch.zeros(1, 1, 572, 572)).shape
    torch.Size([1, 2, 388, 388])
    """

    def __init__(self, base_channels: int = 64, *, in_channels: int = 1, classes: int = 2) -> None:
        super().__init__()
        widths = [base_channels * 2**level for level in range(5)]
        self.encoder = nn.ModuleList(
            _pair(before, width)
            for before, width in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.upsample = nn.ModuleList(
            nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in reversed(widths[:-1])
        )
        self.decoder = nn.ModuleList(_pair(2 * width, width) for width in reversed(widths[:-1]))
        self.output = nn.Conv2d(base_channels, classes, 1)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                # a deviation of √(2/N) for N incoming nodes: an upsampled pixel reads one place
                window = module.weight[0, 0].numel() if isinstance(module, nn.Conv2d) else 1
                nn.init.normal_(module.weight, std=(2 / (module.in_channels * window)) ** 0.5)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    @staticmethod
    def input_side(output_side: int) -> int:
        """Return the smallest side of an input whose output has at least ``output_side`` pixels.

        Examples
        --------
        >>> OriginalUNet.input_side(388), OriginalUNet.input_side(64)
        (572, 252)
        """
        steps = -(-max(output_side - 4, 0) // _STEP)
        return _STEP * steps + 4 + _LOST

    def forward(self, image: Tensor) -> Tensor:
        """Return class scores, before a softmax, for images (N, C, H, W).

        Sides must be 188, 204, 220, … pixels, a multiple of 16 and 12 more; those of the output are
        184 smaller. An ArgumentError says what came.
        """
        _check_sides(image)
        kept = []
        value = image
        for level, pair in enumerate(self.encoder):
            value = pair(self.pool(value) if level else value)
            kept.append(value)
        for source, upsample, pair in zip(
            reversed(kept[:-1]), self.upsample, self.decoder, strict=True
        ):
            value = upsample(value)
            value = pair(torch.cat([_middle(source, value), value], 1))
        scores: Tensor = self.output(value)
        return scores


def _pair(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, width, 3), nn.ReLU(), nn.Conv2d(width, width, 3), nn.ReLU()
    )


def _middle(source: Tensor, like: Tensor) -> Tensor:
    """Crop a map to the middle, as large as another."""
    top = (source.shape[2] - like.shape[2]) // 2
    left = (source.shape[3] - like.shape[3]) // 2
    return source[:, :, top : top + like.shape[2], left : left + like.shape[3]]


def _check_sides(image: Tensor) -> None:
    for side in image.shape[-2:]:
        if side < _LOST + 4 or side % _STEP != 12:
            raise ArgumentError(
                f"OriginalUNet takes sides of 16·k + 12 pixels, 188 at least, got {side}: only "
                "then every pooling has an even number of pixels before it. Pad the image, to "
                "OriginalUNet.input_side(side) where the output is to cover it."
            )
