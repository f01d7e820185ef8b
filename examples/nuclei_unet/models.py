"""Models 1 to 4 of the paper: the U-Net, and three with ever fewer skip connections."""

from __future__ import annotations

import os

import torch

from infoflow.testing import UNet

#: The skip connections that each model keeps (section 4.2 of the paper).
SKIPS = {number: UNet.ALL_SKIPS[: 5 - number] for number in (1, 2, 3, 4)}


def build_model(number: int = 1, *, base_channels: int = 16, seed: int = 0) -> UNet:
    """Return an untrained model, the same for the same seed.

    Parameters
    ----------
    number
        1 for the whole U-Net, 2 without 1->20, 3 also without 3->17, 4 also without 5->14.
    base_channels
        Channels of the first pair of convolutions; the paper has 16.
    seed
        Seed of the weights; the random state is left as it was.

    Examples
    --------
    >>> build_model(3, base_channels=4).skips
    ('7->11', '5->14')
    """
    if number not in SKIPS:
        raise ValueError(f"The paper's models are 1, 2, 3 and 4, got {number}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet(base_channels, skips=SKIPS[number])


def make_model() -> UNet:
    """Return the model for ``infoflow analyze``.

    INFOFLOW_NUCLEI_BASE sets its base channels (8), INFOFLOW_NUCLEI_MODEL its number (1).
    """
    number = int(os.environ.get("INFOFLOW_NUCLEI_MODEL", "1"))
    return build_model(number, base_channels=int(os.environ.get("INFOFLOW_NUCLEI_BASE", "8")))
