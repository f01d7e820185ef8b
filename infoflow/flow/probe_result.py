"""What :func:`infoflow.probe` returns: a metric for every layer, with its spread over folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from infoflow.estimators.linear import LinearReadout
from infoflow.estimators.scores import METRICS, score
from infoflow.flow.readouts import Task, constant_overlaps
from infoflow.graph.text_table import align
from infoflow.results import Result


@dataclass(frozen=True, eq=False, repr=False)
class ProbeResult(Result):
    """How well linear read-outs of the layers do on samples that they have not seen.

    Parameters
    ----------
    dataset
        For each metric, such as Dice: ``dice`` by ``layer``, the mean over all judged samples;
        ``dice_by_fold`` by ``layer`` and ``fold``; ``dice_sd``, the standard deviation of the
        folds, NaN with one; ``dice_chance``, that of the most frequent class everywhere. Further
        ``strength`` by ``layer`` and ``fold``, the inverse strength of the penalty, NaN where the
        fit gained nothing and the read-out is the most frequent class; and ``features`` by
        ``layer``. Metrics go from 0 to 1 and have no unit.
    """

    needs = ("layer", "index", "features", "strength")
    dims = ("layer",)
    always = tuple(METRICS)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics."""
        return tuple(name for name in METRICS if name in self.dataset)

    @property
    def layers(self) -> list[str]:
        """Names of the layers, in the order of computation."""
        return [str(name) for name in self.dataset["layer"].values]

    def table(self) -> str:
        """Return every metric of every layer."""
        about = self.dataset.attrs
        names = [METRICS[name] for name in self.metrics]
        header = ["", "layer", "features", *(cell for name in names for cell in (name, "± sd"))]
        rows = [header, *(self._cells(row) for row in range(len(self.layers)))]
        chance = [f"{float(self.dataset[f'{name}_chance']):.3f}" for name in self.metrics]
        last = ["", "most frequent class", ""]
        rows.append([*last, *(cell for value in chance for cell in (value, ""))])
        lines = align(rows, right=(0, *range(2, len(header))))
        return "\n".join([f"{about['model']}: {about['kind']}", "", *lines])

    def _cells(self, row: int) -> list[str]:
        moment = self.dataset.isel(layer=row)
        cells = [str(int(moment["index"])), self.layers[row], str(int(moment["features"]))]
        for name in self.metrics:
            spread = float(moment[f"{name}_sd"])
            cells += [f"{float(moment[name]):.3f}", "" if np.isnan(spread) else f"{spread:.3f}"]
        return cells


def result_of(
    task: Task,
    metrics: Sequence[str],
    overlaps: Mapping[str, Tensor],
    readouts: Mapping[str, Sequence[LinearReadout]],
) -> ProbeResult:
    """Label the counts of all layers."""
    layers, fold = task.layers, task.judges.fold
    shares = [readout.prior for readout in readouts[layers[0].name]]
    constant = constant_overlaps(task.judges, shares)
    variables: dict[str, Any] = {}
    for metric in metrics:
        label = {"long_name": METRICS[metric], "units": "1"}
        each = torch.stack([score(metric, overlaps[layer.name]) for layer in layers])
        folds = [each[:, fold == number].mean(dim=1) for number in fold.unique()]
        by_fold = torch.stack(folds, dim=1).numpy()
        spread = by_fold.std(axis=1, ddof=1) if len(folds) > 1 else np.full(len(each), np.nan)
        variables[metric] = ("layer", each.mean(dim=1).numpy(), label)
        variables[f"{metric}_sd"] = ("layer", spread, label)
        variables[f"{metric}_by_fold"] = (("layer", "fold"), by_fold, label)
        variables[f"{metric}_chance"] = ((), float(score(metric, constant).mean()), label)
    strengths = [[readout.strength for readout in readouts[layer.name]] for layer in layers]
    variables["strength"] = (("layer", "fold"), np.array(strengths, dtype=float))
    coordinates = {
        "layer": [layer.name for layer in layers],
        "index": ("layer", [layer.index for layer in layers]),
        "is_merge": ("layer", [layer.is_merge for layer in layers]),
        "features": ("layer", [task.features(layer) for layer in layers]),
    }
    about = {
        "model": task.graph.model,
        "kind": _kind(task),
        "samples": len(fold),
    }
    return ProbeResult(xr.Dataset(variables, coordinates, about))


def _kind(task: Task) -> str:
    """Say what was fitted and what it was judged on."""
    readout, places = "logistic regression on pooled features", task.question.places
    if places is not None:
        readout = f"1×1 read-outs fitted on {places.shape[1]} pixels of each sample"
    folds = len(task.judges.fold.unique())
    where = f"cross-fitted in {folds} folds" if folds > 1 else "of other samples"
    classes = "most likely" if task.decision == "likely" else "balanced"
    return f"{readout}, {where}; {classes} class, judged on {len(task.judges.fold)} samples"
