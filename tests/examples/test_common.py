"""What the studies share: verdicts of several seeds, and tables."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from tests.examples.nuclei import import_example

import_example("goldfeld")  # adds the place that the examples share
write_table = import_module("common.tables").write_table
verdicts = import_module("common.verdicts")
YES, NO = verdicts.Answer(True, "1", 1.0), verdicts.Answer(False, "2", 2.0)
SILENT = verdicts.Answer(None, "-", why="too short")


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([YES, YES, YES], "reproduced"),
        ([NO, NO], "not reproduced"),
        ([YES, YES, NO], verdicts.CANNOT),
        ([YES, SILENT, SILENT], verdicts.CANNOT),
        ([SILENT], verdicts.CANNOT),
        ([YES, YES, SILENT], "reproduced"),
    ],
)
def test_seeds_that_can_tell_have_to_agree(answers, verdict):
    assert verdicts.decide({"net": answers})[0] == verdict


def test_two_nets_that_disagree_cannot_tell():
    verdict, reasons = verdicts.decide({"a": [YES], "b": [NO]})
    assert verdict == verdicts.CANNOT
    assert "The two nets disagree" in reasons


def test_numbers_of_seeds_come_with_their_spread():
    assert verdicts.in_words({"net": [YES, NO]}) == "net: 1.5 (1 to 2, 2 seeds)"
    assert verdicts.in_words({"net": [YES, SILENT]}) == "net: 1 | -"


def test_a_table_is_there_whole(tmp_path: Path):
    write_table(tmp_path / "new" / "table.csv", ("a", "b"), [("1", "x, y")])
    assert (tmp_path / "new" / "table.csv").read_text() == 'a,b\n1,"x, y"\n'
