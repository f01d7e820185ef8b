"""What a request that cannot be gets: one sentence."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import infoflow
from infoflow.interface import (
    ArgumentError,
    ArgumentTypeError,
    InfoflowError,
    LoaderError,
    PruningError,
    TargetError,
)
from tests.pruning.ablation.nets import Residual, clusters, loader, trained


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Residual().eval()


@pytest.fixture
def held_out():
    return loader(*clusters(120))


def refused(net, held_out, error, match, **options):
    with pytest.raises(error, match=match) as raised:
        infoflow.ablate(net, held_out, **{"mend": None, "progress": False, **options})
    assert "\n" not in str(raised.value).strip()


def test_too_few_samples(net):
    refused(net, loader(*clusters(90)), ArgumentError, "at least 64 samples to judge with, got 60")


def test_a_model_that_is_no_module(held_out):
    refused(lambda x: x, held_out, ArgumentError, "model must be a torch.nn.Module")


def test_a_net_without_merges(held_out):
    refused(nn.Linear(4, 3), held_out, ArgumentError, "has no merges")


def test_options_that_do_not_exist(net, held_out):
    refused(net, held_out, ArgumentError, "mend must be", mend="magic")
    refused(net, held_out, ArgumentError, "sets must be", sets="some")
    refused(net, held_out, ArgumentError, "tolerance must be a number greater than 0", tolerance=0)
    refused(
        net, held_out, ArgumentTypeError, "tolerance must be a number, .* got '1'", tolerance="1"
    )
    refused(net, held_out, ArgumentError, "metric must be one of", metric="mse")
    refused(net, held_out, ArgumentError, "loss must be 'auto'", loss="hinge")


def test_streams_that_do_not_exist_or_are_the_only_path(net, held_out):
    refused(net, held_out, ArgumentError, "No merge of Residual has a stream", streams="a->b")
    refused(net, held_out, ArgumentError, "name at least one stream", streams=[])


def test_labels_that_are_missing_or_of_another_range(net):
    points, labels = clusters(120)
    unlabelled = DataLoader(points, batch_size=50)
    refused(net, unlabelled, (ArgumentError, TargetError), "target|label", loss="cross_entropy")
    refused(net, loader(points, labels + 7), InfoflowError, "class numbers from 0 to 2")


def test_a_loader_that_is_read_once_or_differs_from_pass_to_pass(net, held_out):
    refused(net, iter(held_out), LoaderError, "read only once")

    class Fresh:
        def __iter__(self):
            for _ in range(3):
                yield torch.randn(50, 4, generator=self.source), torch.arange(50) % 3

        source = torch.Generator().manual_seed(0)

    refused(net, Fresh(), LoaderError, "other samples, or another order")


def test_a_metric_that_is_no_number(net, held_out):
    refused(net, held_out, ArgumentError, "one number", metric=lambda model: "good")
    refused(net, held_out, ArgumentError, "finite", metric=lambda model: float("nan"))


def test_a_loss_that_is_not_finite(net):
    points, labels = clusters(120)
    points[3] = float("nan")
    refused(net, loader(points, labels), InfoflowError, "finite")


def test_a_path_that_differs_between_samples_is_refused_with_the_reason(held_out):
    class Forking(Residual):
        def forward(self, x):
            return super().forward(x) if x[0, 0] > 0 else -super().forward(x)

    refused_with = pytest.raises(PruningError, match="in batches and one by one; expected the same")
    with refused_with as raised:
        infoflow.ablate(Forking(), held_out, mend=None, progress=False)
    assert "depends on values of the input" in str(raised.value)


def test_too_many_streams_for_all_sets(net, held_out, monkeypatch):
    monkeypatch.setattr("infoflow.pruning.ablation.sets.MOST", 2)
    refused(net, held_out, ArgumentError, "of at most 2 streams, got 6", sets="all")


def test_a_journal_that_is_none_or_cannot_be_written(net, held_out, tmp_path):
    path = tmp_path / "other.txt"
    path.write_text("shopping list\n")
    refused(net, held_out, ArgumentError, "is no journal of infoflow.ablate", path=path)
    assert path.read_text() == "shopping list\n"
    refused(net, held_out, ArgumentError, "cannot be written", path=path / "below" / "it")


def test_a_file_that_holds_no_ablation(tmp_path):
    path = tmp_path / "nothing.nc"
    path.write_text("nothing")
    with pytest.raises(infoflow.interface.ResultFileError, match="cannot be read"):
        infoflow.load(path, infoflow.Ablation)
    with pytest.raises(infoflow.interface.ResultFileError, match="There is no file"):
        infoflow.load(tmp_path / "missing.nc", infoflow.Ablation)


def test_a_stream_that_was_not_ablated(net, held_out):
    found = infoflow.ablate(
        net, held_out, streams="blocks.0->add", mend=None, sets=None, progress=False
    )
    with pytest.raises(ArgumentError, match="No stream 'x->y' was ablated; expected one of"):
        found["x->y"]
    with pytest.raises(ArgumentError, match="tolerance must be a number greater than 0"):
        found.with_tolerance(-1.0)


@pytest.mark.parametrize("name", ["loss", "metric"])
def test_a_function_that_gives_complex_numbers_is_refused(name):
    net, data = trained(), loader(*clusters(200, seed=3))

    def function(output, target):
        return torch.ones(len(target), dtype=torch.complex64)

    with pytest.raises(ArgumentError, match=f"{name} must return .* got complex64 of shape"):
        infoflow.ablate(net, data, mend=None, progress=False, **{name: function})


def test_a_metric_may_return_a_numpy_array():
    net, data = trained(), loader(*clusters(200, seed=3))

    def right(output, target):
        return (output.argmax(1) == target).numpy()

    settings = {"mend": None, "sets": None, "progress": False}
    own = infoflow.ablate(net, data, metric=right, **settings)
    named = infoflow.ablate(net, data, metric="accuracy", **settings)
    assert float(own.dataset["whole_metric"]) == float(named.dataset["whole_metric"])


def test_samples_that_would_mend_nothing_are_refused():
    net, data = trained(), loader(*clusters(200, seed=3))
    with pytest.raises(ArgumentError, match="calibrate= mends, but mend is None"):
        infoflow.ablate(net, data, calibrate=[clusters(64)[0]], mend=None, progress=False)
