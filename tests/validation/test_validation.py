"""Estimators against known truth: verdicts, the table, and estimators of one's own."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from scipy.special import digamma

import infoflow
from infoflow.testing import correlated_normal, spiral
from infoflow.validation import (
    ENTRANTS,
    ChainCase,
    ClassCase,
    PairCase,
    known_cases,
    of_classes,
    of_pairs,
    validate,
)
from infoflow.validation.cases import two_normals_information
from infoflow.validation.known_truths import of_distribution, of_symbols, with_noise

CASES = known_cases()


def pair(family, samples=600):
    x, y = (torch.from_numpy(values) for values in family.sample(samples))
    return PairCase(family, x, y)


def fitted_normal(x, y):
    """−½ log det of the correlations: the truth for normal pairs only."""
    joint = np.cov(torch.cat([x, y], 1).numpy().T)
    parts = (joint[: x.shape[1], : x.shape[1]], joint[x.shape[1] :, x.shape[1] :], joint)
    one, other, both = (np.linalg.slogdet(part)[1] for part in parts)
    return (one + other - both) / 2


def nearest_neighbours(x, y, neighbours=5):
    """Kraskov, Stögbauer and Grassberger (2004), equation 8."""
    joint = torch.cat([x, y], 1).numpy()
    radius = cKDTree(joint).query(joint, neighbours + 1, p=np.inf)[0][:, -1]
    total = digamma(neighbours) + digamma(len(joint))
    for part in (x.numpy(), y.numpy()):
        tree = cKDTree(part)
        inside = np.nextafter(radius, 0)
        total -= digamma(tree.query_ball_point(part, inside, p=np.inf, return_length=True)).mean()
    return total


@pytest.mark.thorough
def test_every_built_in_estimator_holds_every_truth_that_it_claims():
    quick = [case for case in known_cases(seed=1) if getattr(case, "units", 1) <= 10]
    quick = [case for case in quick if not isinstance(case, PairCase) or case.family.x_units < 3]
    table = validate(cases=quick)
    assert not table.outside, str(table)
    assert {row.estimator for row in table} == {entrant.name for entrant in ENTRANTS}
    assert {type(case) for case in CASES} == {ClassCase, ChainCase, PairCase}


def test_every_estimator_of_classes_holds_every_truth_of_tables_that_it_claims():
    tables = [case for case in CASES if isinstance(case, ClassCase) and case.units < 3]
    few = [*tables[:6], tables[-1]]  # the last is of two normal classes, the others discrete
    entrants = [entrant for entrant in ENTRANTS if entrant.name != "sample propagation"]
    table = validate(entrants=entrants, cases=few)
    assert not table.outside, str(table)
    assert {row.estimator for row in table} == {entrant.name for entrant in entrants}


def test_binning_and_counting_agree_to_rounding():
    symbols = [case for case in CASES if isinstance(case, ClassCase) and case.is_discrete]
    for row in validate(entrants=[e for e in ENTRANTS if e.name == "binning"], cases=symbols):
        assert row.estimate == pytest.approx(row.truth, abs=1e-12)


@pytest.mark.parametrize("wrong_by", [-0.01, 0.01])
def test_an_estimator_that_is_wrong_is_outside(wrong_by):
    class Wrong:
        name = "wrong"
        statistic = infoflow.Distances()

        def estimate(self, statistic, labels):
            numbers = infoflow.KDE(1.0, permutations=0).estimate(statistic, labels)
            moved = {
                f"{short}{end}": getattr(numbers, f"{short}{end}") + wrong_by
                for short in ("ixm", "iym")
                for end in ("", "_lower", "_upper")
            }
            return replace(numbers, **moved)

    table = validate(entrants=[of_classes("wrong", Wrong(), of_symbols)], cases=CASES[:3])
    assert len(table.outside) == len(table) == 6
    assert "0 of 6 numbers hold" in str(table)


def test_noise_that_is_not_the_stated_one_is_outside():
    case = next(case for case in CASES if case.name == "two normal classes, 3 dim")
    quiet = of_classes("quiet", infoflow.KDE(0.01, permutations=0), with_noise(1.0))
    assert len(validate(entrants=[quiet], cases=[case]).outside) == 2


def test_an_interval_is_judged_as_an_interval():
    case = next(case for case in CASES if case.name == "two normal classes, 1 dim")
    binned = of_classes(
        "binned", infoflow.Binning(0.5), of_distribution, ends="interval", refuses=lambda _: ""
    )
    (row,) = validate(entrants=[binned], cases=[case])
    assert row.verdict == "within interval"
    assert row.low < row.truth < row.high


def test_an_estimator_of_pairs_says_where_it_is_not_valid():
    cases = [pair(correlated_normal(3)), pair(spiral(3, turns=4.0))]

    def refuses(case):
        return "" if case.family.name.startswith("normal") else "the pair is not normal"

    normal, bent = validate(
        entrants=[of_pairs("fitted normal", fitted_normal, refuses=refuses)], cases=cases
    )
    assert (normal.verdict, bent.verdict) == ("within interval", "not valid here")
    assert not bent.low <= bent.truth <= bent.high
    text = str(validate(entrants=[of_pairs("f", fitted_normal, refuses=refuses)], cases=cases))
    assert "not valid here: the pair is not normal" in text
    assert "1 of 1 numbers hold the truth that they claim, 1 claim none" in text


def test_without_a_refusal_the_same_estimator_is_outside():
    table = validate(entrants=[of_pairs("f", fitted_normal)], cases=[pair(spiral(3, turns=4.0))])
    assert len(table.outside) == 1


def test_nearest_neighbours_hold_in_one_dimension_and_fail_in_25():
    entrant = of_pairs("nearest neighbours", nearest_neighbours)
    few, many = validate(
        entrants=[entrant],
        cases=[pair(correlated_normal(1), 300), pair(correlated_normal(25), 300)],
    )
    assert few.verdict == "within interval"
    assert many.verdict == "outside"
    assert many.estimate < 0.5 * many.truth


@pytest.mark.parametrize("distance", [0.5, 2.0, 6.0])
def test_two_normal_classes_by_sums_on_a_grid(distance):
    at = np.linspace(-12, 12 + distance, 200_001)
    one, other = (np.exp(-((at - mean) ** 2) / 2) for mean in (0, distance))
    both = (one + other) / 2
    terms = (density * np.log(np.maximum(density, 1e-300) / both) for density in (one, other))
    expected = sum(np.trapezoid(term, at) for term in terms) / 2 / math.sqrt(2 * math.pi)
    assert two_normals_information(distance) == pytest.approx(expected, abs=1e-8)


def test_what_is_returned_is_plain_and_repeatable():
    few = [case for case in CASES if not isinstance(case, ChainCase)][:4]
    before = torch.get_rng_state()
    table, again = (validate(entrants=ENTRANTS[:2], cases=few) for _ in range(2))
    assert table == again
    assert torch.equal(torch.get_rng_state(), before)
    said = json.loads(json.dumps(table.to_dict()))
    assert (said["unit"], said["outside"], len(said["rows"])) == ("nats", 0, len(table))
    assert table[0] == table.rows[0]
    assert len(table[:2]) == 2


def test_nothing_to_validate():
    with pytest.raises(ValueError, match="none of 9 entrants takes any of 0 cases"):
        validate(cases=[])
