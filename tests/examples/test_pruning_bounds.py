"""The simulations behind verdicts: their bounds are the package's, the docs have their tables."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from infoflow.pruning.ablation.bounds import Paired, bits_interval, student_interval, verdict
from infoflow.pruning.ablation.worst_sample import worst_sample_upper

EXAMPLE = Path(__file__).parents[2] / "examples" / "pruning"


@pytest.fixture(scope="module")
def study():
    sys.path.insert(0, str(EXAMPLE))
    try:
        import bounds_report
        import bounds_study

        yield bounds_study, bounds_report
    finally:
        sys.path.remove(str(EXAMPLE))


def test_the_bounds_that_are_simulated_are_those_of_the_package(study):
    rises = 0.06 * np.exp(1.5 * np.random.default_rng(0).standard_normal((12, 256)) - 1.125)
    found = study[0].short_of(study[0].Drawn(rises), 0.07, 1.0)
    for place, values in enumerate(rises):
        pairs = Paired(values, np.ones(256))
        assert found["t"][place] == (student_interval(pairs)[1] < 0.07)
        upper = worst_sample_upper(pairs, 0.025, float(values.max()))
        assert found["t and worst, 2.5%"][place] == (found["t"][place] and upper < 0.07)
        interval = bits_interval(pairs)
        published = found[study[1].PUBLISHED][place]
        assert published == (interval.high < 0.07) == (verdict(interval, 0.07) == "prune")


def test_the_families_have_the_mean_that_they_claim(study):
    draw = np.random.default_rng(0)
    for family in study[0].SIMULATED[:-4]:
        values = family.draw(draw, (400, 500))
        error = values.std() / np.sqrt(values.size)
        assert abs(values.mean() - family.mean) < 5 * error, family.name


def test_the_tables_in_the_docs_are_those_of_the_simulations(study):
    _, report = study
    rows = report.read()
    for name, table in (("coverage", report.coverage(rows)), ("verdicts", report.verdicts(rows))):
        with (report.DOCS / f"bounds_{name}.csv").open(encoding="utf-8") as file:
            assert list(csv.reader(file)) == [list(row) for row in table]


def test_what_the_docs_say_of_wrong_verdicts_is_what_was_simulated(study):
    rows = study[1].read()
    wrong = {
        family: float(row["wrong_prune"])
        for (family, count, bound), row in rows.items()
        if (count, bound) == (256, study[1].PUBLISHED) and row["kind"] in ("ordinary", "real")
    }
    assert max(wrong.values()) <= 0.028
