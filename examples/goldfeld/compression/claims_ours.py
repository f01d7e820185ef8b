"""What we ask of our own numbers: bounds, audits, and what few draws do."""

from __future__ import annotations

import math

import pandas as pd
from common.claims import Claim
from common.verdicts import Answer

from compression.claims_szt import sampled_as_integrated
from compression.released import expected_ceiling
from compression.study import Study

Answers = dict[str, list[Answer]]
#: Nets with noise.
VARIANTS = ("tanh", "orthonormal", "linear", "relu")
_INPUTS = 4096


def within_bounds(study: Study) -> Answers:
    """Tell whether all values lie within their bounds, with small standard errors."""
    found = {}
    for variant in VARIANTS:
        rows = study.table(f"szt-{variant}.information")
        if not len(rows):
            continue
        is_off = (rows["ixm_lower"] > rows["ixm"] + 1e-9) | (rows["ixm"] > math.log(_INPUTS) + 1e-4)
        worst = float(rows["ixm_standard_error"].max())
        text = f"{int(is_off.sum())} of {len(rows)} outside, error at most {worst:.3f}"
        found[variant] = [Answer(bool(not is_off.any() and worst <= 0.02), text)]
    return found or _nothing()


def audit_clean(study: Study) -> Answers:
    """Tell whether no audit lays a rise on the estimator."""
    found = {}
    for variant in VARIANTS:
        rows = study.table(f"szt-{variant}.audit")
        if len(rows):
            text = f"{int(rows['estimator'].sum())} of {int(rows['pairs'].sum()):,} pairs"
            found[variant] = [Answer(bool(rows["estimator"].sum() == 0), text)]
    return found or _nothing()


def few_draws_do(study: Study) -> Answers:
    """Tell whether few draws give the values of many, in layer 5 of the first tanh net."""
    table = _by_draws(study)
    if table is None:
        return _nothing()
    apart = (table.iloc[:, 0] - table.iloc[:, -1]).abs()
    texts = [
        f"epoch {epoch}: {few:.2f} for {many:.2f}"
        for epoch, few, many in zip(table.index, table.iloc[:, 0], table.iloc[:, -1], strict=True)
    ]
    return {"tanh": [Answer(bool(apart.max() <= 0.1), ", ".join(texts), float(apart.max()))]}


def few_draws_fall(study: Study) -> Answers:
    """Tell whether few draws show the fall of T₅ that many show."""
    table = _by_draws(study)
    if table is None or len(table) < 2:
        return _nothing()
    few, many = (float(table.iloc[-2, at] - table.iloc[-1, at]) for at in (0, -1))
    holds = abs(few - many) <= abs(many) / 4
    return {"tanh": [Answer(holds, f"{few:.2f} for {many:.2f} nats", few)]}


def drawn_twice(study: Study) -> Answers:
    """Tell whether T₂ is above T₁ with the fewest draws, and the audit says why."""
    rows = study.table("released")
    if not len(rows):
        return _nothing()
    fewest = rows[rows["draws"] == rows["draws"].min()]
    answers = []
    for _, mine in fewest.groupby("seed"):
        values = mine.set_index("layer")["ixm"]
        above = float(values[2] - values[1])
        holds = above > 0 and bool(mine["estimator"].max() > 0)
        answers.append(Answer(holds, f"{above:+.3f} nats", above, form="{:+.3f} nats".format))
    return {"tanh": answers}


def ceiling(study: Study) -> Answers:
    """Tell whether I(X;T₁) of inputs drawn with replacement is what counting gives."""
    rows = study.table("released")
    if not len(rows):
        return _nothing()
    wanted = expected_ceiling(_INPUTS)
    mine = rows[(rows["layer"] == 1) & (rows["draws"] == rows["draws"].max())]["ixm"]
    return {
        "tanh": [Answer(abs(v - wanted) <= 0.02, f"{v:.3f}", v, form="{:.3f}".format) for v in mine]
    }


def _by_draws(study: Study) -> pd.DataFrame | None:
    """Return I(X;T₅) of the first tanh net: a row for each epoch, a column for each draws."""
    rows = study.table("szt-tanh.information")
    rows = rows[(rows["seed"] == 0) & (rows["layer"] == 5)]
    table = rows.pivot_table(index="epoch", columns="draws", values="ixm").dropna()
    return table if table.shape[1] > 1 and len(table) else None


def _nothing() -> Answers:
    return {"tanh": [Answer(None, "-", why="not measured")]}


OURS = (
    Claim(
        "bounds",
        "Every I(X;T) lies within its bounds, to 0.02 nats",
        "-",
        within_bounds,
        "Lower bound ≤ value ≤ ln 4096, and the standard error is at most 0.02 nats",
    ),
    Claim(
        "audit",
        "The audit accepts every curve",
        "-",
        audit_clean,
        "No rise along the chain that it lays on the estimator",
    ),
    Claim(
        "few-draws",
        "Four draws for each input would have done for T₅",
        "-",
        few_draws_do,
        "Values with 4 draws within 0.1 nats of those with most draws, at the marked epochs",
    ),
    Claim(
        "fall-few-draws",
        "Four draws would have shown the same fall of T₅",
        "-",
        few_draws_fall,
        "From epoch 509 to the end, within a quarter",
    ),
    Claim(
        "drawn-twice",
        "Few draws of repeated inputs put T₂ above T₁",
        "0.16 nats, 84 of 84",
        drawn_twice,
        "With 4 draws, the audit lays it on the estimator; three sets",
    ),
    Claim(
        "ceiling",
        "Drawing with replacement makes their ceiling",
        "7.744",
        ceiling,
        "I(X;T₁) of inputs drawn so, within 0.02 nats of log n less the mean of c log c",
    ),
    Claim(
        "neuron",
        "Sampling agrees with the integral, one neuron",
        "-",
        sampled_as_integrated("neuron"),
        "Three standard errors, in 99 % of the points",
    ),
    Claim(
        "pair",
        "Sampling agrees with the integral, two neurons",
        "-",
        sampled_as_integrated("pair"),
        "Three standard errors, in 99 % of the points",
    ),
)
