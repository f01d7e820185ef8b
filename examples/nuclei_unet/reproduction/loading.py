"""Read the committed results into a study."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import infoflow
from reproduction.curves import Curve, Numbers
from reproduction.entropy import read_entropies
from reproduction.readouts import read_probes
from reproduction.scales import is_control, paper_clock
from reproduction.study import Seed, Study


def load_study(results: Path) -> Study:
    """Read all that is in a folder of results.

    Raises
    ------
    ValueError
        If no training of Model 1 was measured.
    """
    models: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for path in sorted(results.glob("*.training.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        models.setdefault((about["variant"], about["seed"]), []).append(about)
    seeds = [_load_seed(results, group) for group in models.values()]
    found = [seed for seed in seeds if seed is not None]
    others = tuple(seed for seed in found if is_control(seed.variant))
    if len(others) == len(found):
        raise ValueError(
            f"{results} must hold the measurements of a Model 1 (*-model1-*.flow.nc), but has "
            "none. Run the stages train and measure first."
        )
    return Study(tuple(seed for seed in found if not is_control(seed.variant)), others)


def _load_seed(results: Path, group: list[dict[str, Any]]) -> Seed | None:
    first = min(group, key=lambda about: about["model"])
    name = f"{first['variant']}-model1-seed{first['seed']}"
    if not (results / f"{name}.flow.nc").exists():
        return None
    with xr.open_dataset(results / f"{name}.readings.nc", engine="h5netcdf") as stored:
        readings = stored.load()
    cut = results / f"{name}.cut.json"
    return Seed(
        first["variant"],
        first["seed"],
        paper_clock(first["learning_rate"], first["steps_per_epoch"]),
        readings,
        {about["model"]: _curve(results, about) for about in group},
        infoflow.load(results / f"{name}.flow.nc"),
        json.loads(cut.read_text(encoding="utf-8")) if cut.exists() else None,
        first,
        # the clusters, and so their entropies, are those of all seeds
        read_entropies(results / f"{first['variant']}-model1-seed0.entropy.json"),
        read_probes(results / f"{name}.probes.nc"),
    )


def _curve(results: Path, about: dict[str, Any]) -> Curve:
    name = f"{about['variant']}-model{about['model']}-seed{about['seed']}"
    rate = paper_clock(about["learning_rate"], about["steps_per_epoch"])
    with (results / f"{name}.metrics.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))

    def column(key: str) -> Numbers:
        return np.array([float(row[key]) if row[key] else math.nan for row in rows])

    return Curve(
        column("epoch") * rate,
        column("training_loss"),
        column("training_dice"),
        column("validation_dice"),
        about["epochs"] * rate,
    )
