"""The whole study of Goldfeld et al. at its smallest scale, killed, resumed, and misused."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.io import savemat
from typer.testing import CliRunner

from tests.examples.nuclei import import_example
from tests.examples.test_goldfeld_train import task

example = import_example("goldfeld")
app = example.reproduce.app
compression = example.compression


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a task of 12 bits and with images in MNIST's own layout."""
    place = tmp_path_factory.mktemp("data")
    inputs, labels = task()
    (place / "szt").mkdir()
    savemat(place / "szt" / "var_u.mat", {"F": inputs.numpy(), "y": labels.numpy()[None]})
    raw = place / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for name, count in (("train", 128), ("t10k", 128)):
        digits = np.arange(count, dtype=np.uint8) % 10
        images = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
        for row, digit in enumerate(digits):
            images[row, 4 + 2 * digit : 6 + 2 * digit] = 255
        write_idx(raw / f"{name}-images-idx3-ubyte", images)
        write_idx(raw / f"{name}-labels-idx1-ubyte", digits)
    return place


def write_idx(path: Path, values: np.ndarray) -> None:
    """Write an array in the layout of the data set's own files."""
    head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
    path.write_bytes(head + values.tobytes())


def run(data: Path, out: Path, *options: str) -> SimpleNamespace:
    options = ("--data-dir", str(data), "--scale", "smoke", "--out", str(out), *options)
    result = CliRunner().invoke(app, list(options))
    return SimpleNamespace(code=result.exit_code, text=result.output, error=result.exception)


def test_an_option_that_is_no_stage_is_named(tmp_path: Path):
    found = run(tmp_path, tmp_path / "out", "--stages", "trainn")
    assert found.code == 2
    assert "stages must be among train, measure, figures, claims, got trainn." in found.text


def test_data_that_are_missing_are_named(tmp_path: Path):
    found = run(tmp_path, tmp_path / "out", "--stages", "train")
    assert found.code == 2
    assert "var_u.mat is not there, expected the task of Shwartz-Ziv and Tishby" in found.text


def test_results_that_are_not_there_are_named(tmp_path: Path):
    found = run(tmp_path, tmp_path / "out", "--stages", "figures")
    assert found.code == 2
    assert "has no results of this study, expected tables such as szt-tanh.metrics" in found.text


def test_a_folder_in_use_and_another_scale_are_refused(tmp_path: Path):
    (tmp_path / "scale.json").write_text('{"name": "cpu"}')
    assert "has a study already; expected a new folder" in run(tmp_path, tmp_path).text
    found = run(tmp_path, tmp_path, "--resume")
    assert "is of scale cpu, expected smoke. Give the same --scale" in found.text
    (tmp_path / "scale.json").write_text("half")
    assert "cannot be read as a result of this study" in run(tmp_path, tmp_path, "--resume").text


def test_nets_that_are_not_trained_are_left_out_and_said(data: Path, tmp_path: Path):
    found = run(data, tmp_path, "--stages", "measure", "--only", "szt-linear")
    assert found.code == 0, found.text
    assert "szt-linear: not trained yet, left out" in found.text


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of a study that ran at one go, and what it printed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    found = run(data, out)
    assert found.code == 0, found.text
    return out, found.text


def test_every_stage_works(whole: tuple[Path, str]):
    out, text = whole
    for stage in ("train", "measure", "figures", "claims"):
        assert f"{stage}:\n" in text
    drawn = {path.name for path in (out / "figures").iterdir()}
    wanted = {"bins.png", "tanh.png", "distances.png", "released.png", "neuron.png", "units.png"}
    assert wanted <= drawn
    claims = json.loads((out / "claims.json").read_text(encoding="utf-8"))
    assert len(claims) == len(compression.claims.PAPERS) + len(compression.claims_ours.OURS)
    assert all(claim["why"] and claim["ours"] for claim in claims)
    judged = {claim["name"]: claim for claim in claims}
    assert judged["bounds"]["verdict"] == "does not hold"  # its standard error is coarse
    assert judged["t5-falls-79"]["verdict"] == "cannot tell at this scale"


