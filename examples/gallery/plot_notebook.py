# ruff: noqa: D205, D400, B018
"""
In a notebook
=============

A result in the last line of a cell shows itself as a table. This page is an executed notebook; the
link at its end downloads it. A bar shows the progress; ``progress=False`` hides it.
"""

import tempfile
from pathlib import Path

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import infoflow
from infoflow.testing import UNet, blob_images

images, masks = blob_images(456, size=16, seed=0)
torch.manual_seed(0)
net = UNet(base_channels=4)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(150):
    chosen = torch.randint(96, (16,))
    optimizer.zero_grad()
    F.binary_cross_entropy(net(images[chosen]), masks[chosen]).backward()
    optimizer.step()

# %%
# What each layer keeps
# ---------------------
#
# Rows, variables and settings unfold below the table.

training = DataLoader(TensorDataset(images[:96], masks[:96]), batch_size=32)
held_out = DataLoader(TensorDataset(images[96:], masks[96:]), batch_size=32)
result = infoflow.analyze(net, held_out, noise="relative", progress=False)
result

# %%
# Figures are those of matplotlib, and appear below the cell that draws them.

infoflow.plots.uplot(result)

# %%
# What each stream is worth
# -------------------------
#
# An ablation shows itself in the same way. It removes streams and measures the loss on held-out
# samples; training samples mend the layers that stay.

ablation = infoflow.ablate(net, held_out, calibrate=training, metric="dice", progress=False)
ablation

# %%
infoflow.plots.frontier(ablation)

# %%
# The rows as a table of pandas, to sort and to filter:

ablation.to_frame().head()

# %%
# For colleagues without a notebook, write everything to one page:

page = infoflow.report([result, ablation], Path(tempfile.mkdtemp()) / "report.html")
print(page.name, page.stat().st_size // 1000, "kB")
