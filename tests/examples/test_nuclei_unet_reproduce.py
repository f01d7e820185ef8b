"""The whole reproduction at its smallest scale, and that a killed one loses nothing."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from tests.examples.nuclei import ROOT, import_example, write_folder

example = import_example()
SCRIPT = ROOT / "examples" / "nuclei_unet" / "reproduce.py"
#: Seconds to wait for a file before a kill.
PATIENCE = 200


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduction")
    write_folder(folder / "data")
    return folder


def command(place: Path, out: str, *options: str) -> list[str]:
    places = "--data-dir", place / "data", "--cache-dir", place / "cache", "--out", place / out
    return [sys.executable, str(SCRIPT), "--scale", "smoke", *map(str, places), *options]


def start(place: Path, out: str, *options: str) -> subprocess.Popen[str]:
    single = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command(place, out, *options),
        env={**os.environ, **single},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(place: Path, out: str, *options: str) -> str:
    process = start(place, out, *options)
    text = process.communicate()[0]
    assert process.returncode == 0, text
    return text


def kill_when(process: subprocess.Popen[str], path: Path) -> None:
    """Kill -9 as soon as a file is there."""
    ends = time.monotonic() + PATIENCE
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < ends, f"no {path} after {PATIENCE} s"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def whole(place: Path) -> tuple[Path, str]:
    """Return the folder of a study that nobody killed, and what it printed."""
    return place / "whole", finish(place, "whole")


def test_every_stage_works_and_tells_its_cost(whole: tuple[Path, str]):
    out, text = whole
    with (out / "results" / "costs.csv").open(newline="") as stream:
        costs = {row["stage"]: float(row["peak MB"]) for row in csv.DictReader(stream)}
    assert list(costs) == ["data", "train", "measure"]
    assert min(costs.values()) > 10
    for stage in (*costs, "figures", "claims"):
        assert f"\n{stage}: " in text


def test_the_claims_are_judged(whole: tuple[Path, str]):
    content = json.loads((whole[0] / "claims.json").read_text(encoding="utf-8"))
    names = {claim["name"] for claim in content["claims"]}
    assert {"maximum", "layer-11", "dice-4", "advice", "redesign-cut"} <= names
    for claim in content["claims"]:
        said = ("holds", "does not hold")
        if claim["whose"] == "paper":
            said = ("reproduced", "not reproduced")
        assert claim["verdict"] in (*said, "cannot tell at this scale")
        assert claim["why"]
        assert claim["ours"]
        assert claim["untrained net"]
    assert content["clocks"][0]["Model 1"] == "rate 0.1 against 0.5"
    with (whole[0] / "claims.csv").open(newline="") as stream:
        assert len(list(csv.reader(stream))) > 15


def test_read_outs_and_starts_of_k_means_are_measured(whole: tuple[Path, str]):
    probes = example.reproduction.readouts.read_probes(
        whole[0] / "results" / "whole-model1-seed0.probes.nc"
    )
    assert list(probes) == [(e, d) for e in (0, 2) for d in ("likely", "balanced")]
    for found in probes.values():
        assert len(found.layers) == 23
        assert found.dataset["dice"].notnull().all()
    entropies = example.reproduction.entropy.read_entropies(
        whole[0] / "results" / "whole-model1-seed0.entropy.json"
    )
    assert len(entropies) == 10
    assert all(0 < bits <= 3 for bits in entropies)


def test_what_a_stage_cost_is_kept_as_it_goes_on(tmp_path: Path, monkeypatch):
    """A kill after the second time it was kept loses nothing from before."""
    costs, path = example.reproduction.costs, tmp_path / "costs.csv"
    clock = iter([0.0, 10.0, 25.0, 100.0, 105.0])
    monkeypatch.setattr(costs.time, "perf_counter", lambda: next(clock))
    killed = costs.Cost("train", path)
    killed.keep()
    killed.keep()
    assert costs.read_costs(path)[0]["seconds"] == "25.0"
    costs.Cost("train", path).keep()
    (row,) = costs.read_costs(path)
    assert row["seconds"] == "30.0"
    assert float(row["peak MB"]) > 10


def test_every_figure_is_drawn_and_has_a_caption(whole: tuple[Path, str]):
    captions = (whole[0] / "figures" / "captions.inc").read_text(encoding="utf-8")
    for name in example.reproduction.figures.FIGURES:
        assert (whole[0] / "figures" / f"{name}.png").stat().st_size > 5000, name
        assert f"figures/{name}.png" in captions


def test_figures_and_claims_come_from_the_results_alone(whole: tuple[Path, str], place: Path):
    results = ("--results", str(whole[0] / "results"), "--stages", "figures,claims")
    finish(place, "again", *results)
    for name in ("claims.csv", "ours.csv", "settings.csv", "runs.csv"):
        assert (place / "again" / name).read_text() == (whole[0] / name).read_text()


def test_a_finished_study_is_left_as_it_is(whole: tuple[Path, str], place: Path):
    before = {path: path.stat().st_mtime_ns for path in measured(whole[0])}
    assert "expected a new folder" in start(place, "whole").communicate()[0]
    finish(place, "whole", "--resume", "--stages", "data,train,measure")
    assert {path: path.stat().st_mtime_ns for path in measured(whole[0])} == before


def test_killed_while_training_and_while_measuring_it_ends_with_the_same_numbers(
    whole: tuple[Path, str], place: Path
):
    out = place / "killed"
    stages = ("--stages", "train,measure")
    kill_when(start(place, "killed", *stages), out / "trained/whole-model2-seed0/metrics.csv")
    process = start(place, "killed", *stages, "--resume")
    kill_when(process, out / "measured/whole-model1-seed0/00001.readings.nc")
    process = start(place, "killed", *stages, "--resume")
    kill_when(process, out / "results/whole-model1-seed0.cut.json")  # before its read-outs
    finish(place, "killed", *stages, "--resume")
    expected = measured(whole[0])
    assert [path.name for path in expected] == [path.name for path in measured(out)]
    for path in expected:
        check_same(path, out / "results" / path.name)


def measured(out: Path) -> list[Path]:
    """Return the results, without what they cost."""
    return sorted(path for path in (out / "results").iterdir() if path.name != "costs.csv")


def check_same(path: Path, other: Path) -> None:
    if path.suffix == ".nc":
        with xr.open_dataset(path) as one, xr.open_dataset(other) as two:
            xr.testing.assert_identical(one.load(), two.load())
    elif path.suffix == ".npz":
        with np.load(path) as one, np.load(other) as two:
            for name in one.files:
                np.testing.assert_array_equal(one[name], two[name])
    else:
        assert path.read_bytes() == other.read_bytes(), path.name


def test_a_training_is_taken_over_by_its_settings(whole: tuple[Path, str]):
    place = whole[0] / "trained"
    one, *_, clock = example.reproduction.scales.make_scale("smoke").trainings
    find = example.reproduction.training.find_trained
    found = find(one, [place])
    assert found is not None
    assert found.folder == place / one.name
    assert found.is_finished
    assert found.kept() == [0, 1, 2]
    assert replace(found, only=(1, 7)).kept() == [1]
    assert find(clock, [place / clock.name]) is not None
    assert find(replace(one, seed=1), [place]) is None
    assert find(replace(one, precision="bfloat16"), [place]) is None


def test_the_papers_net_in_another_precision_has_a_control_in_it():
    scales = example.reproduction.scales
    mixed = scales.make_scale("cpu", precision=example.precision.Precision.BFLOAT16)
    assert {t.variant for t in mixed.trainings if t.precision == "bfloat16"} == {
        "whole",
        "bfloat16",
    }
    plain = scales.make_scale("cpu").trainings
    assert {t.name for t in mixed.trainings} - {t.name for t in plain} == {"bfloat16-model1-seed0"}
    assert {t.precision for t in plain} == {"float32"}


def test_a_training_that_diverges_stops_no_other(place: Path, tmp_path: Path, monkeypatch, capsys):
    stages = example.reproduction.stages
    tried = []

    def train_one(training, *_):
        tried.append(training.name)
        if len(tried) == 1:
            raise example.checkpoint.DivergedError("the training diverged.")
        return True

    monkeypatch.setattr(stages, "train_one", train_one)
    scale = example.reproduction.scales.make_scale("smoke")
    work = stages.Work(scale, tmp_path, tmp_path, place / "data", place / "cache")
    stages.train_all(work, example.reproduction.costs.Cost("train", None))
    assert tried == [training.name for training in scale.trainings]
    assert "whole-model1-seed0: the training diverged." in capsys.readouterr().out


def test_clusters_of_other_images_are_refused(whole: tuple[Path, str], place: Path, tmp_path: Path):
    """A run of another data folder must not be measured on this one's images."""
    training = example.reproduction.scales.make_scale("smoke").trainings[0]
    found = example.reproduction.training.find_trained(training, [whole[0] / "trained"])
    data = example.data.load_nuclei(place / "data", size=32, cache_dir=place / "cache")
    fewer = example.reproduction.stages.first_images(data, 8)
    how = example.reproduction.measure.How()
    with pytest.raises(ValueError, match="was trained on 13 images, but the data has 8"):
        example.reproduction.measure.measure(found, fewer, tmp_path, tmp_path, how)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_steps_from_a_graph_train_as_plain_steps_do(place: Path, tmp_path: Path):
    data = example.data.load_nuclei(place / "data", size=32, cache_dir=place / "cache")
    settings = example.run.Settings(
        data_fingerprint=data.fingerprint,
        size=32,
        base_channels=4,
        learning_rate=0.1,
        batch_size=4,
        clusters=4,
        device="cuda",
        measure=False,
    )
    rows = []
    for maker in (example.run.Run, example.reproduction.graphed.GraphedRun):
        run = maker(settings, data, tmp_path / maker.__name__)
        run.begin()
        rows.append([run.advance().training_loss for _ in range(3)])
    assert rows[0] == pytest.approx(rows[1], rel=1e-4)


