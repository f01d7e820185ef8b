# ruff: noqa: D205, D400
"""
Layers, merges and skips
========================

Any traceable :class:`torch.nn.Module` becomes a graph of layers. This page traces the U-Net of Lee
and Bajić (2021) and torchvision's ResNet-18, prints both graphs, and draws them.
"""

import torch
from torchvision.models import resnet18

import infoflow
from infoflow.testing import UNet

# %%
# The U-Net
# ---------
#
# The example is one batch of inputs; only its shape matters. The layers have the numbers of the
# paper's Fig. 1. Each row shows which layers it reads, with a star where streams from different
# layers meet. A ReLU belongs to the convolution before it, and pooling is no layer.

unet = infoflow.trace(UNet(base_channels=16), torch.zeros(1, 3, 128, 128))
print(unet)

# %%
# Orange boxes are merges and blue arrows are skip connections. The encoder runs down, the decoder
# up, and the bridges between them are level, so the drawing has the shape that gave the net its
# name.

infoflow.plots.layer_graph(unet)

# %%
# Now ask the graph. A concatenation loses nothing, so it is no layer: layer 11 reads layers 7 and
# 10 side by side. The main stream has the longest path behind it; the other one is a skip, and
# tells what a net without it would save.

merge = unet.merges[0]
print("streams:", merge.streams, " main:", merge.main)
for skip in unet.skips:
    print(f"{skip}: {skip.parameters:,} parameters, {skip.multiply_adds:,} multiply-adds a sample")

# %%
# A layer *dominates* another when every path from the input to the other goes through it. Only
# along dominators must information fall. Layer 10 comes right before layer 11, but does not
# dominate it: what reaches 11 through the skip need not have passed 10. Layer 7 does.

for name in ("decoder.0.0", "decoder.3.0"):
    dominator = unet.dominators[name]
    print(f"layer {unet[name].index} is dominated by layer {unet[dominator].index}")

# %%
# ResNet-18
# ---------
#
# The same definitions hold for a residual net. Its 8 merges are additions; each is a layer of its
# own. Where a block changes the shape, its short way is a convolution (layers 9, 16 and 23).

resnet = infoflow.trace(resnet18(weights=None), torch.zeros(1, 3, 224, 224))
print(resnet)

# %%
infoflow.plots.layer_graph(resnet)
