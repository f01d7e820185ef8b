"""The advice for each skip beside what leaving it out did."""

from __future__ import annotations

import json
import math
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
from common.files import reading
from matplotlib.figure import Figure
from models import skip_name
from skips import FINE_TUNING

import infoflow
from infoflow.pruning.suggest import StreamAdvice
from infoflow.pruning.verdicts import Answer
from reproduction.arrivals import arrival
from reproduction.curves import LEARNED
from reproduction.ours import HARMLESS
from reproduction.read_models import BEFORE, LACKING, predicted
from reproduction.study import Seed, Study, on_paper_clock
from reproduction.verdicts import clock_text

_HEAD = (
    "skip",
    "redesign:\nsuggest_pruning",
    "redesign: paper's reading,\nnot needed from epoch",
    "redesign: as good as\nModel 1 from epoch",
    "cut: measured advice*",
    "cut: bits a pixel lost*,\nat once → mended",
    "Dice\nwhen cut",
    f"Dice cut, tuned\nfor {FINE_TUNING} epochs",
)
_WIDTHS = (0.06, 0.13, 0.18, 0.18, 0.14, 0.15, 0.07, 0.10)
#: An ablation of the same net at half width, from the study of the advice.
MEASURED = Path(__file__).parents[3] / "pruning" / "results" / "unet_0.json"
#: Characters in a line of a cell.
_LINE_LENGTH = 33
_GOOD, _BAD, _OPEN = "#d8efd9", "#f7d6d3", "#eeeeee"


def advice(study: Study, results: Path) -> Figure | None:
    """Draw a table with a row for each skip; colours say: can go, is needed, not known."""
    seed = study.main()
    if seed.flow is None:
        return None
    given = infoflow.suggest_pruning(on_paper_clock(seed), reading="paper")
    figure, ax = plt.subplots(figsize=(13, 2.7), layout="constrained")
    ax.set_axis_off()
    measured = measured_cuts()
    rows = [_row(seed, row, measured) for row in given]
    table = ax.table(
        [[textwrap.fill(text, _LINE_LENGTH) for text, _ in row] for row in rows],
        [[colour for _, colour in row] for row in rows],
        colLabels=_HEAD,
        colWidths=_WIDTHS,
        cellLoc="center",
        loc="center",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.scale(1, 1.9)
    for column in range(len(_HEAD)):
        table[0, column].set_height(table[0, column].get_height() * 1.4)
        table[0, column].set_text_props(fontweight="bold")
    whole = f", Dice with all skips {seed.cut['dice']:.2f}" if seed.cut else ""
    ax.set_title(
        f"{seed.name}{whole}; green: can go; red: is needed; grey: not known. Epochs are the "
        "paper's by learning rate × steps.\n* by infoflow.ablate on a half-width net of its own "
        "(examples/pruning)",
        fontsize=10,
    )
    return figure


def measured_cuts(path: Path = MEASURED) -> dict[str, tuple[str, str]]:
    """Return the measured verdict on each cut, and its bits; none without the other study."""
    if not path.exists():
        return {}
    with reading(path):
        rows = json.loads(path.read_text(encoding="utf-8"))["advice"]["streams"]
        return {
            row["stream"]: (
                row["verdict"],
                f"{row['plain'][0]:z.2f} → {row['mended'][0]:z.2f}",
            )
            for row in rows
        }


def _row(
    seed: Seed, given: StreamAdvice, measured: dict[str, tuple[str, str]]
) -> list[tuple[str, str]]:
    skip = skip_name(given.skip)
    model = LACKING.get(skip)
    cells = [(str(given.skip), "white"), (str(given.redesign), _colour(given.redesign))]
    if model is None:
        cells += [("not asked", _OPEN), ("not trained", _OPEN)]
    else:
        told = predicted(seed)[model]
        text = f"layer {BEFORE[skip]}: {clock_text(told)}"
        is_known = math.isfinite(told) or seed.has_come
        cells.append((text, _colour_of(math.isfinite(told)) if is_known else _OPEN))
        cells.append(_seen(seed, model))
    verdict, bits = measured.get(given.skip.name, ("not measured", "-"))
    colour = {"prune": _GOOD, "keep": _BAD}.get(verdict, _OPEN)
    cells += [(verdict, colour), (bits, "white")]
    if seed.cut is None:
        return [*cells, *[("-", _OPEN)] * 2]
    cut = seed.cut["skips"][skip]
    for name in ("cut", "tuned"):
        loss = seed.cut["dice"] - cut[name]
        colour = _colour_of(loss <= HARMLESS) if seed.cut["dice"] >= LEARNED else _OPEN
        cells.append((f"{cut[name]:.2f}", colour))
    return cells


def _seen(seed: Seed, model: int) -> tuple[str, str]:
    """Return when a model without this skip, and those above it, was as good as Model 1."""
    came = arrival(seed, model)
    if model not in seed.curves:
        return f"Model {model}: not trained", _OPEN
    text = f"Model {model}: {came.text}"
    return text, _OPEN if came.open_why else _colour_of(came.is_there)


def _colour_of(can_go: bool) -> str:
    return _GOOD if can_go else _BAD


def _colour(answer: Answer) -> str:
    return _GOOD if answer.is_prunable else _BAD if answer.verdict == "keep" else _OPEN
