"""Models 1 to 4 of the paper, with ever fewer skip connections, and the U-Net they come from."""

from __future__ import annotations

import os

import torch
from original import MirroredUNet

from infoflow.interface import Skip
from infoflow.testing import UNet

#: The skip connections that each model keeps (section 4.2 of the paper).
SKIPS = {number: UNet.ALL_SKIPS[: 5 - number] for number in (1, 2, 3, 4)}


#: The U-Net of Ronneberger et al., as it is named where a number of the paper could be.
ORIGINAL = "original"


def build_model(
    number: int | str = 1, *, base_channels: int = 16, seed: int = 0
) -> UNet | MirroredUNet:
    """Return an untrained model, the same for the same seed.

    Parameters
    ----------
    number
        1 for the whole U-Net, 2 without 1->20, 3 also without 3->17, 4 also without 5->14;
        ``"original"`` for the one of Ronneberger et al.
    base_channels
        Channels of the first pair of convolutions; the paper has 16.
    seed
        Seed of the weights; the random state is left as it was.

    Examples
    --------
    >>> build_model(3, base_channels=4).skips
    ('7->11', '5->14')
    """
    if number != ORIGINAL and number not in SKIPS:
        raise ValueError(f"The models are 1, 2, 3, 4 and {ORIGINAL!r}, got {number!r}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if number == ORIGINAL:
            return MirroredUNet(base_channels)
        return UNet(base_channels, skips=SKIPS[number])


def skip_name(skip: Skip) -> str:
    """Return how :data:`SKIPS` names a skip connection of a graph."""
    return str(skip).replace("→", "->")


def model_number(name: str) -> int | str:
    """Return what ``name`` stands for: a number of the paper, or ``"original"``."""
    return int(name) if name.isdigit() else name


def make_model() -> UNet | MirroredUNet:
    """Return the model for ``infoflow analyze``.

    INFOFLOW_NUCLEI_BASE sets its base channels (8), INFOFLOW_NUCLEI_MODEL its number (1) or
    ``original``.
    """
    number = model_number(os.environ.get("INFOFLOW_NUCLEI_MODEL", "1"))
    return build_model(number, base_channels=int(os.environ.get("INFOFLOW_NUCLEI_BASE", "8")))
