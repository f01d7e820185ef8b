"""The script that keeps figures of benchmark runs: a history, and a table of the last ones."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "docs" / "benchmarks.py"


def script():
    spec = importlib.util.spec_from_file_location("benchmarks", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(commit, ratio):
    return {
        "datetime": "2026-11-28T18:00:00",
        "machine_info": {
            "python_version": "3.11.7",
            "machine": "x86_64",
            "cpu": {"brand_raw": "A CPU"},
            "versions": {"torch": "2.9"},
            "threads": 1,
        },
        "commit_info": {"id": commit * 10, "dirty": False},
        "benchmarks": [
            {"name": "test_a_trace", "extra_info": {"ratios": {"resnet18": ratio}, "N": "many"}},
            {"name": "test_an_estimate", "extra_info": {"estimate / value": 1.5}},
        ],
    }


def test_runs_are_added_and_the_table_has_the_last_of_each_benchmark():
    ours = script()
    history = ours.added([], ours.rows_of(run("a", 3.25)))
    assert [row["figure"] for row in history] == ["ratios: resnet18", "estimate / value"]
    assert history[0]["machine"] == "A CPU, 1 thread"
    assert history[0]["versions"] == "python 3.11.7, torch 2.9"
    later = run("b", 2.5)
    del later["benchmarks"][1]
    history = ours.added(history, ours.rows_of(later))
    assert ours.table_of(history) == [
        ["benchmark", "figure", "value", "of", "before", "of"],
        [
            "a trace",
            "ratios: resnet18",
            "2.5",
            "bbbbbbb (2026-11-28)",
            "3.25",
            "aaaaaaa (2026-11-28)",
        ],
        ["an estimate", "estimate / value", "1.5", "aaaaaaa (2026-11-28)", "", ""],
    ]


def test_a_second_run_of_a_commit_replaces_the_first():
    ours = script()
    history = ours.added([], ours.rows_of(run("a", 3.25)))
    history = ours.added(history, ours.rows_of(run("a", 3.0)))
    assert [row["value"] for row in history] == ["3", "1.5"]


def test_the_table_in_the_docs_is_that_of_the_history():
    ours = script()
    history = ours.read(ours.HISTORY)
    assert history
    expected = ours.table_of(history)
    lines = ours.TABLE.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(expected)
    assert list(ours.csv.reader(lines)) == expected
