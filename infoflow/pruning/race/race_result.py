"""What a race showed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infoflow.graph.text_table import align, counted
from infoflow.pruning.ablation.bounds import Verdict
from infoflow.pruning.race.curves import Difference
from infoflow.pruning.race.outlook import Outlook
from infoflow.results.base import Result

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True)
class RaceRow:
    """What a race showed of one variant.

    Parameters
    ----------
    name, streams
        The variant, and the streams that it lacks.
    verdict
        ``"prune"``: trained from scratch without the streams, the net gets as far, and no later;
        ``"keep"``: it does not; ``"cannot tell"``.
    area, end
        How much worse the mean of the learning curve and its end are than the whole net's, in bits.
    area_verdict, end_verdict
        The verdict on each. A variant that was dropped has no end.
    time_to_threshold
        Mean over seeds of the epochs until the curve comes down to the threshold; NaN where it
        does not for some seed.
    dropped_after
        Epochs after which it was dropped; NaN where it was not.
    outlook
        What was known before the training.
    """

    name: str
    streams: tuple[str, ...]
    verdict: Verdict
    area: Difference
    end: Difference
    area_verdict: Verdict
    end_verdict: Verdict
    time_to_threshold: float
    dropped_after: float
    outlook: Outlook


class Race(Result):
    """What :func:`infoflow.race` measured; ``print`` shows it as a table.

    Parameters
    ----------
    dataset
        By ``variant``, ``seed`` and ``epoch``: ``bits``, the held-out loss; by ``variant`` the
        differences to the whole net with their intervals, the verdicts and what was known before.
    """

    dims = ("variant",)
    needs = ("bits", "end_difference", "area_difference", "verdict", "tolerance_bits")

    @property
    def rows(self) -> tuple[RaceRow, ...]:
        """A row for each variant, without the whole net."""
        names = [str(name) for name in self.dataset["variant"].values]
        return tuple(_row(self.dataset.sel(variant=name), name) for name in names[1:])

    @property
    def tolerance(self) -> float:
        """The rise that does not matter, in bits."""
        return float(self.dataset.attrs["tolerance_bits"])

    @property
    def noise_floor(self) -> float:
        """Standard deviation of the whole net's end over its seeds, in bits; NaN for one seed."""
        return float(self.dataset.attrs["noise_floor_bits"])

    @property
    def cost(self) -> float:
        """What the race cost, in full trainings."""
        return float(self.dataset.attrs["cost_full_trainings"])

    @property
    def conclusion(self) -> str:
        """One or two sentences."""
        parts = []
        for verdict, phrase in (
            ("prune", "Not needed when trained from scratch"),
            ("keep", "Needed"),
            ("cannot tell", "Cannot tell"),
        ):
            chosen = [row for row in self.rows if row.verdict == verdict]
            if chosen:
                parts.append(f"{phrase}: {', '.join(row.name for row in chosen)}.")
        return " ".join(parts)

    def curves(self) -> pd.DataFrame:
        """Return a pandas frame with a row for every held-out loss: variant, seed, epoch, bits."""
        long = self.dataset["bits"].to_dataframe().reset_index().dropna(subset=["bits"])
        return long[["variant", "seed", "epoch", "bits"]]

    def title(self) -> str:
        """Return one line: the net, and how much was raced."""
        sizes = self.dataset.sizes
        return (
            f"{self.model}: {counted(sizes['variant'] - 1, 'variant')}, "
            f"{counted(sizes['seed'], 'seed')}, "
            f"{counted(int(self.dataset['epoch'].values[-1]), 'epoch')}"
        )

    def table(self) -> str:
        """Return the conclusion, a row for each variant, and what the race cost."""
        header = (
            *("variant", "verdict", "end, bits worse", "95 %", "curve, bits worse", "95 %"),
            *("epochs to threshold", "shortest path", "dropped after"),
        )
        rows = [header, *(_cells(row) for row in self.rows)]
        return "\n".join(
            [
                self.conclusion,
                "",
                *align(rows, right=(2, 4, 6, 7, 8)),
                "",
                f"tolerance {self.tolerance:.3g} bits; the whole net's end varies by "
                f"{self.noise_floor:.2g} bits over seeds; {self.cost:.1f} full trainings",
            ]
        )


def _row(part: xr.Dataset, name: str) -> RaceRow:
    def number(key: str) -> float:
        return float(part[key])

    def apart(key: str) -> Difference:
        return Difference(number(key), number(f"{key}_ci_low"), number(f"{key}_ci_high"))

    def verdict(key: str) -> Verdict:
        found: Verdict = str(part[key].values)  # type: ignore[assignment]
        return found

    outlook = Outlook(
        int(number("shortest_path")), number("output_spread"), int(number("parameters"))
    )
    return RaceRow(
        name=name,
        streams=tuple(str(part["streams"].values).split(" + ")),
        verdict=verdict("verdict"),
        area=apart("area_difference"),
        end=apart("end_difference"),
        area_verdict=verdict("area_verdict"),
        end_verdict=verdict("end_verdict"),
        time_to_threshold=number("time_to_threshold"),
        dropped_after=number("dropped_after"),
        outlook=outlook,
    )


def _cells(row: RaceRow) -> tuple[str, ...]:
    return (
        row.name,
        row.verdict,
        _signed(row.end.value),
        _interval(row.end),
        _signed(row.area.value),
        _interval(row.area),
        _plain(row.time_to_threshold),
        str(row.outlook.shortest_path),
        _plain(row.dropped_after),
    )


def _signed(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.4f}"


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value:g}"


def _interval(found: Difference) -> str:
    return "" if math.isnan(found.low) else f"[{found.low:+.4f}, {found.high:+.4f}]"
