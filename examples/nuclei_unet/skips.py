"""Every reading of the four skips of a trained Model 1, beside what cutting each one costs.

Usage: python examples/nuclei_unet/skips.py RUN --data-dir DATA, where RUN is the folder of a run of
train.py. The table of docs/trust, on a net of your own.
"""

from __future__ import annotations

import copy
import csv
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from torch import Tensor, nn

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for the package common

from checkpoint import Checkpoint, Plain
from data import Nuclei, batches, load_nuclei
from metrics import mean_dice
from models import build_model, skip_name
from options import CACHE, CacheDir, DataDir

import infoflow
from infoflow import InfoflowError
from infoflow.testing import UNet

BATCH = 16
FINE_TUNING = 5
ENDINGS = {
    "added": "",
    "added_ci_low": ", interval from",
    "added_ci_high": ", interval to",
    "added_null_high": ", shuffled classes (95 %)",
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@contextmanager
def cut(model: UNet, skip: str) -> Iterator[None]:
    """Replace a skip by zeros while the context lasts."""
    reader = model.decoder[UNet.ALL_SKIPS.index(skip)][0]
    assert isinstance(reader, nn.Conv2d), "a decoder's pair begins with a convolution"

    def without(_: nn.Module, values: tuple[Tensor, ...]) -> tuple[Tensor]:
        source, main = values[0].chunk(2, dim=1)
        return (torch.cat([torch.zeros_like(source), main], dim=1),)

    handle = reader.register_forward_pre_hook(without)
    try:
        yield
    finally:
        handle.remove()


def fine_tune(model: UNet, data: Nuclei, learning_rate: float) -> None:
    """Train a few epochs as the run was trained."""
    optimizer = torch.optim.SGD(model.parameters(), learning_rate)
    generator = torch.Generator().manual_seed(0)
    for _ in range(FINE_TUNING):
        for rows in torch.randperm(len(data.images), generator=generator).split(BATCH):
            optimizer.zero_grad()
            F.binary_cross_entropy(model(data.images[rows]), data.masks[rows]).backward()
            optimizer.step()


def damage(model: UNet, skip: str, data: Nuclei, learning_rate: float) -> dict[str, float]:
    """Return validation Dice with the skip cut, at once and after fine-tuning."""
    held_out = (data.validation_images, data.validation_masks, BATCH)
    tuned = copy.deepcopy(model)
    with cut(model, skip):
        at_once = mean_dice(model, *held_out)
    with cut(tuned, skip):
        fine_tune(tuned, data, learning_rate)
        return {"cut": at_once, "tuned": mean_dice(tuned, *held_out)}


def readings(model: UNet, data: Nuclei, clusters: int, pixels: int) -> dict[str, dict[str, float]]:
    """Return, for each skip, the paper's reading, what it adds, and its usable information."""
    loader = batches(data.images, data.masks, BATCH)
    result = infoflow.analyze(model, loader, target=infoflow.KMeans(clusters), noise=1.0)
    usable = infoflow.usable_streams(model, loader, pixels=pixels)
    found: dict[str, dict[str, float]] = {}
    for merge in result.graph.merges:
        (skip,) = merge.skips
        one = result.streams.isel(epoch=0).sel(stream=skip.name)
        row = next(r for r in usable.rows if (r.merge, r.source) == (merge.name, skip.source))
        found[skip_name(skip)] = {
            "I(Y; main stream)": float(result.iym.sel(epoch=0, layer=merge.main)),
            "its ceiling": float(result.dataset["iym_ceiling"][0]),
            **{
                f"added, {noise} noise{ending}": float(one[name][number])
                for number, noise in enumerate(("fixed", "relative"))
                for name, ending in ENDINGS.items()
            },
            "usable, main stream": row.rest.value,
            "usable, skip": row.alone.value,
            "usable, both": row.joint.value,
            "usable, added by the skip": row.added.value,
        }
    return found


@app.command()
def main(
    run: Annotated[Path, typer.Argument(help="Folder of a run of train.py, Model 1.")],
    data_dir: DataDir = None,
    cache_dir: CacheDir = CACHE,
    pixels: Annotated[int, typer.Option(help="Of an image, for the probes.")] = 64,
    out: Annotated[Path, typer.Option(help="Table to write.")] = Path("skips.csv"),
) -> None:
    """Print and write the table."""
    try:
        checkpoint = Checkpoint.load(run / "checkpoint.pt")
        settings = checkpoint.settings
        if settings["model"] != 1:
            raise ValueError(
                f"{run} must be a run of Model 1, which has all skips, got model "
                f"{settings['model']}. Give another folder."
            )
        data = load_nuclei(data_dir, size=settings["size"], cache_dir=cache_dir)
        model = build_model(1, base_channels=settings["base_channels"])
        model.load_state_dict(checkpoint.model)
        write_table(model, data, settings, pixels, out)
    except (InfoflowError, ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


def write_table(model: UNet, data: Nuclei, settings: Plain, pixels: int, out: Path) -> None:
    """Print and write every reading of each skip, beside what cutting it costs."""
    whole = mean_dice(model, data.validation_images, data.validation_masks, BATCH)
    typer.echo(f"validation Dice {whole:.3f}, torch {torch.__version__}, {platform.machine()}")
    found = readings(model, data, settings["clusters"], pixels)
    rows: dict[str, dict[str, float]] = {}
    for skip in UNet.ALL_SKIPS:
        costs = damage(model, skip, data, settings["learning_rate"])
        rows[skip] = {
            "Dice, zeroed": costs["cut"],
            f"Dice, {FINE_TUNING} epochs later": costs["tuned"],
            **found[skip],
        }
        typer.echo(f"{skip}: {', '.join(f'{n} {_short(v)}' for n, v in rows[skip].items())}")
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["skip", *rows])
        for name in rows[skip]:
            writer.writerow([name, *(_short(row[name]) for row in rows.values())])


def _short(value: float) -> str:
    """Return three digits, without a sign where they are all 0."""
    return f"{round(value, 3) + 0.0:.3f}"


if __name__ == "__main__":
    app()
