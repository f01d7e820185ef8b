"""What a trial of removals showed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from infoflow.graph.text_table import align
from infoflow.pruning.importance import readings_in, readings_variable
from infoflow.pruning.trial.ranking import Ranking, rank
from infoflow.pruning.trial.trial_sets import Kind
from infoflow.results import Fact, Table
from infoflow.results.facts import lines
from infoflow.results.plain import plain

#: What can be measured of a removal: at once, after fine-tuning, and trained from scratch.
MEASURES = ("cut", "tuned", "redesign")


@dataclass(frozen=True)
class TrialRow:
    """What removing a set of streams did.

    Parameters
    ----------
    name, kind, streams
        The set, and why it was tried.
    how
        For each stream ``"cut"`` or ``"zeroed"``, as in :class:`infoflow.PrunedModel`.
    parameters, multiply_adds, activation_bytes
        Of the net that is left; multiply-adds (None where they are not known) and peak memory for
        values per sample.
    latency
        Time of a forward pass over that of the whole net.
    cut, tuned
        The metric at once, and after fine-tuning; NaN where nothing was trained.
    redesign
        The metric of the net trained from scratch, for each seed.
    """

    name: str
    kind: Kind
    streams: tuple[str, ...]
    how: tuple[str, ...]
    parameters: int
    multiply_adds: int | None
    activation_bytes: int
    latency: float
    cut: float
    tuned: float = math.nan
    redesign: tuple[float, ...] = ()

    def metric(self, measure: str) -> float:
        """Return the metric of a measure, for ``"redesign"`` the mean over seeds."""
        if measure == "redesign":
            return fmean(self.redesign) if self.redesign else math.nan
        return self.cut if measure == "cut" else self.tuned


class PruningTrial(Table[TrialRow]):
    """What :func:`infoflow.verify_pruning` measured; ``print`` shows it as two tables.

    Attributes
    ----------
    rows
        The net as it is, then every set that was removed.
    lower_is_better
        Whether the metric is a loss.
    tune_epochs, redesign_epochs
        How long nets were trained after a cut, and from scratch.
    notes
        What was left out, and why.
    """

    dims = ("removed",)
    label = "name"
    always = MEASURES
    agree = ("model", "lower_is_better", "tune_epochs", "redesign_epochs")
    lower_is_better = Fact(bool, False)
    tune_epochs, redesign_epochs = Fact(int, 0), Fact(int, 0)
    notes = Fact(lines)

    @property
    def readings(self) -> Mapping[str, Mapping[str, float]]:
        """By reading and stream, how much the stream is needed."""
        return readings_in(self.dataset)

    @property
    def whole(self) -> TrialRow:
        """The net as it is."""
        return self.rows[0]

    @property
    def measured(self) -> tuple[str, ...]:
        """Which of ``"cut"``, ``"tuned"`` and ``"redesign"`` were measured."""
        rows = self.rows
        return tuple(m for m in MEASURES if any(not math.isnan(row.metric(m)) for row in rows))

    def damage(self, measure: str) -> dict[str, float]:
        """Return, for each stream that was removed alone, how much worse the metric became.

        Against the whole net with the same training; below 0 where it became better.
        """
        sign = -1 if self.lower_is_better else 1
        before = self.whole.metric(measure)
        alone = (row for row in self.rows if row.kind == "alone")
        return {row.streams[0]: sign * (before - row.metric(measure)) for row in alone}

    @property
    def rankings(self) -> tuple[Ranking, ...]:
        """Each reading against each measure of damage, the best first within a measure."""
        found = []
        for measure in MEASURES:
            damage = self.damage(measure)
            if all(math.isnan(value) for value in damage.values()):
                continue
            ranked = [
                rank(name, numbers, measure, damage) for name, numbers in self.readings.items()
            ]
            found += sorted(
                ranked,
                key=lambda r: -math.inf if math.isnan(r.correlation) else r.correlation,
                reverse=True,
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, strings and numbers, from which :meth:`from_dict` makes it again."""
        found: dict[str, Any] = plain(
            {
                "model": self.model,
                "rows": [asdict(row) for row in self.rows],
                "readings": self.readings,
                "lower_is_better": self.lower_is_better,
                "tune_epochs": self.tune_epochs,
                "redesign_epochs": self.redesign_epochs,
                "notes": self.notes,
                "rankings": [asdict(ranking) for ranking in self.rankings],
            }
        )
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PruningTrial:
        """Make a trial from what :meth:`to_dict` returned."""
        about = {name: data[name] for name in ("model", "readings", "notes") if name in data}
        about |= {name: data[name] for name in cls.agree if name in data}
        return trial_of([_row_from(row) for row in data["rows"]], **about)

    def title(self) -> str:
        """Return how many sets were removed, and what was measured."""
        return f"{self.model}: {len(self) - 1} removals, {', '.join(self.measured)}"

    def table(self) -> str:
        """Return a line for each set, and one for each reading."""
        header = ("removed", "streams", *self._measured(), "parameters", "mult-adds", "memory")
        rows = [(*header, "time"), *(self._cells(row) for row in self.rows)]
        return "\n".join(
            [
                f"{self.model}: what removing streams costs",
                "",
                *align(rows, right=range(1, len(rows[0]))),
                "",
                *self._rankings_table(),
                *self.notes,
            ]
        )

    def _measured(self) -> list[str]:
        names = {
            "cut": "cut",
            "tuned": f"+{self.tune_epochs} epoch" + ("s" if self.tune_epochs != 1 else ""),
            "redesign": f"from scratch ({self.redesign_epochs})",
        }
        return [names[measure] for measure in self.measured]

    def _cells(self, row: TrialRow) -> tuple[str, ...]:
        return (
            row.name + (" (zeroed)" if "zeroed" in row.how else ""),
            str(len(row.streams)),
            *(f"{row.metric(m):.4f}" for m in self.measured),
            *(_relative(getattr(row, n), getattr(self.whole, n)) for n in _COSTS),
            f"{row.latency:.2f}",
        )

    def _rankings_table(self) -> list[str]:
        if not self.rankings:
            return []
        header = ("reading against damage", "measure", "rank correlation", "95 %", "streams")
        cells = [
            (r.reading, r.measure, _number(r.correlation), _interval(r), str(r.streams))
            for r in self.rankings
        ]
        return [*align([header, *cells], right=(2, 3, 4)), ""]


