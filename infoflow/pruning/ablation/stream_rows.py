"""Rows of an ablation: a stream, a set of streams, and the verdicts on them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from infoflow.interface import Skip
from infoflow.pruning.ablation.bounds import Interval, Verdict
from infoflow.pruning.ablation.judging import Judged, Rules, decide
from infoflow.pruning.ablation.metric_loss import GroupLoss, MetricLoss


@dataclass(frozen=True)
class StreamLoss:
    """What a net loses without one stream.

    Parameters
    ----------
    skip
        The stream.
    status
        ``"measured"``; ``"ranked"`` by a backward pass only; or ``"cannot go"``.
    plain, mended
        Bits lost as it is, and mended; None where that was not measured.
    mender
        What mended best: ``"plain"``, ``"reader"`` or ``"cascade"``; empty where nothing was tried.
    verdict
        On the mended net, where there is one: ``"prune"``, ``"keep"`` or ``"cannot tell"``.
    reason
        Why, in words.
    more_samples
        How many more judging samples would tell; None where that cannot be said, 0 where the
        verdict is firm.
    metric
        What is lost of the user's metric, or None.
    parameters, multiply_adds, activation_bytes, time
        What the net saves; see :class:`infoflow.Ablation`.
    """

    skip: Skip
    status: str
    plain: Interval | None
    mended: Interval | None
    mender: str
    verdict: Verdict
    reason: str
    more_samples: int | None
    metric: MetricLoss | None
    parameters: float
    multiply_adds: float
    activation_bytes: float
    time: float

    @property
    def best(self) -> Interval | None:
        """Bits lost mended, where that was measured, else as it is."""
        return self.plain if self.mended is None else self.mended


@dataclass(frozen=True)
class FrontierPoint:
    """What a net loses without a set of streams.

    Parameters
    ----------
    streams
        Names of the streams; those of the point before are among them.
    labels
        What they are called in tables.
    interval
        Bits lost, with its interval.
    mender
        What mended best.
    verdict, reason
        As for a stream.
    metric
        What is lost of the user's metric, or None.
    parameters, multiply_adds, activation_bytes, time
        What the net saves.
    """

    streams: tuple[str, ...]
    labels: tuple[str, ...]
    interval: Interval
    mender: str
    verdict: Verdict
    reason: str
    metric: MetricLoss | None
    parameters: float
    multiply_adds: float
    activation_bytes: float
    time: float

    @property
    def bits(self) -> float:
        """Bits lost."""
        return self.interval.value

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of the bits lost."""
        return self.interval.low

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval of the bits lost."""
        return self.interval.high


def interval_of(row: xr.Dataset, prefix: str = "bits") -> Interval | None:
    """Return the interval that a row of the dataset holds, None where nothing was measured."""
    value = float(row[prefix])
    if math.isnan(value):
        return None
    low, high, robust_low, robust_high, largest = (
        float(row[f"{prefix}_{end}"])
        for end in ("low", "high", "robust_low", "robust_high", "largest_rise")
    )
    samples, method = int(row.attrs["judging_samples"]), str(row.attrs["interval"])
    return Interval(
        value,
        low,
        high,
        robust_low,
        robust_high,
        largest,
        level=0.95,
        samples=samples,
        method=method,
        is_guarded=not math.isnan(float(row.get("largest_rise", math.nan))),
    )


def rules_of(dataset: xr.Dataset) -> Rules:
    """Return what verdicts rest on, beside intervals."""
    return Rules(
        float(dataset["tolerance"]),
        float(dataset["metric_tolerance"]),
        dataset.attrs.get("metric_rule") == "proof",
        ignorance(dataset),
    )


def ignorance(dataset: xr.Dataset) -> str:
    """Say that the whole net is not shown to know anything; empty where it does, or may."""
    if "known_bits" not in dataset or not float(dataset["known_bits_low"]) <= 0:
        return ""
    known, low, high = (float(dataset[f"known_bits{end}"]) for end in ("", "_low", "_high"))
    return (
        "the whole net is not shown to predict better than a constant: it knows "
        f"{known:.2g} [{low:.2g}, {high:.2g}] {str(dataset.attrs['unit']).replace(' per ', ' a ')}"
    )


def metric_of(row: xr.Dataset, prefix: str = "") -> MetricLoss | None:
    """Return what a row says of the metric, None where there is none."""
    name = f"{prefix}metric_loss"
    if name not in row or math.isnan(float(row[name])):
        return None

    def number(field: str) -> float:
        return float(row[prefix + field]) if prefix + field in row else math.nan

    ends = [number(f"metric_worst_{end}") for end in ("loss", "low", "high")]
    groups: tuple[GroupLoss, ...] = ()
    if not math.isnan(ends[1]):
        samples = int(np.nan_to_num(number("metric_worst_samples")))
        groups = (GroupLoss(str(row[f"{prefix}metric_worst"].item()), samples, *ends),)
    whole, other = float(row["whole_metric"]), number("metric_other")
    value, low, high = (number(f"metric_loss{end}") for end in ("", "_low", "_high"))
    return MetricLoss(whole, other, value, low, high, groups)


def stream_loss(row: xr.Dataset, skip: Skip, rules: Rules) -> StreamLoss:
    """Return what the dataset says of one stream."""
    plain_row, mended_row = row.sel(net="plain"), row.sel(net="mended")
    plain, mended = interval_of(plain_row), interval_of(mended_row)
    metric = metric_of(plain_row if mended is None else mended_row)
    status = str(row["status"].item())
    verdict: Verdict = "cannot tell"
    reason, more = "only ranked by a backward pass, which tells an order and no loss", None
    best = plain if mended is None else mended
    if status == "cannot go":
        verdict, reason, more = "keep", str(row["note"].item()), 0
    elif best is not None:
        found = decide(Judged(best, metric), rules)
        verdict, reason, more = found.verdict, found.reason, found.more_samples
        if mended is None and row.attrs["menders"] and verdict == "keep":
            verdict, more = "cannot tell", None
            reason = f"{reason} as it is; it was not mended, and may lose less then"
    return StreamLoss(
        *(skip, status, plain, mended, str(row["best_mender"].item()), verdict, reason, more),
        metric,
        *(float(row[name]) for name in ("parameters", "multiply_adds", "activation_bytes", "time")),
    )


def frontier_point(
    row: xr.Dataset, names: list[str], labels: list[str], rules: Rules
) -> FrontierPoint:
    """Return what the dataset says of one set of the frontier."""
    interval = interval_of(row, "point_bits")
    assert interval is not None
    metric = metric_of(row, "point_")
    found = decide(Judged(interval, metric), rules)
    chosen = [place for place, inside in enumerate(row["in_point"].values) if inside]
    savings = ("parameters", "multiply_adds", "activation_bytes", "time")
    return FrontierPoint(
        tuple(names[place] for place in chosen),
        tuple(labels[place] for place in chosen),
        *(interval, str(row["point_mender"].item()), found.verdict, found.reason, metric),
        *(float(row[f"point_{name}"]) for name in savings),
    )


def is_saving(parameters: float, multiply_adds: float) -> bool:
    """Tell whether a net has fewer parameters or multiply-adds; where that is not known, it may.

    Examples
    --------
    >>> is_saving(0.0, 0.0), is_saving(0.0, 36.0), is_saving(0.0, float("nan"))
    (False, True, True)
    """
    return any(math.isnan(saved) or saved > 0 for saved in (parameters, multiply_adds))
