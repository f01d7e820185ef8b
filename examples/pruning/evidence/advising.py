"""What infoflow.ablate says of a net, and whether its frontier keeps its promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import infoflow
from evidence.entry import Entry, Parts, Samples
from evidence.judging import holds, truth_of
from evidence.recording import Record, batches, held_out
from evidence.training import write_json
from infoflow.graph import LayerGraph

#: Samples that are handed to ``ablate``; it takes a third to choose with and judges with the rest.
ADVISING = 384


def advise(
    entry: Entry, graph: LayerGraph, parts: Parts, calibrate: Samples, seed: int, path: Path
) -> None:
    """Ablate a net on its first held-out samples, and write down what was found.

    A run that was stopped goes on where it was.
    """
    samples = held_out(parts)
    known = min(ADVISING, len(parts.choose[0]) + len(parts.judge[0]))
    ablation = infoflow.ablate(
        graph.source.model,
        batches((samples[0][:known], samples[1][:known])),
        calibrate=batches(calibrate),
        metric=None if entry.kind == "squares" else entry.metric,
        mend="auto",
        seed=seed,
        path=path.with_name("journal.json"),
        progress=False,
    )
    write_json(path, found_by(ablation))


def found_by(ablation: infoflow.Ablation) -> dict[str, Any]:
    """Return what an ablation found as plain numbers."""
    data = ablation.dataset
    costs = {k.removeprefix("cost_"): v for k, v in data.attrs.items() if k.startswith("cost_")}
    return {
        "roles": [str(role) for role in data["role"].values],
        "tolerance": ablation.tolerance,
        "conclusion": str(ablation.conclusion),
        "notes": list(ablation.notes),
        "costs": {name: float(value) for name, value in costs.items()},
        "screens": {
            name: {
                str(stream): float(value)
                for stream, value in zip(data["stream"].values, data[name].values, strict=True)
                if not np.isnan(value)
            }
            for name in ("screen_fisher", "screen_absolute")
        },
        "streams": [
            {
                "stream": row.skip.name,
                "status": row.status,
                "plain": _ends(row.plain),
                "mended": _ends(row.mended),
                "mender": row.mender,
                "verdict": row.verdict,
                "reason": row.reason,
            }
            for row in ablation.rows
        ],
        "points": [
            {
                "streams": list(point.streams),
                "bits": _ends(point.interval),
                "mender": point.mender,
                "verdict": point.verdict,
                "parameters": float(point.parameters),
                "multiply_adds": float(point.multiply_adds),
            }
            for point in ablation.frontier()
        ],
    }


def _ends(interval: Any) -> list[float] | None:
    if interval is None:
        return None
    return [float(interval.value), float(interval.low), float(interval.high)]


def read_advice(path: Path) -> dict[str, Any] | None:
    """Return what was found, None where no ablation has been made yet."""
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def point_row(
    point: dict[str, Any], whole: Record, found: Record, test: Any, is_ratio: bool
) -> dict[str, Any]:
    """Return what a point of the frontier promised, and what it costs on the test part."""
    truth = truth_of(whole.losses[test], found.losses[test], is_ratio)
    return {
        "streams": len(point["streams"]),
        "mender": point["mender"],
        "verdict": point["verdict"],
        "promised": point["bits"],
        "test": [truth.value, truth.low, truth.high],
        "damage": float((whole.scores - found.scores)[test].mean()),
        "parameters": point["parameters"],
        "multiply_adds": point["multiply_adds"],
        "kept": holds(*point["bits"], truth),
    }
