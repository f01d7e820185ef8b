# ruff: noqa: D205, D400
"""
Drawing large nets
==================

A net of hundreds of layers does not fit on a page. So a drawing folds modules into boxes, as few as
you like, and unfolds those that you name. This page draws torchvision's ResNet-50 and a deep U-Net.
"""

import torch
from torch import nn
from torchvision.models import resnet50

import infoflow

# %%
# The whole of a ResNet-50
# ------------------------
#
# It has 70 layers, and 60 boxes are drawn by default. So each residual block becomes one box, which
# names its first and last layer and counts its layers and merges.

resnet = infoflow.trace(resnet50(weights=None), torch.zeros(1, 3, 224, 224))
infoflow.plots.layer_graph(resnet)

# %%
# With fewer boxes, whole stages are folded.

infoflow.plots.layer_graph(resnet, max_places=10)

# %%
# One stage, layer by layer
# -------------------------
#
# ``unfold`` takes names of modules or layers, and patterns such as ``"layer?.0"``. Unfolded layers
# do not count towards ``max_places``. Merges are orange; a folded box only counts them.

infoflow.plots.layer_graph(resnet, max_places=10, unfold="layer4")

# %%
# A deep U
# --------
#
# If the resolution falls and rises again, the encoder runs down, the decoder runs up, and skip
# connections are bridges. This U-Net has blocks of four convolutions.


class DeepUNet(nn.Module):
    """A U-Net with ``depth`` convolutions at each resolution."""

    def __init__(self, channels=(8, 16, 32, 64), depth=4):
        super().__init__()
        self.encoder = nn.ModuleList(
            block(before, after, depth)
            for before, after in zip((3, *channels), channels, strict=False)
        )
        around = list(zip(channels[::-1], channels[-2::-1], strict=False))
        self.upsample = nn.ModuleList(nn.ConvTranspose2d(low, high, 2, 2) for low, high in around)
        self.decoder = nn.ModuleList(block(2 * high, high, depth) for _, high in around)
        self.output = nn.Conv2d(channels[0], 1, 1)

    def forward(self, image):
        """Return a map as large as the image."""
        skips = []
        value = image
        for stage in self.encoder:
            value = stage(value if not skips else nn.functional.max_pool2d(value, 2))
            skips.append(value)
        skips.pop()
        for upsample, stage in zip(self.upsample, self.decoder, strict=True):
            value = stage(torch.cat([skips.pop(), upsample(value)], 1))
        return self.output(value)


def block(before, after, depth):
    layers = []
    for channels in (before, *[after] * (depth - 1)):
        layers += [nn.Conv2d(channels, after, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


unet = infoflow.trace(DeepUNet(), torch.zeros(1, 3, 64, 64))
infoflow.plots.layer_graph(unet)

# %%
# In a folded drawing, a bridge ends at the box that holds its layer; the label names the layer.

infoflow.plots.layer_graph(unet, max_places=12)

# %%
# Any of the boxes can be opened.

infoflow.plots.layer_graph(unet, max_places=12, unfold="decoder.1")