def test_other_settings_are_refused(whole: tuple[Path, str], place: Path):
    text = subprocess.run(
        [*command(place, "whole", "--stages", "measure"), "--scale", "cpu"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert text.returncode == 2
    assert "is of scale smoke" in text.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--trained", "nowhere"), "nowhere must hold a run of train.py"),
        (("--epochs", "77"), "epochs must be among those that are measured"),
        (("--epochs", "²"), "epochs must be whole numbers"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(
    options: tuple[str, str], message: str, place: Path
):
    process = start(place, "refused", *options)
    text = process.communicate()[0]
    assert process.returncode == 2
    assert message in text
    assert not (place / "refused").exists()


def test_wrong_data_leave_the_folder_free(place: Path, tmp_path: Path):
    process = start(place, "free", "--data-dir", str(tmp_path))
    assert "Expected stage1_train.zip" in process.communicate()[0]
    assert process.returncode == 2
    assert not (place / "free" / "scale.json").exists()


def test_a_broken_checkpoint_among_the_trained_is_named_first(place: Path, tmp_path: Path):
    (tmp_path / "checkpoint.pt").write_bytes(b"junk")
    process = start(place, "unbroken", "--trained", str(tmp_path))
    assert f"{tmp_path / 'checkpoint.pt'} cannot be read" in process.communicate()[0]
    assert process.returncode == 2
    assert not (place / "unbroken").exists()


def test_when_time_is_up_nothing_is_measured(place: Path):
    text = finish(place, "short", "--minutes", "0.0001")
    assert "time is up at epoch 1" in text
    assert text.endswith("Go on with the same command and --resume.\n")
    assert not (place / "short" / "measured").exists()


def test_more_seeds_than_were_trained_do_not_bind(place: Path, tmp_path: Path):
    stages, scales = example.reproduction.stages, example.reproduction.scales
    two, one = (
        stages.Work(scales.make_scale("cpu", seeds), tmp_path, tmp_path, None, place / "cache")
        for seeds in (2, 1)
    )
    stages._note_scale(two)
    stages._note_scale(one)
    stages._note_scale(two)
    extra = next(t for t in two.scale.trainings if t not in one.scale.trainings)
    (tmp_path / "trained" / extra.name).mkdir(parents=True)
    with pytest.raises(ValueError, match="seed 1"):
        stages._note_scale(one)


def test_settings_are_checked_before_anything_is_done():
    measure = example.reproduction.measure
    for mode in ("skech", "auto"):
        with pytest.raises(ValueError, match=f"mode must be exact or sketch, got '{mode}'"):
            measure.How(mode=mode)
    with pytest.raises(ValueError, match="memory_budget"):
        measure.How(memory_budget="much")


def test_a_few_epochs_leave_what_was_measured_before(whole: tuple[Path, str], place: Path):
    before = {path: path.stat().st_mtime_ns for path in measured(whole[0])}
    finish(place, "whole", "--resume", "--stages", "measure", "--epochs", "0")
    assert {path: path.stat().st_mtime_ns for path in measured(whole[0])} == before
    wrong = start(place, "whole", "--resume", "--stages", "measure", "--epochs", "77")
    assert "epochs must be among those that are measured" in wrong.communicate()[0]