def test_every_number_is_within_its_bounds(whole: tuple[Path, str]):
    with (whole[0] / "results" / "szt-tanh.information.csv").open(newline="") as stream:
        rows = [{name: float(cell) for name, cell in row.items()} for row in csv.DictReader(stream)]
    assert {row["layer"] for row in rows} == {1, 2, 3, 4, 5}
    for row in rows:
        assert 0 <= row["ixm_lower"] <= row["ixm"] <= math.log(4096) + 1e-4


def test_a_study_in_pieces_has_the_same_results(
    whole: tuple[Path, str], data: Path, tmp_path: Path
):
    """Stopped again and again, as by a kill after a file was written."""
    only = ("--only", "szt-tanh,mnist-deterministic-seed0")
    for _ in range(12):
        found = run(data, tmp_path / "out", "--resume", "--minutes", "0.004", *only)
        assert found.code == 0, found.text
    found = run(data, tmp_path / "out", "--resume", *only)
    assert found.code == 0, found.text
    for name in ("information", "audit", "bins", "distances", "metrics"):
        file = f"results/szt-tanh.{name}.csv"
        assert (tmp_path / "out" / file).read_text() == (whole[0] / file).read_text()
    file = "results/mnist.metrics.csv"
    first = (tmp_path / "out" / file).read_text().splitlines()
    assert first == [
        line
        for line in (whole[0] / file).read_text().splitlines()
        if line.startswith(("variant", "deterministic"))
    ]


def test_figures_and_claims_come_from_the_results_alone(whole: tuple[Path, str], tmp_path: Path):
    results = ("--results", str(whole[0] / "results"), "--stages", "figures,claims")
    found = run(tmp_path, tmp_path / "again", *results)
    assert found.code == 0, found.text
    for name in ("claims.csv", "ours.csv", "errors.csv"):
        assert (tmp_path / "again" / name).read_text() == (whole[0] / name).read_text()


def test_a_foreign_table_is_named(whole: tuple[Path, str], tmp_path: Path):
    (tmp_path / "szt-tanh.metrics.csv").write_text("a,b\n1,2\n")
    found = run(tmp_path, tmp_path / "out", "--results", str(tmp_path), "--stages", "claims")
    assert found.code == 2
    assert "szt-tanh.metrics.csv cannot be read as a result of this study" in found.text


def test_the_ceiling_of_drawing_with_replacement_is_what_counting_gives():
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(50):
        counts = torch.bincount(torch.randint(4096, (4096,), generator=generator))
        shares = counts[counts > 0] / 4096
        found.append(float(-(shares * shares.log()).sum()))
    assert np.mean(found) == pytest.approx(compression.released.expected_ceiling(4096), abs=0.003)


def test_the_integral_of_the_neuron_is_that_of_two_far_points():
    values = torch.tensor([-1.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    wanted = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert compression.neuron.integrated(values, 0.05) == pytest.approx(wanted, abs=1e-6)


def test_the_two_integrals_of_the_pair_agree_where_the_second_neuron_is_the_first():
    """With w₂ = 1, b₂ = 0 and values above 0, T₂ is T₁ with twice the noise variance."""
    weights = torch.tensor([0.02, 0.3, 1.0, 0.0], dtype=torch.float64)
    first = weights[0] * compression.neuron.PAIR_INPUTS + weights[1]
    wanted = compression.neuron.integrated(first, compression.neuron.PAIR_BETA * math.sqrt(2))
    assert compression.neuron.pair_integrated(weights) == pytest.approx(wanted, abs=1e-4)


def test_slopes_of_units_are_those_of_a_line():
    times = (1, 2, 4)
    arrays = {
        f"mnist-dropout-seed0-arrays-epoch{t:05d}-units": np.full((4, 3), 5 - 0.25 * t)
        for t in times
    }
    study = SimpleNamespace(arrays=lambda name: arrays)
    np.testing.assert_allclose(
        compression.claims_mnist.unit_slopes(study, "dropout", 0), np.full((4, 3), -0.25)
    )
