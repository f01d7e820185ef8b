"""What was measured, as tables by name: all that figures and claims are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common.files import reading

#: Columns that each table must have.
COLUMNS = {
    "information": ("seed", "epoch", "draws", "layer", "ixm", "ixm_lower", "ixm_standard_error"),
    "audit": ("seed", "epoch", "draws", "pairs", "holds", "estimator"),
    "bins": ("seed", "epoch", "layer"),
    "distances": ("seed", "epoch", "layer", "within_median", "between_median"),
    "metrics": ("seed", "epoch", "train_loss", "test_loss"),
    "similarity": ("variant", "seed", "layer", "mean", "std"),
    "neuron": ("epoch", "beta", "integrated", "sampled"),
    "pair": ("epoch", "layer", "integrated", "sampled"),
    "rate": ("layer", "inputs", "error_nats", "standard_error"),
    "released": ("draws", "seed", "layer", "ixm", "ixm_lower", "estimator"),
}


@dataclass
class Study:
    """The results of a folder.

    Parameters
    ----------
    results
        The folder.
    released
        The authors' curves by name, where they are at hand; no part of the results.
    """

    results: Path
    released: dict[str, list[float]] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Tell whether a table is there, such as ``"szt-tanh.metrics"``."""
        return (self.results / f"{name}.csv").exists()

    def table(self, name: str) -> pd.DataFrame:
        """Return a table; an empty one where it was not measured."""
        path, columns = self.results / f"{name}.csv", COLUMNS[name.rpartition(".")[2]]
        if not path.exists():
            return pd.DataFrame(columns=list(columns))
        with reading(path):
            found = pd.read_csv(path)
            missing = [column for column in columns if column not in found]
            if missing:
                raise KeyError(f"no column {', '.join(missing)}")
        return found

    def arrays(self, name: str) -> dict[str, Any]:
        """Return named arrays; none where they were not measured."""
        path = self.results / f"{name}.npz"
        if not path.exists():
            return {}
        with reading(path), path.open("rb") as stream, np.load(stream) as stored:
            return dict(stored)

    def seeds(self, name: str) -> list[int]:
        """Return the seeds of a table."""
        return [int(seed) for seed in sorted(self.table(name)["seed"].unique())]

    def curve(self, variant: str, seed: int, layer: int) -> pd.DataFrame:
        """Return I(X;T) of a layer by epoch, with the draws that most looks have."""
        rows = self.table(f"szt-{variant}.information")
        if not len(rows):
            return rows
        rows = rows[(rows["seed"] == seed) & (rows["layer"] == layer)]
        usual = rows["draws"].mode()
        rows = rows[rows["draws"] == (usual.iloc[0] if len(usual) else 0)]
        return rows.set_index("epoch").sort_index()

    def last(self, variant: str) -> int:
        """Return the last epoch of a training."""
        metrics = self.table(f"szt-{variant}.metrics")
        return int(metrics["epoch"].max()) if len(metrics) else 0


def load_study(results: Path, released: dict[str, list[float]] | None = None) -> Study:
    """Return the results of a folder; a ValueError where it has none."""
    if not list(results.glob("*.metrics.csv")):
        raise ValueError(
            f"{results} has no results of this study, expected tables such as szt-tanh.metrics.csv."
            " Run the stages train and measure first, or give another --results."
        )
    return Study(results, released or {})


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Spearman's rank correlation.

    Examples
    --------
    >>> rank_correlation([1, 2, 3], [10, 30, 90])
    1.0
    """
    ranks = (pd.Series(first).rank(), pd.Series(second).rank())
    return round(float(ranks[0].corr(ranks[1])), 6)
