"""Real loggers: what was logged is read back from their own files."""

import mlflow
import pytest
import wandb
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

import infoflow
from tests.integrations import trainings

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore:.*does not have many workers",
)


@pytest.fixture(scope="module")
def result():
    net = trainings.Net()
    return trainings.by_hand(net, trainings.trackers_of(net), epochs=1)["train"]


def expected(result, step=4):
    """The numbers of the last epoch, by name."""
    last = result.dataset.isel(epoch=-1)
    return {
        f"infoflow/{quantity}_bits/{layer}": last[quantity].sel(layer=layer).item()
        for quantity in ("ixm", "iym")
        for layer in result.layers
    }


def check_events(folder, result):
    events = EventAccumulator(str(folder)).Reload()
    for name, value in expected(result).items():
        event = events.Scalars(name)[-1]
        assert (event.step, event.value) == (4, pytest.approx(value, rel=1e-6))
    return events


def test_tensorboard(result, tmp_path):
    with SummaryWriter(tmp_path) as writer:
        assert infoflow.log(result, writer, figures=True, page=True) == (
            "scalars",
            "figures",
            "page",
        )
    events = check_events(tmp_path, result)
    (image,) = events.Images("infoflow/uplot_iym")
    assert (image.step, image.width) == (4, 800)
    assert "<html" in (tmp_path / "infoflow_report.html").read_text()


def test_lightning_loggers(result, tmp_path):
    board = TensorBoardLogger(tmp_path, "board", version=0)
    assert infoflow.log(result, board, figures=True, page=True) == ("scalars", "figures", "page")
    board.finalize("success")
    check_events(tmp_path / "board/version_0", result)
    table = CSVLogger(tmp_path, "table", version=0)
    assert infoflow.log(result, table, figures=True) == ("scalars",)
    table.save()
    header, row = (tmp_path / "table/version_0/metrics.csv").read_text().splitlines()
    numbers = dict(zip(header.split(","), map(float, row.split(",")), strict=True))
    assert numbers["step"] == 4
    for name, value in expected(result).items():
        assert numbers[name] == pytest.approx(value)


def test_mlflow(result, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    experiment = mlflow.create_experiment("here", artifact_location=str(tmp_path / "files"))
    with mlflow.start_run(experiment_id=experiment) as run:
        done = infoflow.log(result, mlflow, figures=True, page=True)
    assert done == ("scalars", "figures", "page")
    client = mlflow.MlflowClient()
    for name, value in expected(result).items():
        (metric,) = client.get_metric_history(run.info.run_id, name)
        assert (metric.step, metric.value) == (4, pytest.approx(value))
    files = tmp_path / "files" / run.info.run_id / "artifacts/infoflow"
    assert (files / "uplot_iym/4.png").exists()
    assert (files / "report/report.html").exists()


def test_wandb_offline(result, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = wandb.init(project="infoflow", mode="offline", dir=tmp_path)
    try:
        done = infoflow.log(result, run, figures=True, page=True)
        summary = {name: run.summary[name] for name in expected(result)}
    finally:
        run.finish()
    assert done == ("scalars", "figures", "page")
    assert summary == {name: pytest.approx(value) for name, value in expected(result).items()}
    assert list(tmp_path.rglob("*.wandb"))
    assert list(tmp_path.rglob("*.png"))


def test_the_monitor_logs_to_the_trainers_loggers(tmp_path):
    from infoflow.integrations.lightning import InformationMonitor
    from tests.integrations.libraries.test_lightning import Module, fit

    module = Module()
    monitor = InformationMonitor(trainings.trackers_of(module.net)["train"], figures=True)
    fit(module, [monitor], tmp_path, epochs=1, logger=TensorBoardLogger(tmp_path, version=0))
    events = check_events(tmp_path / "lightning_logs/version_0", monitor.result.sel(epoch=1))
    assert len(events.Images("infoflow/uplot_ixm")) == 2
