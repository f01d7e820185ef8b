"""How good a segmentation is, and the file that tells it for every epoch."""

from __future__ import annotations

import csv
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import torch
from checkpoint import RunError
from common.files import replacing
from data import batches
from torch import Tensor, nn


@torch.no_grad()
def mean_dice(model: nn.Module, images: Tensor, masks: Tensor, batch_size: int) -> float:
    """Return the mean over images of 2·|P∩T| / (|P| + |T|), where P is the output above 0.5.

    An image without nuclei in which none is found counts 1.
    """
    each = []
    for image, mask in batches(images, masks, batch_size):
        found, true = (model(image) > 0.5).flatten(1), (mask > 0.5).flatten(1)
        both = (found & true).sum(dim=1).double()
        total = (found.sum(dim=1) + true.sum(dim=1)).double()
        each.append(torch.where(total > 0, 2 * both / total.clamp(min=1), 1.0))
    return float(torch.cat(each).mean())


@dataclass(frozen=True)
class Row:
    """One epoch: the mean loss of its batches as they were trained on, and the Dice after it.

    Epoch 0, before any training, has no loss; the training Dice is taken at measured epochs only,
    since it costs a pass over all training images.
    """

    epoch: int
    training_loss: float | None
    training_dice: float | None
    validation_dice: float


class MetricsFile:
    """``metrics.csv``: a row for every epoch from 0 on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: Row) -> None:
        """Add the row of the next epoch."""
        is_new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            if is_new:
                writer.writerow(field.name for field in fields(Row))
            writer.writerow(astuple(row))

    def rewind(self, epoch: int) -> None:
        """Drop the rows later than ``epoch``; a RunError where earlier ones are missing.

        A row that a kill has cut short is later than the last checkpoint, so it goes too.
        """
        if not self.path.exists():
            raise RunError(f"{self.path} is missing beside its checkpoint. Put the file back.")
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)[: epoch + 2]
        rows = [line for line in lines[1:] if line.endswith("\n")]
        if [row.split(",")[0] for row in rows] != [str(number) for number in range(epoch + 1)]:
            raise RunError(
                f"{self.path} must have a row for each epoch from 0 to {epoch}, where the "
                "checkpoint is, but some are missing. Put the file back, or start again with "
                "another --out."
            )
        with replacing(self.path) as part:
            part.write_text("".join(lines[:1] + rows), encoding="utf-8")
