"""The committed results: the tables of the docs are made from them, and broken ones are named."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.examples.nuclei import ROOT, import_example

example = import_example("goldfeld")
compression = example.compression
RESULTS = ROOT / "examples" / "goldfeld" / "results"
DOCS = ROOT / "docs" / "goldfeld"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_tables_of_the_docs_are_those_of_the_committed_results(tmp_path: Path, capsys):
    compression.tables.write_claims(compression.study.load_study(RESULTS), tmp_path)
    for name in ("claims.csv", "ours.csv", "errors.csv"):
        assert (tmp_path / name).read_text() == (DOCS / name).read_text(), name
    theirs = "authors' saved curve"  # stands in the docs only: their numbers are no part of this
    made, shown = (rows_of(place / "t5.csv") for place in (tmp_path, DOCS))
    for one, other in zip(made, shown, strict=True):
        assert one.pop(theirs) == "not at hand"
        assert float(other.pop(theirs)) > 2
        assert one == other


def test_the_counts_on_the_page_are_those_of_the_table():
    verdicts = Counter(row["verdict"] for row in rows_of(DOCS / "claims.csv"))
    page = " ".join((ROOT / "docs" / "goldfeld.rst").read_text(encoding="utf-8").split())
    assert (
        f"judges {verdicts.total()} claims of the paper: {verdicts['reproduced']} are reproduced, "
        f"{verdicts['not reproduced']} are not, and "
        f"{verdicts['cannot tell at this scale']} cannot be told"
    ) in page


def test_results_are_small_and_whole():
    files = list(RESULTS.iterdir())
    assert sum(path.stat().st_size for path in files) < 5_000_000
    names = {path.name for path in files}
    assert {"neuron.csv", "pair.csv", "rate.csv", "released.csv", "mnist.arrays.npz"} <= names


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.information.csv")), ids=lambda p: p.name)
def test_every_number_lies_within_its_bounds(path: Path):
    for row in rows_of(path):
        lower, value = float(row["ixm_lower"]), float(row["ixm"])
        assert 0 <= lower <= value <= math.log(4096) + 1e-4
        assert float(row["ixm_standard_error"]) <= 0.02


def test_the_audit_lays_no_rise_on_the_estimator():
    found = [row for path in RESULTS.glob("*.audit.csv") for row in rows_of(path)]
    assert len(found) > 30
    assert sum(int(row["estimator"]) for row in found if int(row["draws"]) >= 32) == 0


def test_a_result_that_is_cut_short_is_named(tmp_path: Path):
    for path in RESULTS.iterdir():
        shutil.copy(path, tmp_path)
    path = tmp_path / "mnist.arrays.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"mnist\.arrays\.npz cannot be read as a result"):
        compression.study.load_study(tmp_path).arrays("mnist.arrays")


def test_the_verdicts_are_json_as_well():
    claims = json.loads((DOCS / "claims.json").read_text(encoding="utf-8"))
    assert len(claims) == len(compression.claims.PAPERS) + len(compression.claims_ours.OURS)
