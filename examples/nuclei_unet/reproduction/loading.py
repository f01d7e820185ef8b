"""Read the committed results into a study."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from common.files import reading

import infoflow
from reproduction.curves import Curve
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
    found = _load_all(results, "flow.nc")
    others = tuple(seed for seed in found if is_control(seed.variant))
    if len(others) == len(found):
        raise ValueError(_no_model_1(results, "flow.nc"))
    return Study(tuple(seed for seed in found if not is_control(seed.variant)), others)


def load_rates(results: Path) -> dict[float, dict[int, Seed]]:
    """Read the seeds of each learning rate, the largest rate first, by their numbers.

    Raises
    ------
    ValueError
        If no training of Model 1 was measured.
    """
    rates: dict[float, dict[int, Seed]] = {}
    for seed in sorted(_load_all(results, "readings.nc"), key=lambda seed: (-seed.rate, seed.seed)):
        rates.setdefault((seed.about or {})["learning_rate"], {})[seed.seed] = seed
    if not rates:
        raise ValueError(_no_model_1(results, "readings.nc"))
    return rates


def _no_model_1(results: Path, needed: str) -> str:
    return (
        f"{results} must hold the measurements of a Model 1 (*-model1-*.{needed}), but has none. "
        "Run the stages train and measure first."
    )


def _load_all(results: Path, needed: str) -> list[Seed]:
    """Read all seeds whose Model 1 was measured: that have the file of it that is needed."""
    models: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for path in sorted(results.glob("*.training.json")):
        with reading(path):
            about = json.loads(path.read_text(encoding="utf-8"))
            models.setdefault((about["variant"], about["seed"]), []).append(about)
    seeds = [_load_seed(results, group, needed) for group in models.values()]
    return [seed for seed in seeds if seed is not None]


def _load_seed(results: Path, group: list[dict[str, Any]], needed: str) -> Seed | None:
    first = min(group, key=lambda about: about["model"])
    name = f"{first['variant']}-model1-seed{first['seed']}"
    if not (results / f"{name}.{needed}").exists():
        return None
    path, flow = results / f"{name}.readings.nc", results / f"{name}.flow.nc"
    with reading(path), xr.open_dataset(path, engine="h5netcdf") as stored:
        readings = stored.load()
    return Seed(
        first["variant"],
        first["seed"],
        paper_clock(first["learning_rate"], first["steps_per_epoch"]),
        readings,
        {about["model"]: _curve(results, about) for about in group},
        infoflow.load(flow) if flow.exists() else None,
        _cut(results / f"{name}.cut.json"),
        first,
        # the clusters, and so their entropies, are those of all seeds
        read_entropies(results / f"{first['variant']}-model1-seed0.entropy.json"),
        read_probes(results / f"{name}.probes.nc"),
    )


def _cut(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    with reading(path):
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return table


def _curve(results: Path, about: dict[str, Any]) -> Curve:
    name = f"{about['variant']}-model{about['model']}-seed{about['seed']}"
    rate = paper_clock(about["learning_rate"], about["steps_per_epoch"])
    path, due = results / f"{name}.metrics.csv", about["trained_epochs"] + 1
    with reading(path), path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
        if len(rows) != due:
            raise ValueError(f"a row for each of {due} epochs was expected, there are {len(rows)}")
        columns = [
            np.array([float(row[key]) if row[key] else math.nan for row in rows])
            for key in ("epoch", "training_loss", "training_dice", "validation_dice")
        ]
    return Curve(columns[0] * rate, *columns[1:], about["epochs"] * rate)