_COSTS = ("parameters", "multiply_adds", "activation_bytes")


def _relative(number: float | None, whole: float | None) -> str:
    if number is None or whole is None:
        return "?"
    return f"{number / whole:.1%}" if whole else f"{number}"


def _number(value: float) -> str:
    return "?" if math.isnan(value) else f"{value:+.2f}"


def _interval(ranking: Ranking) -> str:
    if math.isnan(ranking.ci_low):
        return "?"
    return f"[{ranking.ci_low:+.2f}, {ranking.ci_high:+.2f}]"


def trial_of(
    rows: Sequence[TrialRow],
    *,
    model: str,
    readings: Mapping[str, Mapping[str, float]],
    notes: Sequence[str] = (),
    lower_is_better: bool = False,
    tune_epochs: int = 0,
    redesign_epochs: int = 0,
) -> PruningTrial:
    """Return the rows, of which the first is of the net as it is, as a trial."""
    streams = list(dict.fromkeys(name for known in readings.values() for name in known))
    return PruningTrial.of(
        rows,
        units={"activation_bytes": "bytes", "latency": "1", "multiply_adds": "multiply-adds"},
        variables=readings_variable(readings, streams),
        model=model,
        notes="\n".join(notes),
        lower_is_better=int(lower_is_better),
        tune_epochs=tune_epochs,
        redesign_epochs=redesign_epochs,
    )


def _row_from(fields: Mapping[str, Any]) -> TrialRow:
    """Return a row from JSON, where a number that is not known may be null or NaN."""

    def number(value: float | None) -> float:
        return math.nan if value is None else float(value)

    known: dict[str, Any] = {
        key: number(fields[key]) for key in ("latency", "cut", "tuned") if key in fields
    }
    known["redesign"] = tuple(number(value) for value in fields.get("redesign", ()))
    known |= {key: tuple(fields[key]) for key in ("streams", "how")}
    return TrialRow(**{**fields, **known})
