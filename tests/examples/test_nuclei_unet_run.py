"""The training of the nuclei example: its recipe, and that a killed run loses nothing."""

from __future__ import annotations

import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import xarray as xr
from typer.testing import CliRunner

import infoflow
from infoflow.testing import UNet
from tests.examples.nuclei import import_example, write_folder

example = import_example()
run, train, metrics, models = example.run, example.train, example.metrics, example.models

# a few tiny images far apart, in two clusters of a handful: just what these warn of
pytestmark = [
    pytest.mark.filterwarnings("ignore::infoflow.interface.SaturationWarning"),
    pytest.mark.filterwarnings("ignore::infoflow.interface.SingletonWarning"),
]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Nets this small are slower on more threads, far slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("nuclei")
    write_folder(folder / "data")
    return example.data.load_nuclei(folder / "data", size=32, cache_dir=folder / "cache")


@pytest.fixture(scope="module")
def settings(data):
    return run.Settings(
        data_fingerprint=data.fingerprint,
        size=32,
        base_channels=4,
        learning_rate=0.5,
        batch_size=4,
        clusters=4,
        noise_variance=10.0,
    )


def go_on(settings, data, out: Path, epochs: int, every: int = 2):
    going = run.Run(settings, data, out)
    train.train(going, epochs, every)
    return going


def contents(out: Path) -> SimpleNamespace:
    return SimpleNamespace(
        weights=torch.load(out / "weights.pt", weights_only=True),
        metrics=(out / "metrics.csv").read_text(),
        flow=infoflow.load(out / "flow.nc").dataset,
    )


def check_same(out: Path, other: Path) -> None:
    one, two = contents(out), contents(other)
    assert one.metrics == two.metrics
    assert one.weights.keys() == two.weights.keys()
    for name, value in one.weights.items():
        assert torch.equal(value, two.weights[name]), name
    xr.testing.assert_identical(one.flow, two.flow)


