"""The stage that judges: verdicts as JSON and tables for the docs, from the results alone."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from common.claims import Judged
from common.files import replacing
from common.tables import write_table

from compression.claims import PAPERS, judge
from compression.claims_mnist import final_errors
from compression.claims_ours import OURS
from compression.study import Study

HEADER = ("claim", "paper", "ours", "verdict", "why")
OWN = ("claim", "ours", "verdict", "why")
#: The paper's Table 1.
PAPER_ERRORS = {
    "deterministic": "50 ± 4.6",
    "noise0.05": "50 ± 5.0",
    "noise0.1": "51 ± 6.9",
    "noise0.2": "86 ± 9.8",
    "noise0.5": "2200 ± 520",
    "dropout": "39 ± 3.9",
}
#: Epochs of the table of T₅, with where the authors' saved curve has its nearest one.
T5_EPOCHS = (28, 79, 509, 10_000)


def write_claims(study: Study, out: Path) -> list[Judged]:
    """Write ``claims.json`` and the tables."""
    papers, ours = ([judge(claim, study) for claim in group] for group in (PAPERS, OURS))
    entries = [(whose, _entry(judged, whose)) for whose, judged in _named(papers, ours)]
    with replacing(out / "claims.json") as part:
        content = [{"whose": whose, **entry} for whose, entry in entries]
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, header, wanted in (("claims.csv", HEADER, "paper"), ("ours.csv", OWN, "ours")):
        rows = [tuple(entry[c] for c in header) for whose, entry in entries if whose == wanted]
        write_table(out / name, header, rows)
    write_table(out / "errors.csv", ("net", "paper", "ours", "seeds"), _errors(study))
    write_table(out / "t5.csv", *_t5(study))
    for whose, judged in _named(papers, ours):
        verdict = _entry(judged, whose)["verdict"]
        print(f"  {judged.claim.name}: {verdict} ({judged.ours})", flush=True)
    return [*papers, *ours]


def _named(papers: list[Judged], ours: list[Judged]) -> list[tuple[str, Judged]]:
    return [("paper", judged) for judged in papers] + [("ours", judged) for judged in ours]


def _entry(judged: Judged, whose: str) -> dict[str, str]:
    return {"name": judged.claim.name, **judged.row(is_ours=whose == "ours")}


def _errors(study: Study) -> list[tuple[str, ...]]:
    """Return the paper's Table 1 beside ours: mean ± standard deviation over seeds."""
    errors = final_errors(study)
    rows = []
    for net, paper in PAPER_ERRORS.items():
        found = errors[net].dropna() if net in errors else pd.Series(dtype=float)
        ours = "-"
        if len(found):
            spread = f" ± {found.std():.1f}" if len(found) > 1 else ""
            ours = f"{found.mean():.0f}{spread}"
        rows.append((net, paper, ours, str(len(found))))
    return rows


def _t5(study: Study) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return I(X;T₅) of the tanh net at the paper's epochs: bounds of every seed, most draws."""
    rows = study.table("szt-tanh.information")
    rows = rows[rows["layer"] == 5].sort_values("draws").groupby(["seed", "epoch"]).tail(1)
    seeds = sorted(rows["seed"].unique())
    table = []
    for epoch in T5_EPOCHS:
        cells = []
        for seed in seeds:
            found = rows[(rows["seed"] == seed) & (rows["epoch"] == epoch)]
            cells.append(
                f"{found['ixm_lower'].iloc[0]:.2f} to {found['ixm'].iloc[0]:.2f} "
                f"({int(found['draws'].iloc[0])} draws)"
                if len(found)
                else "-"
            )
        theirs = _released(study, epoch)
        table.append((f"{epoch:,}", theirs, *cells))
    return ("epoch", "authors' saved curve", *(f"ours, seed {seed}" for seed in seeds)), table


def _released(study: Study, epoch: int) -> str:
    """Return the authors' T₅ at the epoch nearest to this one, where it is at hand."""
    if not study.released:
        return "not at hand"
    epochs = study.released["epoch"]
    at = min(range(len(epochs)), key=lambda place: abs(epochs[place] - epoch))
    return f"{study.released['T5'][at]:.2f}"
