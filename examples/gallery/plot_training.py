# ruff: noqa: D205, D400
"""
A training, measured
====================

A small U-Net learns to find blobs, while a :class:`infoflow.Tracker` measures how many bits every
layer keeps about the image, I(X;M), and about the mask, I(Y;M). You will see the U-Plot, the same
for untrained nets, and what saturation does to a number.
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
# A mask has too many values to be a class. Here Y says which of the mask's four quarters hold more
# than 64 foreground pixels. ``entropy`` is H(Y), which no layer's I(Y;M) can exceed. Few classes
# should hold a single image: such classes count images, not knowledge.

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
# ``record`` measures at the epochs of the schedule. The model, the loader and the random states
# stay as they were, so the training is the same with and without it.


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
# The table shows the last epoch. ``=`` marks *saturated* layers: above 95 % of the ceiling, a
# number only says that the images are easy to tell apart.

result = tracker.result
print(result)

# %%
# The result has these marks for every epoch. Training moves more and more layers to the ceiling.

for epoch, number in zip(result.epochs, result.dataset["iym_saturated"].sum("layer"), strict=True):
    print(f"epoch {epoch:2d}: I(Y;M) is saturated in {int(number)} of {len(result.layers)} layers")

# %%
# The U-Plot
# ----------
#
# I(Y;M) against depth, one line per epoch; saturated points are hollow. It falls towards the
# bottleneck and rises at the merges, where a skip connection brings back what was lost on the way.
# Some lines also rise within the encoder, which is a chain. No layer can gain information there:
# only its values have grown, while the noise stayed the same (:ref:`what-the-numbers-are`).

infoflow.plots.uplot(result, quantity="iym")

# %%
# I(X;M) has the same shape. Its ceiling is log N: 6.58 bits tell which of 96 images was shown.

infoflow.plots.uplot(result, quantity="ixm")

# %%
# Information planes
# ------------------
#
# I(Y;M) against I(X;M) over the epochs, for one layer and for all.

infoflow.plots.information_plane(result, layer="upsample.3")

# %%
infoflow.plots.information_planes(result)

# %%
# Pruning advice, and a check of it
# ---------------------------------
#
# In the paper's reading, a skip is not needed once the layers before its merge have reached the
# maximum of I(Y;·). This answers a question of *redesign*: would a net built without it do as well?

print(infoflow.suggest_pruning(result, reading="paper"))

# %%
# Test it: train the net from scratch, just as long, once without the skip that should go, and once
# without a skip that should stay.

print(f"all skips: Dice {dice:.2f}")
for missing in ("1->20", "3->17"):
    torch.manual_seed(0)
    score = train(UNet(base_channels=8, skips=[s for s in UNet.ALL_SKIPS if s != missing]))
    print(f"without {missing}: Dice {score:.2f}")

# %%
# When this page was written, the net without 1→20 was worse than the one without 3→17 (Dice 0.82
# and 0.90, against 0.93 with all skips), so the reading did not hold. I(Y;M) before the merge was
# at its ceiling, where a number says little about the net. And a few epochs with one seed prove
# nothing: the paper compares learning curves over 10,000 epochs (:ref:`verdicts`).

# %%
# The untrained control
# ---------------------
#
# A number that is high before training was not learned. Nets with random weights differ a lot. Some
# have all of H(Y) in their first layers, and again at layer 20, which the skip 1→20 connects to
# layer 1.

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
# The noise decides at which distance samples count as different. With a millionth of the noise
# variance, an *untrained* net appears to hold all of H(Y) in almost every layer. Such a number
# describes the data set: infoflow warns, marks the layers and draws them hollow.

small_noise = settings | {"noise": 1e-6}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", infoflow.InfoflowWarning)
    torch.manual_seed(0)
    saturated = infoflow.analyze(UNet(base_channels=8), samples, **small_noise)

for warning in caught:
    print(f"{warning.category.__name__}: {warning.message}")
infoflow.plots.uplot(saturated)