@pytest.fixture(scope="module")
def uninterrupted(settings, data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("uninterrupted")
    go_on(settings, data, out, 4)
    return out


# --------------------------------------------------------------------------- going on


def test_two_and_two_epochs_are_four(settings, data, uninterrupted: Path, tmp_path: Path):
    go_on(settings, data, tmp_path, 2)
    resumed = go_on(settings, data, tmp_path, 4)
    assert len(resumed.clock.training) == 2
    check_same(tmp_path, uninterrupted)


def test_weights_of_every_measured_epoch_are_kept_on_request(
    settings, data, uninterrupted: Path, tmp_path: Path
):
    train.train(run.Run(settings, data, tmp_path, keep_weights=True), 2, 2)
    kept = [torch.load(run.weights_file(tmp_path, epoch), weights_only=True) for epoch in range(3)]
    fresh = models.build_model(settings.model, base_channels=settings.base_channels).state_dict()
    for name, last in torch.load(tmp_path / "weights.pt", weights_only=True).items():
        assert torch.equal(kept[0][name], fresh[name])
        assert torch.equal(kept[2][name], last)
    assert not (uninterrupted / "weights").exists()


def test_trained_the_same_without_measuring(settings, data, uninterrupted: Path, tmp_path: Path):
    unmeasured = replace(settings, measure=False)
    go_on(unmeasured, data, tmp_path, 2)
    go_on(unmeasured, data, tmp_path, 4)
    assert not (tmp_path / "flow.nc").exists()
    assert (tmp_path / "metrics.csv").read_text() == (uninterrupted / "metrics.csv").read_text()


class Killed(BaseException):
    """Stands for kill -9: nothing may catch it."""


def kill_before_first_measurement(monkeypatch, out: Path) -> None:
    def record(self, epoch: int) -> bool:
        raise Killed

    monkeypatch.setattr(infoflow.Tracker, "record", record)


def kill_after_measurement(monkeypatch, out: Path, epoch: int) -> None:
    append = metrics.MetricsFile.append

    def die(self, row) -> None:
        if row.epoch == epoch:
            raise Killed
        append(self, row)

    monkeypatch.setattr(metrics.MetricsFile, "append", die)


def kill_within_row(monkeypatch, out: Path, epoch: int) -> None:
    append = metrics.MetricsFile.append

    def die(self, row) -> None:
        append(self, row)
        if row.epoch == epoch:
            text = self.path.read_text()
            self.path.write_text(text[:-20])
            raise Killed

    monkeypatch.setattr(metrics.MetricsFile, "append", die)


def kill_within_checkpoint(monkeypatch, out: Path, epoch: int) -> None:
    save = example.checkpoint.Checkpoint.save

    def die(self, path: Path) -> None:
        if self.epoch == epoch:
            path.with_name(f".{path.name}.1.part").write_bytes(b"half")
            raise Killed
        save(self, path)

    monkeypatch.setattr(example.checkpoint.Checkpoint, "save", die)


@pytest.mark.parametrize(
    ("kill", "epochs_kept"),
    [
        (kill_before_first_measurement, 0),
        (lambda *where: kill_within_row(*where, epoch=0), 0),
        (lambda *where: kill_after_measurement(*where, epoch=3), 2),
        (lambda *where: kill_within_row(*where, epoch=3), 2),
        (lambda *where: kill_within_checkpoint(*where, epoch=4), 2),
    ],
)
def test_a_killed_run_goes_on_with_the_same_numbers(
    kill, epochs_kept: int, settings, data, uninterrupted: Path, tmp_path: Path, monkeypatch
):
    with monkeypatch.context() as patch:
        kill(patch, tmp_path)
        with pytest.raises(Killed):
            go_on(settings, data, tmp_path, 4)
    resumed = run.Run(settings, data, tmp_path)
    assert resumed.epoch == epochs_kept
    train.train(resumed, 4, 2)
    check_same(tmp_path, uninterrupted)


@needs_gpu
def test_two_and_two_epochs_are_four_on_a_gpu(settings, data, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    on_gpu = replace(settings, device="cuda")
    try:
        run.make_repeatable("cuda")
        go_on(on_gpu, data, tmp_path / "whole", 4)
        go_on(on_gpu, data, tmp_path / "parts", 2)
        go_on(on_gpu, data, tmp_path / "parts", 4)
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.allow_tf32 = True
    check_same(tmp_path / "parts", tmp_path / "whole")


def test_resuming_a_finished_run_changes_nothing(settings, data, uninterrupted: Path, tmp_path):
    again = Path(shutil.copytree(uninterrupted, tmp_path / "again"))
    assert not go_on(settings, data, again, 4).clock.training
    check_same(again, uninterrupted)


# --------------------------------------------------------------------------- the recipe


def test_the_loss_falls_and_every_epoch_has_a_row(uninterrupted: Path):
    rows = [line.split(",") for line in contents(uninterrupted).metrics.splitlines()]
    assert rows[0] == ["epoch", "training_loss", "training_dice", "validation_dice"]
    assert [row[0] for row in rows[1:]] == ["0", "1", "2", "3", "4"]
    assert rows[1][1] == ""
    losses = [float(row[1]) for row in rows[2:]]
    assert losses[-1] < losses[0] < 1


def test_flow_has_the_papers_epochs_and_layers(uninterrupted: Path):
    flow = contents(uninterrupted).flow
    assert flow["epoch"].values.tolist() == [0, 1, 2, 3, 4]
    assert flow.sizes["layer"] == 23
    assert flow.attrs["target"] == "4 K-means clusters of the target"
    assert int(flow["samples"][0]) == 13


def test_the_first_epoch_is_plain_gradient_descent_on_the_epochs_own_order(
    settings, data, tmp_path: Path
):
    """A twin of one step: the whole set in one batch, so that the order does not matter."""
    whole = replace(settings, batch_size=16)
    trained = run.Run(whole, data, tmp_path)
    trained.begin()
    twin = models.build_model(1, base_channels=4, seed=0)
    loss = torch.nn.BCELoss()(twin(data.images), data.masks)
    loss.backward()
    row = trained.advance()
    assert row.training_loss == pytest.approx(loss.item(), rel=1e-5)
    for parameter, expected in zip(trained.model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected - 0.5 * expected.grad)


def test_mixed_precision_trains_alike(settings, data, uninterrupted: Path, tmp_path: Path):
    mixed = replace(settings, precision="bfloat16")
    weights = [parameter.dtype for parameter in go_on(mixed, data, tmp_path, 4).model.parameters()]
    assert set(weights) == {torch.float32}
    losses = [column(out, "training_loss") for out in (tmp_path, uninterrupted)]
    assert losses[0] != losses[1]
    assert losses[0][1:] == pytest.approx(losses[1][1:], rel=1e-2, nan_ok=True)


def column(out: Path, name: str) -> list[float]:
    header, *rows = (out / "metrics.csv").read_text().splitlines()
    place = header.split(",").index(name)
    return [float(row.split(",")[place] or "nan") for row in rows]


def test_a_sure_net_still_has_a_gradient_in_mixed_precision():
    """With a score of 8, a bfloat16 probability would be 1 and its loss clipped, without slope."""
    precision = example.precision
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.Sigmoid())
    torch.nn.init.zeros_(net[0].weight)
    torch.nn.init.constant_(net[0].bias, 8.0)
    with precision.computing(net, precision.Precision.BFLOAT16, "cpu"):
        loss = torch.nn.BCELoss()(net(torch.zeros(1, 1, 4, 4)), torch.zeros(1, 1, 4, 4))
    loss.backward()
    assert loss.item() == pytest.approx(8.0, rel=1e-3)
    assert net[0].bias.grad.item() == pytest.approx(1.0, rel=1e-2)
    assert not net[0]._forward_hooks


def test_measured_as_analyze_measures(settings, data, tmp_path: Path):
    going = run.Run(settings, data, tmp_path)
    going.begin()
    twin = models.build_model(1, base_channels=4, seed=0).to(memory_format=torch.channels_last)
    result = infoflow.analyze(
        twin,
        example.data.batches(data.images, data.masks, 4),
        target=infoflow.KMeans(4),
        noise=10.0,
    )
    xr.testing.assert_identical(going.tracker.result.dataset, result.dataset)


@pytest.mark.parametrize(
    ("number", "skips"),
    [
        (1, ("7->11", "5->14", "3->17", "1->20")),
        (2, ("7->11", "5->14", "3->17")),
        (3, ("7->11", "5->14")),
        (4, ("7->11",)),
    ],
)
def test_the_papers_models(number: int, skips: tuple[str, ...]):
    assert models.build_model(number, base_channels=4).skips == skips


def test_weights_come_from_the_seed_alone():
    state = torch.random.get_rng_state()
    one, same, other = (models.build_model(base_channels=4, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one.output.weight, same.output.weight)
    assert not torch.equal(one.output.weight, other.output.weight)


def test_make_model_follows_the_environment(monkeypatch):
    monkeypatch.setenv("INFOFLOW_NUCLEI_BASE", "4")
    monkeypatch.setenv("INFOFLOW_NUCLEI_MODEL", "3")
    model = models.make_model()
    assert isinstance(model, UNet)
    assert (model.output.in_channels, len(model.skips)) == (4, 2)


def test_unknown_model():
    with pytest.raises(ValueError, match="models are 1, 2, 3, 4 and 'original', got 5"):
        models.build_model(5)


def test_dice_of_known_overlaps():
    found = torch.zeros(3, 1, 2, 2)
    true = torch.zeros(3, 1, 2, 2)
    found[0, 0, 0], true[0, 0, :, 0] = 0.9, 1.0  # 1 of 2 and 2: Dice 1/2
    found[1, 0, 0], true[1, 0, 1] = 0.9, 1.0  # no overlap: 0
    found[2] = 0.4  # nothing found where nothing is: 1
    assert metrics.mean_dice(torch.nn.Identity(), found, true, 2) == pytest.approx(1.5 / 3)


def test_a_net_whose_output_is_no_number_stops_the_run(settings, data, tmp_path: Path):
    going = run.Run(replace(settings, learning_rate=1e30), data, tmp_path)
    going.begin()
    with pytest.raises(infoflow.InfoflowError, match=r"diverged.*below 1e\+30"):
        train.train(going, 3, 1)


# --------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("learning_rate", 0.1, r"learning rate 0\.5 \(now 0\.1\)"),
        ("model", 2, r"model 1 \(now 2\)"),
        ("seed", 7, r"seed 0 \(now 7\)"),
        ("precision", "bfloat16", r"precision float32 \(now bfloat16\)"),
        ("clusters", 3, r"clusters 4 \(now 3\)"),
        ("data_fingerprint", "other", r"data fingerprint .* \(now other\)"),
    ],
)
def test_other_settings_are_not_resumed(name, value, message, settings, data, uninterrupted: Path):
    before = contents(uninterrupted).metrics
    with pytest.raises(infoflow.InfoflowError, match=message):
        run.Run(replace(settings, **{name: value}), data, uninterrupted)
    assert contents(uninterrupted).metrics == before


