"""What a net loses beside another, as a result."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from infoflow.graph.text_table import align
from infoflow.pruning.ablation.bench import Bench
from infoflow.pruning.ablation.bounds import FEWEST_TO_PRUNE
from infoflow.pruning.ablation.judging import Judged, Judgement, Rules
from infoflow.results import Fact, Result

#: How verdicts on a stream read where a whole net is judged.
_VERDICTS = {"prune": "within tolerance", "keep": "beyond tolerance"}


@dataclass(frozen=True)
class Compared:
    """What was found of two nets, the whole one first."""

    names: tuple[str, str]
    whole_bits: float
    judged: Judged
    judgement: Judgement
    rules: Rules
    parameters: tuple[int, int]
    multiply_adds: tuple[float, float]
    time: tuple[float, float, float]


class NetComparison(Result):
    """What a smaller net loses beside the whole one, on held-out samples.

    Attributes
    ----------
    verdict
        ``"within tolerance"``, ``"beyond tolerance"`` or ``"cannot tell"``, and its ``reason``.
    whole_bits, bits, bits_low, bits_high
        The whole net's loss, and by how much the other's is higher, with a 95 % interval, in bits
        per label, pixel or token.
    metric_whole, metric_other, metric_lost, metric_low, metric_high
        The metric of both, and what is lost of it, with a 95 % interval; NaN without one.
    parameters, multiply_adds
        Of the whole net and of the other.
    time, time_low, time_high
        Time of a forward pass of the other over that of the whole, with a 95 % interval.
    tolerance, metric_tolerance
        What may be lost.
    samples
        Number of samples that judge.
    """

    needs = ("bits", "verdict")
    verdict, reason = Fact(str), Fact(str)
    whole_bits, bits, bits_low, bits_high = Fact(float), Fact(float), Fact(float), Fact(float)
    metric_whole, metric_other = Fact(float, math.nan), Fact(float, math.nan)
    metric_lost, metric_low = Fact(float, math.nan), Fact(float, math.nan)
    metric_high = Fact(float, math.nan)
    time, tolerance, metric_tolerance = Fact(float), Fact(float), Fact(float)
    time_low, time_high = Fact(float, math.nan), Fact(float, math.nan)
    samples = Fact(int)

    @property
    def parameters(self) -> tuple[int, int]:
        """Parameters of the whole net and of the other."""
        before, after = self.single().dataset["parameters"].values
        return int(before), int(after)

    @property
    def multiply_adds(self) -> tuple[float, float]:
        """Multiply-adds of one sample, of the whole net and of the other; NaN if not known."""
        before, after = self.single().dataset["multiply_adds"].values
        return float(before), float(after)

    def title(self) -> str:
        """Return the verdict with its price."""
        half = (self.bits_high - self.bits_low) / 2
        return (
            f"{self.verdict[0].upper()}{self.verdict[1:]} on {self.samples} samples: loses "
            f"{self.bits:.4f} ± {half:.4f} {self.unit_of_bits}"
        )

    def _change_of_time(self) -> str:
        """Return by how much the time changes, where that can be told."""
        if self.time_low <= 1 <= self.time_high:
            return f"not told apart ({self.time_low:.2f} to {self.time_high:.2f})"
        return f"{100 * (self.time - 1):+.0f} %"

    @property
    def unit_of_bits(self) -> str:
        """Such as "bits per pixel"."""
        return str(self.dataset["bits"].attrs["units"])

    def table(self) -> str:
        """Return both nets beside each other."""
        name = str(self.dataset.attrs.get("metric", ""))
        whole, other = self.parameters, self.multiply_adds
        rows = [
            ("", "whole", "pruned", "change"),
            _numbers(self.unit_of_bits, self.whole_bits, self.whole_bits + self.bits),
            *([_numbers(name, self.metric_whole, self.metric_other)] if name else []),
            _counts("parameters", *whole),
            _counts("multiply-adds", *other),
            ("forward pass", "1", f"{self.time:.2f}", self._change_of_time()),
        ]
        return "\n".join(
            [
                f"{self.title()}.",
                f"Allowed: {self.tolerance:.2g} {self.unit_of_bits}.",
                *([f"{self.reason}."] if self.reason else []),
                "",
                *align(rows),
            ]
        )


def _numbers(name: str, before: float, after: float) -> tuple[str, str, str, str]:
    return name, f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}"


def _counts(name: str, before: float, after: float) -> tuple[str, str, str, str]:
    if math.isnan(before) or math.isnan(after):
        return name, "?", "?", "?"
    change = f"{100 * (after / before - 1):+.0f} %" if before else ""
    return name, f"{before:,.0f}", f"{after:,.0f}", change


def comparison_of(found: Compared, bench: Bench) -> NetComparison:
    """Put what was found of two nets into a result."""
    import xarray as xr  # late, as all results do

    unit = f"bits per {bench.loss.per}"
    bits, lost = found.judged.bits, found.judged.metric
    variables: dict[str, Any] = {
        "whole_bits": ((), found.whole_bits, _about("loss of the whole net", unit)),
        "bits": ((), bits.value, _about("rise of the loss", unit)),
        "bits_low": ((), bits.low, _about("lower end of the rise at 95 %", unit)),
        "bits_high": ((), bits.high, _about("upper end of the rise at 95 %", unit)),
        "parameters": ("net", list(found.parameters), _about("parameters", "1")),
        "multiply_adds": ("net", list(found.multiply_adds), _about("multiply-adds", "1")),
        "time": ((), found.time[0], _about("time of a forward pass over the whole net's", "1")),
        "time_low": ((), found.time[1], _about("lower end of the time at 95 %", "1")),
        "time_high": ((), found.time[2], _about("upper end of the time at 95 %", "1")),
        "tolerance": ((), found.rules.tolerance, _about("tolerance", unit)),
        "metric_tolerance": ((), found.rules.metric_tolerance, _about("of the metric", "1")),
    }
    if lost is not None:
        for name, value in (
            ("metric_whole", lost.whole),
            ("metric_other", lost.other),
            ("metric_lost", lost.value),
            ("metric_low", lost.low),
            ("metric_high", lost.high),
        ):
            variables[name] = ((), value, _about(name.replace("_", " "), "1"))
    attributes = {
        "model": found.names[0],
        "other": found.names[1],
        "metric": "" if bench.metric is None else bench.metric.name,
        "loss": bench.loss.kind,
        "verdict": _VERDICTS.get(found.judgement.verdict, "cannot tell"),
        "reason": _reason(found),
        "samples": bits.samples,
        "fingerprint": bench.held_out.fingerprint,
    }
    return NetComparison(xr.Dataset(variables, {"net": ["whole", "pruned"]}, attributes))


def _reason(found: Compared) -> str:
    """Return why the verdict is no other; empty where the numbers beside it say it."""
    if found.judgement.verdict == "prune":
        return ""
    bits = found.judged.bits
    if found.judgement.verdict == "cannot tell" and bits.samples < FEWEST_TO_PRUNE:
        return f"{bits.samples} samples judge; a verdict needs {FEWEST_TO_PRUNE} or more"
    return found.judgement.reason


def _about(name: str, units: str) -> dict[str, str]:
    return {"long_name": name, "units": units}
