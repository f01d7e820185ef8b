"""``infoflow.log``: what it tells loggers, by the methods that they have."""

import matplotlib.figure
import pytest
import torch
from torch import nn

import infoflow


@pytest.fixture(scope="module")
def result():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    loader = [(torch.randn(12, 3), torch.arange(12) % 2)]
    tracker = infoflow.Tracker(net, loader, noise=1.0, schedule=[0, 1], progress=False)
    tracker.record(0, step=0)
    tracker.record(1, step=20)
    return tracker.result


class Board:
    def __init__(self, folder=None):
        self.log_dir, self.scalars, self.figures = folder, {}, []

    def add_scalar(self, name, value, step):
        self.scalars[name, step] = value

    def add_figure(self, name, figure, step, *, close):
        assert isinstance(figure, matplotlib.figure.Figure)
        self.figures.append((name, step))


class Metrics:
    def log_metrics(self, values, step):
        self.values, self.step = values, step


def test_numbers_of_the_last_epoch_with_unit_and_layer(result):
    board = Board()
    assert infoflow.log(result, board) == ("scalars",)
    last = result.dataset.sel(epoch=1)
    expected = {("infoflow/ixm_bits_ceiling", 20), ("infoflow/iym_bits_ceiling", 20)}
    for quantity in ("ixm", "iym"):
        for layer in result.layers:
            name = (f"infoflow/{quantity}_bits/{layer}", 20)
            assert board.scalars[name] == last[quantity].sel(layer=layer).item()
            expected.add(name)
    assert set(board.scalars) == expected


def test_another_step_prefix_and_unit(result):
    metrics = Metrics()
    infoflow.log(result.to("nats"), metrics, 7, prefix="train")
    assert metrics.step == 7
    assert "train/ixm_nats/0" in metrics.values


def test_figures_and_the_page_where_the_logger_takes_them(result, tmp_path):
    board = Board(tmp_path)
    done = infoflow.log(result, board, figures=True, page=True)
    assert done == ("scalars", "figures", "page")
    assert board.figures == [("infoflow/uplot_ixm", 20), ("infoflow/uplot_iym", 20)]
    assert "I(X;M)" in (tmp_path / "infoflow_report.html").read_text()
    assert infoflow.log(result, Metrics(), figures=True, page=True) == ("scalars",)


def test_unknown_numbers_are_left_out():
    net, points = nn.Sequential(nn.Linear(3, 4)), [torch.randn(12, 3)]
    board = Board()
    infoflow.log(infoflow.analyze(net, points, noise=1.0, progress=False), board, 0, figures=True)
    assert {name.split("/")[1] for name, _ in board.scalars} == {"ixm_bits", "ixm_bits_ceiling"}
    assert board.figures == [("infoflow/uplot_ixm", 0)]


def test_names_that_loggers_do_not_take_stay_apart(result):
    graph = result.graph
    odd = result.dataset.assign_coords(layer=["a<b", "a>b"])
    metrics = Metrics()
    infoflow.log(infoflow.FlowResult(odd, graph), metrics)
    assert {"infoflow/ixm_bits/a_b", "infoflow/ixm_bits/a_b_"} <= set(metrics.values)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"writer": 3}, "writer must have add_scalar"),
        ({"writer": Metrics}, "writer must have add_scalar .* got the class Metrics"),
        ({"step": -1}, "step must be a whole number of at least 0, got -1"),
        ({"prefix": ""}, "prefix must be a text"),
        ({"figures": "yes"}, "figures must be True or False"),
        ({"result": [1]}, "log takes a FlowResult, which"),
    ],
)
def test_what_cannot_be_logged_is_refused(result, given, message):
    given = {"result": result, "writer": Metrics(), "step": 0, **given}
    with pytest.raises(infoflow.InfoflowError, match=message):
        infoflow.log(**given)
