"""``infoflow validate``: a table or JSON, and the exit code."""

import json

import pytest

import infoflow.validation
from infoflow.validation import ENTRANTS, known_cases, of_classes
from infoflow.validation.known_truths import Truth

CASES = known_cases()[:2]


@pytest.fixture
def few_cases(monkeypatch):
    """The command with two cases and an estimator."""
    whole = infoflow.validation.validate

    def use(*entrants):
        monkeypatch.setattr(
            infoflow.validation,
            "validate",
            lambda *, seed: whole(entrants=entrants, cases=CASES, seed=seed),
        )

    return use


def test_validate_prints_a_table_and_exits_with_0(infoflow_command, few_cases):
    few_cases(ENTRANTS[0])
    code, out, err = infoflow_command("validate", "--seed", 3)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == [
        *("estimator", "case", "of", "estimate", "truth", "interval", "verdict")
    ]
    assert "4 of 4 numbers hold the truth" in out


def test_validate_exits_with_1_where_a_claim_fails(infoflow_command, few_cases):
    few_cases(of_classes("boaster", infoflow.KDE(), lambda case: {"iym": Truth(5.0)}))
    code, out, _ = infoflow_command("validate", "--json")
    assert code == 1
    assert {row["verdict"] for row in json.loads(out)["rows"]} == {"outside"}
