"""What cutting each skip of the trained Model 1 costs, beside its usable information."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from common.files import replacing
from data import Nuclei, batches
from metrics import mean_dice
from models import skip_name
from skips import damage

import infoflow
from infoflow.testing import UNet
from reproduction.scales import BATCH
from reproduction.training import Trained

#: Pixels of an image that the probes of usable information see.
_PIXELS = 64


def cut_skips(trained: Trained, data: Nuclei, path: Path) -> bool:
    """Write the table of the latest kept epoch, unless it is there; tell whether it was made."""
    epoch = max(trained.kept(), default=0)
    if path.exists() and json.loads(path.read_text(encoding="utf-8"))["epoch"] == epoch:
        return False
    model = trained.model(epoch).eval()
    usable = _usable(model, data)
    table = {
        "epoch": epoch,
        "dice": mean_dice(model, data.validation_images, data.validation_masks, BATCH),
        "skips": {
            skip: {**damage(model, skip, data, trained.training.learning_rate), **usable[skip]}
            for skip in UNet.ALL_SKIPS
        },
    }
    with replacing(path) as part:
        part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    return True


def _usable(model: UNet, data: Nuclei) -> dict[str, dict[str, float]]:
    """Return the usable information of the streams into each merge, in bits a pixel."""
    pixels = min(_PIXELS, data.masks[0].numel())
    loader = batches(data.images, data.masks, BATCH)
    graph = infoflow.trace(model, data.images[:1])
    rows: list[Any] = list(infoflow.usable_streams(model, loader, pixels=pixels).rows)
    found = {}
    for merge in graph.merges:
        (skip,) = merge.skips
        row = next(r for r in rows if (r.merge, r.source) == (merge.name, skip.source))
        found[skip_name(skip)] = {
            "usable main": row.rest.value,
            "usable skip": row.alone.value,
            "usable both": row.joint.value,
            "usable added": row.added.value,
        }
    return found
