"""From the learning curves of a race to its dataset."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from infoflow.pruning.ablation.bounds import Verdict, default_tolerance
from infoflow.pruning.race.curves import (
    Difference,
    Floats,
    area,
    difference,
    judge,
    noise_floor,
    time_to,
)
from infoflow.pruning.race.outlook import Outlook
from infoflow.pruning.race.running import Course


@dataclass(frozen=True)
class Yardstick:
    """What the curves of a race are held against.

    Parameters
    ----------
    tolerance
        The rise that does not matter, in bits.
    threshold
        The held-out loss that counts as having learned, in bits.
    floor
        Standard deviation of the whole net's end over seeds, in bits.
    """

    tolerance: float
    threshold: float
    floor: float


def yardstick(course: Course, tolerance: float | None, threshold: float | None) -> Yardstick:
    """Return the caller's numbers, or those that the whole net's seeds give.

    The tolerance is 5 % of the whole net's end, at least 0.005 bits and at least the standard
    deviation of the end over its seeds. The threshold is where the whole net has learned 90 % of
    what it learns in all.
    """
    whole = course.bits[0]
    start, end = float(whole[:, 0].mean()), float(whole[:, -1].mean())
    floor = noise_floor(whole[:, -1])
    if tolerance is None:
        tolerance = max(default_tolerance(end), 0.0 if math.isnan(floor) else floor)
    if threshold is None:
        threshold = end + 0.1 * max(start - end, 0.0)
    return Yardstick(tolerance, threshold, floor)


def summarize(
    course: Course, outlooks: Mapping[str, Outlook], measure: Yardstick, model: str
) -> xr.Dataset:
    """Return the dataset of a race that is over."""
    epochs = np.asarray(course.epochs, dtype=float)
    areas = np.array([[area(epochs, curve) for curve in curves] for curves in course.bits])
    times = np.array(
        [[time_to(measure.threshold, epochs, curve) for curve in curves] for curves in course.bits]
    )
    rows = [_differences(course, epochs, areas, place) for place in range(len(course.entrants))]
    verdicts = [_verdicts(*row, measure.tolerance) for row in rows]
    first, last = zip(*rows, strict=True)
    by_variant: dict[str, Any] = {
        **_columns("area_difference", first, "mean of the learning curve less the whole net's"),
        **_columns("end_difference", last, "end of the learning curve less the whole net's"),
        "verdict": ("variant", ["", *(verdict for verdict, _, _ in verdicts[1:])]),
        "area_verdict": ("variant", ["", *(verdict for _, verdict, _ in verdicts[1:])]),
        "end_verdict": ("variant", ["", *(verdict for _, _, verdict in verdicts[1:])]),
        "time_to_threshold": ("variant", times.mean(axis=1), {"units": "epochs"}),
        "dropped_after": ("variant", course.dropped, {"units": "epochs"}),
        "shortest_path": ("variant", [o.shortest_path for o in outlooks.values()]),
        "output_spread": ("variant", [o.spread for o in outlooks.values()]),
        "parameters": ("variant", [o.parameters for o in outlooks.values()]),
    }
    curves = {
        "bits": (("variant", "seed", "epoch"), course.bits, {"units": "bits per label"}),
        "area": (("variant", "seed"), areas, {"units": "bits per label"}),
    }
    coordinates = {
        "variant": [entrant.name for entrant in course.entrants],
        "seed": list(course.seeds),
        "epoch": list(course.epochs),
        "streams": ("variant", [" + ".join(entrant.streams) for entrant in course.entrants]),
    }
    return xr.Dataset({**curves, **by_variant}, coordinates, _about(course, measure, model))


def _about(course: Course, measure: Yardstick, model: str) -> dict[str, Any]:
    full = course.epochs[-1]
    return {
        "model": model,
        "tolerance_bits": measure.tolerance,
        "threshold_bits": measure.threshold,
        "noise_floor_bits": measure.floor,
        "cost_full_trainings": course.trained / full,
        "cost_without_dropping": len(course.entrants) * len(course.seeds),
        "kept_share": course.keep,
    }


def _differences(
    course: Course, epochs: Floats, areas: Floats, place: int
) -> tuple[Difference, Difference]:
    """Return how much worse the curve and its end are, over the epochs that the variant ran."""
    ran = ~np.isnan(course.bits[place, 0])
    whole = [area(epochs[ran], curve[ran]) for curve in course.bits[0]]
    end = difference(course.bits[place, :, -1], course.bits[0, :, -1])
    return difference(areas[place], np.asarray(whole)), end


def _verdicts(
    curve: Difference, end: Difference, tolerance: float
) -> tuple[Verdict, Verdict, Verdict]:
    """Return the verdict on the variant, on its curve and on its end.

    Not needed are streams without which both are within the tolerance; needed are those without
    which one of them is beyond it.
    """
    on_curve, on_end = judge(curve, tolerance), judge(end, tolerance)
    if "keep" in (on_curve, on_end):
        return "keep", on_curve, on_end
    is_free = on_curve == on_end == "prune"
    return ("prune" if is_free else "cannot tell"), on_curve, on_end


def _columns(name: str, found: tuple[Difference, ...], label: str) -> dict[str, Any]:
    about = {"units": "bits per label", "long_name": label}
    return {
        name: ("variant", [one.value for one in found], about),
        f"{name}_ci_low": ("variant", [one.low for one in found], about),
        f"{name}_ci_high": ("variant", [one.high for one in found], about),
    }
