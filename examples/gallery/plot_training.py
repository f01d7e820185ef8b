# ruff: noqa: D205, D400
"""
A training, measured
====================

A small U-Net learns to find blobs, while a :class:`infoflow.Tracker` measures how many bits every
layer keeps about the image, I(X;M), and about the mask, I(Y;M). Then come the three looks that
belong together: the U-Plot, the untrained control, and what saturation does to a number.
"""

import math
import warnings

import matplotlib.pyplot as plt
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import infoflow
from infoflow.testing import UNet, blob_images

# %%
# Data, and what Y is
# -------------------
#
# A mask has too many values to be a class. Y is therefore a reduction of it: which of four quarters
# of the mask hold more than 64 foreground pixels. ``entropy`` is H(Y), which no layer's I(Y;M) can
# exceed. Classes that hold a single image should be few: they count images, not knowledge.

images, masks = blob_images(96, size=32, seed=0)
target = infoflow.Coarsening(blocks=(2, 2), threshold=64)
labels = target.reduce(masks)
bits = labels.entropy / math.log(2)
print(f"H(Y) = {bits:.2f} bits, {labels.singleton_classes} classes of one image")

figure, panels = plt.subplots(2, 8, figsize=(10, 2.7), layout="constrained")
for image, mask, (above, below) in zip(images, masks, panels.T, strict=False):
    above.imshow(image.permute(1, 2, 0))
    below.imshow(mask[0], cmap="gray")
for panel in panels.flat:
    panel.set_axis_off()

# %%
# Training
# --------
#
# ``record`` measures where the schedule says so, and leaves the model, the loader and the random
# state as they were: the training is the same with and without it.


EPOCHS = 30


def train(model, tracker=None):
    """Train ``model`` on the images; return the mean Dice on them at the end."""
    loader = DataLoader(TensorDataset(images, masks), batch_size=16, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    for epoch in range(1, EPOCHS + 1):
        for image, mask in loader:
            optimizer.zero_grad()
            F.binary_cross_entropy(model(image), mask).backward()
            optimizer.step()
        if tracker is not None:
            tracker.record(epoch)
    with torch.no_grad():
        found = (model(images) > 0.5).float()
    size = found.sum((1, 2, 3)) + masks.sum((1, 2, 3))
    return float((2 * (found * masks).sum((1, 2, 3)) / size.clamp(min=1)).mean())


settings = {"target": target, "noise": 1.0, "progress": False}
samples = DataLoader(TensorDataset(images, masks), batch_size=32)

torch.manual_seed(0)
model = UNet(base_channels=8)
tracker = infoflow.Tracker(model, samples, schedule=[0, 1, 2, 5, 10, 20, EPOCHS], **settings)

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", infoflow.InfoflowWarning)
    tracker.record(0)
    dice = train(model, tracker)

print(f"Dice after {EPOCHS} epochs: {dice:.2f}")
for warning in caught:
    print(f"{warning.category.__name__}: {warning.message}")

# %%
# The table shows the last epoch. ``=`` flags layers that are *saturated*: above 95 % of the
# ceiling, their numbers say that the images are easy to tell apart, and nothing more.

result = tracker.result
print(result)

# %%
# The flags are kept for every epoch. Training moves more and more layers to the ceiling.

for epoch, number in zip(result.epochs, result.dataset["iym_saturated"].sum("layer"), strict=True):
    print(f"epoch {epoch:2d}: I(Y;M) is saturated in {int(number)} of {len(result.layers)} layers")

# %%
# The U-Plot
# ----------
#
# I(Y;M) against depth, one line per epoch; saturated points are hollow. It falls towards the
# bottleneck, and rises at the merges, where a skip connection brings back what was lost on the long
# way. Some lines also rise within the encoder, which is a chain. No layer can gain information
# there: its values have only grown, for the same noise (:ref:`what-the-numbers-are`).

infoflow.plots.uplot(result, quantity="iym")

# %%
# I(X;M) has the same shape. Its ceiling is log N: with 96 images there are no more than 6.58
# bits to be known about which of them was shown.

infoflow.plots.uplot(result, quantity="ixm")

# %%
# Information planes
# ------------------
#
# The same numbers against each other, over the epochs, for one layer and for all of them.

infoflow.plots.information_plane(result, layer="upsample.3")

# %%
infoflow.plots.information_planes(result)

# %%
# Pruning advice, and a check of it
# ---------------------------------
#
# The paper's reading: a skip into a merge is not needed once the layers before the merge have
# reached the maximum of I(Y;·). It answers a question of *redesign*, and says so.

print(infoflow.suggest_pruning(result, reading="paper"))

# %%
# A prediction can be tested: the net is trained from scratch, just as long, once without the skip
# whose verdict is to prune, and once without one to keep.

print(f"all skips: Dice {dice:.2f}")
for missing in ("1->20", "3->17"):
    torch.manual_seed(0)
    score = train(UNet(base_channels=8, skips=[s for s in UNet.ALL_SKIPS if s != missing]))
    print(f"without {missing}: Dice {score:.2f}")

# %%
# When this page was written, the net without 1→20 came out worse than the one without 3→17 (0.82
# and 0.90, against 0.93 with all skips), so here the reading did not hold. It had the weakest of
# supports: I(Y;M) before the merge had gone to its ceiling, where a number says little about the
# net. And a few epochs with one seed are an anecdote. The paper compares whole learning curves over
# 10,000 epochs; see :doc:`/understand` for what a verdict can and cannot mean.

# %%
# The untrained control
# ---------------------
#
# What is high before any training is no achievement of training. Nets with random weights differ
# much from each other. Some have all of H(Y) in their first layers, and again at layer 20, which
# the skip 1→20 connects to layer 1.

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for seed, style in ((1, "-"), (2, "--"), (3, ":")):
    torch.manual_seed(seed)
    control = infoflow.analyze(UNet(base_channels=8), samples, **settings)
    depth = control.dataset["index"]
    ax.plot(depth, control.iym[0], style, color="gray", label=f"untrained, seed {seed}")
ax.plot(depth, result.iym[-1], color="tab:orange", label=f"trained, epoch {EPOCHS}")
ax.axhline(float(result.dataset["iym_ceiling"][0]), color="black", linewidth=0.7)
ax.set_xlabel("layer index")
ax.set_ylabel("I(Y;M) (bits)")
ax.legend(loc=(0.36, 0.12))

# %%
# Saturation
# ----------
#
# The noise sets the scale at which samples count as different. With a millionth of the noise
# variance, an *untrained* net appears to hold all of H(Y) in almost every layer. Such a number is
# arithmetic of the data set: infoflow warns, flags the layers and draws them hollow.

small_noise = settings | {"noise": 1e-6}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", infoflow.InfoflowWarning)
    torch.manual_seed(0)
    saturated = infoflow.analyze(UNet(base_channels=8), samples, **small_noise)

for warning in caught:
    print(f"{warning.category.__name__}: {warning.message}")
infoflow.plots.uplot(saturated)
