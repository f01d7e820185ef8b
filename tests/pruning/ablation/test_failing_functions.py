"""What a caller's own functions raise, and losses of torch in the place of names."""

import pytest
import torch
from torch import nn

import infoflow
from infoflow.interface import ArgumentError
from infoflow.pruning.ablation.losses import resolve_loss
from tests.pruning.ablation.nets import Residual, clusters, loader

QUICK = {"mend": None, "sets": None, "progress": False}
STREAM = "blocks.0->add"


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Residual(width=4).eval()


def failing(after, result):
    """Return a function that works so many times and then cannot find its key."""
    calls = []

    def function(*arguments):
        calls.append(arguments)
        if len(calls) > after:
            raise KeyError("mine")
        return result(*arguments)

    return function


def test_a_metric_that_fails_says_without_which_stream_and_what_is_kept(net, tmp_path):
    metric = failing(1, lambda output, target: output.argmax(1).eq(target).double())
    path = tmp_path / "journal"
    held_out = loader(*clusters(120), 120)
    with pytest.raises(ArgumentError, match=r"metric failed on.*KeyError: 'mine'") as raised:
        infoflow.ablate(net, held_out, metric=metric, streams=STREAM, path=path, **QUICK)
    assert isinstance(raised.value.__cause__, KeyError)
    notes = " ".join(raised.value.__notes__)
    assert "in the whole net" in notes or f"without {STREAM}" in notes
    assert f"{path} keeps what was measured" in notes


def test_an_evaluate_that_fails_keeps_its_type_and_says_where(net):
    evaluate = failing(1, lambda net: 1.0)
    with pytest.raises(KeyError, match="mine") as raised:
        infoflow.verify_pruning(
            net, evaluate=evaluate, example=torch.zeros(2, 4), streams=STREAM, progress=False
        )
    notes = " ".join(raised.value.__notes__)
    assert "Raised by the caller's evaluate" in notes
    assert f"{STREAM} was measured (cut)" in notes
    assert "pass checkpoint=" in notes


def raced(**functions):
    given = {
        "build": lambda: Residual(width=4),
        "train": lambda net, epochs, seed: None,
        "evaluate": lambda net: 1.0,
        **functions,
    }
    build, train = given.pop("build"), given.pop("train")
    return infoflow.race(
        *(build, train),
        example=torch.zeros(2, 4),
        variants=[STREAM],
        seeds=(0,),
        rungs=(1, 2),
        progress=False,
        **given,
    )


@pytest.mark.parametrize("name", ["build", "train", "evaluate"])
def test_functions_of_a_race_that_fail_keep_their_type_and_say_where(name):
    def fails(*arguments):
        raise OSError("disk")

    with pytest.raises(OSError, match="disk") as raised:
        raced(**{name: fails})
    notes = " ".join(raised.value.__notes__)
    assert name in notes
    if name != "build":
        assert "in the race of whole | seed 0" in notes
        assert "pass checkpoint=" in notes


@pytest.mark.parametrize(
    ("loss", "output", "target", "kind"),
    [
        (nn.MSELoss(), torch.randn(4), torch.randn(4), "regression"),
        (nn.MSELoss(reduction="none"), torch.randn(4, 2), torch.randn(4, 2), "regression"),
        (nn.BCEWithLogitsLoss(), torch.randn(4), torch.tensor([0.0, 1, 1, 0]), "binary"),
        (nn.NLLLoss(), torch.randn(4, 3), torch.tensor([0, 1, 2, 0]), "cross_entropy"),
    ],
)
def test_losses_of_torch_stand_for_names(loss, output, target, kind):
    assert resolve_loss(loss, output=output, target=target).kind == kind


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (nn.MSELoss(), r"'regression' does not fit a prediction of shape \(4, 3\)"),
        (nn.L1Loss(), r"L1Loss\(\) gives one number for a batch.*reduction='none'"),
        (nn.BCEWithLogitsLoss(pos_weight=torch.ones(1)), "must have no weight"),
    ],
)
def test_losses_of_torch_that_do_not_fit_are_answered(loss, message):
    with pytest.raises(ArgumentError, match=message):
        resolve_loss(loss, output=torch.randn(4, 3), target=torch.tensor([0, 1, 2, 0]))


def test_a_forced_regression_of_a_net_that_ends_in_a_sigmoid():
    net = nn.Sequential(nn.Linear(3, 2), nn.Sigmoid())
    inputs = torch.randn(4, 3)
    graph = infoflow.trace(net.eval(), inputs)
    with torch.no_grad():
        output = net(inputs)
    loss = resolve_loss("regression", output=output, target=torch.rand(4, 2), graph=graph)
    assert loss.kind == "regression"


class Tokens(nn.Module):
    """An embedding of ten tokens, and a residual branch."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.table, self.branch = nn.Embedding(10, 4), nn.Linear(4, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, ids):
        value = self.table(ids).mean(1)
        return self.head(value + self.branch(value).relu())


def test_a_token_beyond_the_vocabulary_in_a_later_batch_is_named():
    ids, labels = torch.randint(0, 10, (120, 5)), torch.arange(120) % 3
    spoilt = ids.clone()
    spoilt[100:, 1] = 12
    wanted = "between 0 and 9.*got 12"
    with pytest.raises(infoflow.interface.InfoflowError, match=wanted):
        infoflow.trace(Tokens(), spoilt)
    with pytest.raises(infoflow.interface.InfoflowError, match=wanted):
        infoflow.ablate(Tokens().eval(), loader(spoilt, labels), **QUICK)
    with pytest.raises(infoflow.interface.InfoflowError, match=wanted):
        infoflow.prune(
            *(Tokens().eval(), "branch->add", ids[:2]),
            mend="reader",
            calibrate=loader(spoilt, labels),
        )


def test_a_set_without_streams_is_refused(net):
    with pytest.raises(ArgumentError, match="streams must name at least one stream, got none"):
        infoflow.prune(net, [], torch.zeros(2, 4))


def test_calibration_with_the_held_out_samples_is_refused(net):
    held_out = loader(*clusters(120))
    with pytest.raises(ArgumentError, match="other samples than held_out, got all 120"):
        infoflow.ablate(net, held_out, calibrate=held_out, progress=False)