@pytest.fixture
def finished(uninterrupted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(uninterrupted, tmp_path / "out"))


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("metrics.csv", r"metrics\.csv is missing"),
        ("flow.nc", r"no file .*flow\.nc"),
        ("checkpoint.pt", r"has flow\.nc but no checkpoint\.pt"),
    ],
)
def test_a_run_that_lost_a_file(lost: str, message: str, finished: Path, settings, data):
    (finished / lost).unlink()
    with pytest.raises(infoflow.InfoflowError, match=message):
        run.Run(settings, data, finished)


def test_files_that_end_before_the_checkpoint(finished: Path, settings, data):
    rows = (finished / "metrics.csv").read_text().splitlines(keepends=True)
    (finished / "metrics.csv").write_text("".join(rows[:-1]))
    with pytest.raises(infoflow.InfoflowError, match="a row for each epoch from 0 to 4"):
        run.Run(settings, data, finished)
    (finished / "metrics.csv").write_text("".join(rows))
    result = infoflow.load(finished / "flow.nc")
    infoflow.FlowResult(result.dataset.sel(epoch=[0, 1]), result.graph).save(finished / "flow.nc")
    with pytest.raises(infoflow.InfoflowError, match=r"must hold the 5 epochs .* but holds 2"):
        run.Run(settings, data, finished)


