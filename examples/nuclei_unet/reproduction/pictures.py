"""The few images and masks that Figs. 2 and 6 show, kept small beside the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from common.files import replacing
from data import Nuclei
from torch import Tensor

from infoflow.interface import Labels
from reproduction.scales import Training, paper_clock, steps_per_epoch
from reproduction.training import Trained

#: Fig. 6 shows these of the paper's epochs.
SHOWN = (1000, 2000, 5000, 10_000)
_CLUSTERS, _MASKS, _IMAGES = 3, 4, 4


def examples_of(labels: Labels) -> Tensor:
    """Return (clusters, masks) rows of samples: four of each of the three largest classes."""
    numbers, counts = torch.unique(labels.classes, return_counts=True)
    largest = numbers[torch.argsort(counts, descending=True, stable=True)[:_CLUSTERS]]
    rows = []
    for number in largest:
        members = (labels.classes == number).nonzero().flatten()
        # a class with fewer samples than places shows some of them twice
        places = torch.linspace(0, len(members) - 1, _MASKS).round().long()
        rows.append(members[places])
    return torch.stack(rows)


def write_clusters(targets: dict[str, Labels], data: Nuclei, path: Path) -> None:
    """Write masks of the same cluster for both reductions, as bool."""
    with replacing(path) as part, part.open("wb") as stream:
        np.savez_compressed(
            stream,
            **{name: data.masks[examples_of(y)].bool().numpy() for name, y in targets.items()},
        )


def shown_epochs(training: Training, images: int, kept: Sequence[int]) -> list[int]:
    """Return for each of the paper's epochs the last kept one that does not go beyond it."""
    rate = paper_clock(training.learning_rate, steps_per_epoch(images))
    return [
        max((epoch for epoch in kept if epoch * rate <= paper * 1.001), default=0)
        for paper in SHOWN
    ]


@torch.no_grad()
def write_outputs(trained: Trained, data: Nuclei, path: Path) -> None:
    """Write what a model finds in a few validation images at the shown epochs, and the truth."""
    training = trained.training
    rows = _telling(data)
    epochs = shown_epochs(training, len(data.images), trained.kept())
    found = []
    for epoch in epochs:
        model = trained.model(epoch)
        found.append((model(data.validation_images[rows]) > 0.5)[:, 0].numpy())
    with replacing(path) as part, part.open("wb") as stream:
        np.savez_compressed(
            stream,
            images=(data.validation_images[rows] * 255).byte().numpy(),
            truth=data.validation_masks[rows, 0].bool().numpy(),
            found=np.stack(found),
            epochs=np.array(epochs),
            reached=np.array(trained.epoch),
        )


def _telling(data: Nuclei) -> Tensor:
    """Return the rows of validation images from little to much foreground."""
    filled = data.validation_masks.flatten(1).mean(dim=1)
    order = torch.argsort(filled)
    places = torch.linspace(0.4, 0.95, _IMAGES) * (len(order) - 1)
    return order[places.round().long()]
