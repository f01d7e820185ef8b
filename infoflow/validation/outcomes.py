"""Run estimators over cases, and say of each number whether it holds the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from scipy import stats

from infoflow.graph.text_table import align
from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import seed_number, shown
from infoflow.results import Fact, Table
from infoflow.validation.cases import Case, known_cases
from infoflow.validation.entrants import ENTRANTS, Entrant, Measured, quietly

Verdict = Literal["within interval", "within bounds", "outside", "not valid here"]

#: What rounding may put between two equal numbers, in nats.
_ROUNDING = 1e-6
#: From a 95 % interval to one of 99.9 %: the table judges so many at once that some of the former
#: would miss by chance alone.
_WIDER = float(stats.norm.ppf(0.9995) / stats.norm.ppf(0.975))
#: Standard errors of a truth that was found by Monte Carlo integration.
_TRUTH_ERRORS = 4.0


@dataclass(frozen=True)
class ValidationRow:
    """One estimator, on one quantity of one case; numbers in nats.

    Parameters
    ----------
    estimator, case, quantity
        What was run, on what, and what it estimates.
    estimate, truth
        What it says, and what is true of the quantity that it is stated for.
    truth_error
        Standard error of the truth; 0 where it is exact.
    low, high
        The estimator's bounds, or its interval, widened from 95 % to 99.9 %. NaN where it has none.
    verdict
        ``"within interval"``, ``"within bounds"``, ``"outside"`` or ``"not valid here"``.
    reason
        Why it is not valid here; else empty.
    """

    estimator: str
    case: str
    quantity: str
    estimate: float
    truth: float
    truth_error: float
    low: float
    high: float
    verdict: Verdict
    reason: str = ""


class Validation(Table[ValidationRow]):
    """All rows; ``print`` shows them as a table.

    Attributes
    ----------
    rows
        In the order of the estimators, then of the cases.
    seed
        Of all that was drawn.
    """

    dims = ("comparison",)
    seed = Fact(int)

    @property
    def outside(self) -> tuple[ValidationRow, ...]:
        """Rows where an estimator misses a truth that it claims."""
        return tuple(row for row in self.rows if row.verdict == "outside")

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, strings and numbers; None where a number is not finite."""
        rows = super().to_dict()["rows"]
        return {"unit": self.unit, "seed": self.seed, "outside": len(self.outside), "rows": rows}

    def title(self) -> str:
        """Return how many numbers hold what they claim."""
        claimed = sum(row.verdict != "not valid here" for row in self.rows)
        return f"{claimed - len(self.outside)} of {claimed} numbers hold the truth that they claim"

    def table(self) -> str:
        """Return a line for each number."""
        header = ("estimator", "case", "of", "estimate", "truth", "interval", "verdict")
        cells = [header, *(_cells(row) for row in self.rows)]
        others = sum(row.verdict == "not valid here" for row in self.rows)
        foot = f"{self.title()}, {others} claim none. In {self.unit}; bounds, or 99.9 % intervals."
        return "\n".join([*align(cells, right=(3, 4)), "", foot])


def _several(name: str, given: object, kinds: Any) -> tuple[Any, ...]:
    """Return objects of a kind; an ArgumentTypeError for what is none, or holds others."""
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    strange = [one for one in found if not isinstance(one, kinds)]
    if strange:
        raise ArgumentTypeError(
            f"{name} must be those of infoflow.validation, or your own of the same classes, got "
            f"{shown(strange[0])}."
        )
    return found


def validate(
    *,
    entrants: Iterable[Entrant] | None = None,
    cases: Iterable[Case] | None = None,
    seed: int = 0,
) -> Validation:
    """Run estimators over cases whose mutual information is known.

    Parameters
    ----------
    entrants
        Estimators with what they claim; default all built-in ones. An own one is made with
        :func:`infoflow.validation.of_classes`, ``of_pairs`` or ``of_chains``.
    cases
        Default :func:`infoflow.validation.known_cases`.
    seed
        Seed of the default cases; the global generators are left alone.

    Returns
    -------
    Validation
        One row per estimator, case and quantity, in nats. An estimator is run only on the kinds of
        case that it takes.

    Raises
    ------
    ArgumentError
        If no entrant takes any of the cases.

    Examples
    --------
    >>> from infoflow.validation import ENTRANTS, known_cases
    >>> table = validate(entrants=ENTRANTS[:1], cases=known_cases()[:1])
    >>> for row in table:
    ...     print(row.quantity, round(row.estimate, 3), round(row.truth, 3), row.verdict)
    I(X;M) 0.693 0.693 within bounds
    I(Y;M) 0.0 0.0 within bounds
    """
    seed = seed_number(seed)
    chosen = _several("entrants", ENTRANTS if entrants is None else entrants, Entrant)
    given = known_cases(seed=seed) if cases is None else cases
    chosen_cases = _several("cases", given, get_args(Case))
    rows = tuple(
        row
        for entrant in chosen
        for case in chosen_cases
        if isinstance(case, entrant.takes)
        for row in _rows(entrant, case)
    )
    if not rows:
        raise ArgumentError(
            f"There is nothing to validate: none of {len(chosen)} entrants takes any of "
            f"{len(chosen_cases)} cases. Pass infoflow.validation.ENTRANTS or known_cases()."
        )
    units = dict.fromkeys(("estimate", "truth", "truth_error", "low", "high"), "nats")
    return Validation.of(rows, units=units, seed=seed)


def _rows(entrant: Entrant, case: Case) -> Iterator[ValidationRow]:
    reason = entrant.refuses(case)
    for finding in map(_widened, quietly(entrant, case)):
        yield ValidationRow(
            entrant.name,
            case.name,
            finding.quantity,
            finding.estimate,
            finding.truth.value,
            finding.truth.error,
            finding.low,
            finding.high,
            "not valid here" if reason else _verdict(finding),
            reason,
        )


def _widened(finding: Measured) -> Measured:
    if finding.ends == "bounds":
        return finding
    low, high = (
        finding.estimate + _WIDER * (end - finding.estimate) for end in (finding.low, finding.high)
    )
    return replace(finding, low=low, high=high)


def _verdict(finding: Measured) -> Verdict:
    slack = _ROUNDING + _TRUTH_ERRORS * finding.truth.error
    if finding.low - slack <= finding.truth.value <= finding.high + slack:
        return "within bounds" if finding.ends == "bounds" else "within interval"
    return "outside"


def _cells(row: ValidationRow) -> tuple[str, ...]:
    ends = "" if math.isnan(row.low) else f"[{row.low:.3f}, {row.high:.3f}]"
    verdict = f"{row.verdict}: {row.reason}" if row.reason else row.verdict
    numbers = (f"{row.estimate:.3f}", f"{row.truth:.3f}")
    return row.estimator, row.case, row.quantity, *numbers, ends, verdict
