"""The committed results: the tables of the docs are made from them, and broken ones are named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.examples.nuclei import ROOT, import_example

example = import_example()
RESULTS = ROOT / "examples" / "nuclei_unet" / "results"
DOCS = ROOT / "docs" / "reproduction"


def test_the_tables_of_the_docs_are_those_of_the_committed_results(tmp_path: Path, capsys):
    example.reproduction.tables.write_claims(RESULTS, tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted(path.name for path in DOCS.iterdir() if path.is_file())
    for name in made:
        one, other = (folder / name for folder in (tmp_path, DOCS))
        if name.endswith(".csv"):
            assert one.read_text() == other.read_text(), name
        else:  # the other numbers in it have digits that may differ elsewhere
            one, other = (json.loads(path.read_text())["claims"] for path in (one, other))
            assert one == other


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Return a copy of the results of one seed, to be broken."""
    for path in RESULTS.glob("half-model?-seed0.*"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "half-model1-seed0.training.json",
        "half-model1-seed0.cut.json",
        "half-model1-seed0.entropy.json",
        "half-model1-seed0.metrics.csv",
        "half-model1-seed0.readings.nc",
        "half-model1-seed0.probes.nc",
    ],
)
def test_a_result_that_is_cut_short_is_named(name: str, broken: Path):
    path = broken / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=f"{name} cannot be read as a result"):
        example.reproduction.loading.load_study(broken)


def test_a_setting_that_is_missing_is_named(broken: Path):
    path = broken / "half-model2-seed0.training.json"
    about = json.loads(path.read_text())
    del about["variant"]
    path.write_text(json.dumps(about))
    with pytest.raises(ValueError, match=r"half-model2-seed0\.training\.json.*KeyError: 'variant'"):
        example.reproduction.loading.load_study(broken)


def test_results_of_another_training_are_not_written_over():
    """A small study given the committed folder would have put its numbers in their place."""
    (half,) = (
        training
        for training in example.reproduction.scales.make_scale("cpu").trainings
        if training.name == "half-model1-seed0"
    )
    check = example.reproduction.training.check_results
    check(half, RESULTS)
    with pytest.raises(ValueError, match="is of a training with size 64, expected 32"):
        check(replace(half, size=32), RESULTS)