def test_a_checkpoint_that_is_none(finished: Path, settings, data):
    (finished / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(infoflow.InfoflowError, match="cannot be read as a checkpoint"):
        run.Run(settings, data, finished)


# --------------------------------------------------------------------------- the command


@pytest.fixture
def call(tmp_path: Path):
    data_dir = write_folder(tmp_path / "data")
    small = "--size 32 --base-channels 4 --learning-rate 0.5 --batch-size 4 --clusters 4"

    def invoke(options: str):
        places = [
            "--data-dir",
            data_dir,
            "--cache-dir",
            tmp_path / "cache",
            "--out",
            tmp_path / "out",
        ]
        return CliRunner().invoke(train.app, [*map(str, places), *small.split(), *options.split()])

    return invoke


def test_the_command_trains_and_goes_on(call, tmp_path: Path):
    first = call("--epochs 1")
    assert first.exit_code == 0, first.output
    assert "13 training and 3 validation images" in first.output
    assert "Done: 1 epochs, Dice" in first.output
    again = call("--epochs 2")
    assert again.exit_code == 2
    assert "already has a run" in again.stderr
    assert "--resume" in again.stderr
    resumed = call("--epochs 2 --resume")
    assert resumed.exit_code == 0, resumed.output
    assert "after 1 epochs" in resumed.output
    shorter = call("--epochs 1 --resume")
    assert shorter.exit_code == 2
    assert "at epoch 2 already" in shorter.stderr
    model = models.build_model(base_channels=4)
    model.load_state_dict(torch.load(tmp_path / "out" / "weights.pt", weights_only=True))


def test_ctrl_c_keeps_the_last_epoch_and_says_how_to_go_on(call, tmp_path: Path, monkeypatch):
    def interrupted(self, epoch: int) -> float:
        if epoch == 3:
            raise KeyboardInterrupt
        return once(self, epoch)

    once = run.Run._train
    monkeypatch.setattr(sys, "argv", ["train.py", "--seed", "0"])
    with monkeypatch.context() as patch:
        patch.setattr(run.Run, "_train", interrupted)
        stopped = call("--epochs 4 --checkpoint-every 100")
    assert stopped.exit_code == 130
    assert "Stopped after epoch 2" in stopped.stderr
    assert "train.py --seed 0 --resume" in stopped.stderr
    assert example.checkpoint.Checkpoint.load(tmp_path / "out" / "checkpoint.pt").epoch == 2
    assert call("--epochs 4 --resume").exit_code == 0


def test_ctrl_c_before_anything(call, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "load_nuclei", interrupted)
    stopped = call("")
    assert stopped.exit_code == 130
    assert "Stopped before the first epoch" in stopped.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--size 100", "multiple of 16"),
        ("--device cuda:99", "cannot be used here"),
        ("--clusters 64 --epochs 1", "at least as many samples as clusters"),
        ("--noise-variance 0", "noise must be"),
        ("--memory-budget much --epochs 0", "memory_budget must be"),
        ("--data-dir nowhere", "Expected stage1_train.zip"),
    ],
)
def test_wrong_options_are_one_sentence(call, options: str, message: str):
    result = call(options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ")


def test_a_changed_environment_is_told(call, monkeypatch):
    call("--epochs 1")
    threads = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads + 1)
    resumed = call("--epochs 1 --resume")
    assert "the numbers will differ" in resumed.stderr
    assert math.isfinite(float(resumed.output.split("Dice ")[-1].split()[0]))


def test_a_first_measurement_that_fails_leaves_the_folder_free(settings, data, tmp_path: Path):
    going = run.Run(settings, data, tmp_path)
    going.tracker.record = lambda epoch: 1 / 0
    with pytest.raises(ZeroDivisionError):
        going.begin()
    assert not (tmp_path / "checkpoint.pt").exists()
    go_on(settings, data, tmp_path, 1)
