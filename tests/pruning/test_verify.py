"""Trials of removals: what they cost is measured, and readings are ranked against it."""

import itertools
import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.interface import ArgumentError, ArgumentTypeError, PruningError
from infoflow.pruning.trial.cost import peak_activation_bytes
from infoflow.pruning.trial.ranking import interval, rank
from infoflow.pruning.trial.trial_sets import sets_to_try, streams_to_try
from infoflow.testing import UNet, blob_images


class FourStreams(nn.Module):
    """Adds a base and three branches, of which each shifts the output by a known amount."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.branches = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        with torch.no_grad():
            for number, branch in enumerate(self.branches):
                branch.weight.fill_(0.01 * (3 - number))
                branch.bias.fill_(float(number + 1))

    def forward(self, x):
        value = self.stem(x)
        for branch in self.branches:
            value = value + branch(value.detach() * 0)
        return value


def shift(net):
    """How far the output is above the stem's: 6 with all branches."""
    x = torch.zeros(2, 4)
    with torch.no_grad():
        return float((net(x) - net.stem(x)).mean())


BRANCHES = ("branches.0->add", "branches.1->add:2", "branches.2->add:3")


@pytest.fixture
def net():
    return FourStreams()


def test_damage_at_once_is_what_each_stream_did(net):
    trial = infoflow.verify_pruning(
        net, evaluate=shift, example=torch.randn(2, 4), streams=BRANCHES, progress=False
    )
    assert trial.whole.cut == pytest.approx(6.0)
    assert list(trial.damage("cut").values()) == pytest.approx([1.0, 2.0, 3.0])
    assert [row.parameters for row in trial.rows] == [80, 60, 60, 60]
    assert [row.multiply_adds for row in trial.rows] == [64, 48, 48, 48]
    (ranking,) = trial.rankings
    assert ranking.reading.startswith("root mean square")
    assert ranking.correlation == -1.0, "the smallest weights do the most here"


def test_tuned_and_redesigned_nets_are_trained_as_long_as_the_whole(net):
    calls = []

    def train(model, epochs, seed):
        calls.append((epochs, seed))
        with torch.no_grad():
            model.stem.bias.add_(0)
            for branch in model.get_submodule("branches").children():
                branch.bias.mul_(2)

    trial = infoflow.verify_pruning(
        net,
        evaluate=shift,
        train=train,
        example=torch.randn(2, 4),
        streams=BRANCHES[:1],
        tune_epochs=2,
        redesign_epochs=7,
        reset=lambda module: None,
        seeds=(3, 4),
        progress=False,
    )
    assert calls == [(2, 0), (7, 3), (7, 4)] * 2
    assert trial.whole.tuned == pytest.approx(12.0)
    assert trial.rows[1].redesign == pytest.approx((10.0, 10.0))
    assert trial.damage("redesign") == {BRANCHES[0]: pytest.approx(2.0)}
    assert shift(net) == pytest.approx(6.0), "the net itself is not trained"


def test_a_trial_that_was_stopped_goes_on(net, tmp_path):
    calls = itertools.count()

    def evaluate(model):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return shift(model)

    options = {
        "example": torch.randn(2, 4),
        "streams": BRANCHES,
        "checkpoint": tmp_path / "trial.json",
        "progress": False,
    }
    with pytest.raises(KeyboardInterrupt):
        infoflow.verify_pruning(net, evaluate=evaluate, **options)
    trial = infoflow.verify_pruning(net, evaluate=evaluate, **options)
    assert list(trial.damage("cut").values()) == pytest.approx([1.0, 2.0, 3.0])
    assert next(calls) == 3 + 2, "two numbers were kept, and two were left to measure"


def trained_more(net):
    with torch.no_grad():
        net.stem.weight.add_(1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tune_epochs": 1}, "expected tune_epochs 1, got 5"),
        ({"seed": 3}, "expected seed 3, got 0"),
        ({"reset": trained_more}, "expected reset trained_more, got True"),
        ({"example": torch.randn(3, 4)}, "expected example"),
        ({"net": trained_more}, "expected weights"),
    ],
    ids=["epochs", "seed", "reset", "example", "weights"],
)
def test_numbers_of_another_trial_are_not_taken(net, tmp_path, change, says):
    options = {"example": torch.randn(2, 4), "checkpoint": tmp_path / "a.json", "progress": False}
    infoflow.verify_pruning(net, evaluate=shift, **options)
    if "net" in change:
        change.pop("net")(net)
    with pytest.raises(ArgumentError, match="numbers of something else") as raised:
        infoflow.verify_pruning(net, evaluate=lambda _: 99.0, **{**options, **change})
    assert says in str(raised.value)


def test_what_evaluation_and_training_draw_and_change_stays_with_them(net):
    def evaluate(model):
        with torch.no_grad():
            model.stem.bias.add_(100)
        return float(torch.rand(()))

    starts = []

    def train(model, epochs, seed):
        starts.append((float(model.stem.bias[0].detach()), float(torch.rand(()))))

    bias = float(net.stem.bias[0].detach())
    options = {"example": torch.randn(2, 4), "streams": BRANCHES[0], "tune_epochs": 1}
    torch.manual_seed(7)
    state = torch.random.get_rng_state()
    infoflow.verify_pruning(net, evaluate=evaluate, train=train, progress=False, **options)
    tuned = starts.copy()
    assert [start for start, _ in tuned] == [bias, bias], "tuning starts from what was cut"
    assert tuned[0][1] == tuned[1][1], "every net is tuned with the same random numbers"
    torch.random.set_rng_state(state)
    float(torch.rand(()))
    float(torch.rand(()))
    expected = torch.random.get_rng_state()
    torch.random.set_rng_state(state)
    infoflow.verify_pruning(net, evaluate=evaluate, progress=False, **options)
    assert torch.equal(torch.random.get_rng_state(), expected), "only evaluate drew"


def test_a_trial_can_be_written_read_and_drawn(net):
    trial = infoflow.verify_pruning(
        net, evaluate=shift, example=torch.randn(2, 4), streams=BRANCHES, progress=False
    )
    again = infoflow.PruningTrial.from_dict(json.loads(json.dumps(trial.to_dict())))
    assert str(again) == str(trial)
    assert "root mean square" in str(trial)
    dataset = trial.dataset
    assert dataset["cut"].sel(removed=trial.rows[1].name) == pytest.approx(5.0)
    axes = infoflow.plots.trial(trial, metric="shift")
    (cut,) = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(cut.get_xdata(), [5.0, 4.0, 3.0])
    axes = infoflow.plots.rankings(trial.rankings)
    assert [label.get_text() for label in axes.get_yticklabels()] == [trial.rankings[0].reading]
    with pytest.raises(ArgumentError, match="No reading has a rank correlation"):
        infoflow.plots.rankings(trial.rankings, measure="redesign")


def two_can_go(unet, images):
    """Return advice that two streams can go."""
    result = infoflow.analyze(
        unet, [images], target=infoflow.KMeans(3), noise=100.0, progress=False
    )
    advice = infoflow.suggest_pruning(result)
    prune = replace(advice[0].redesign, verdict="prune")
    rows = [replace(row, redesign=prune) for row in advice[:2]]
    return advice.with_rows([*rows, *advice[2:]])


def test_with_advice_sets_of_the_same_size_are_chosen():
    advice = two_can_go(UNet(base_channels=2), blob_images(12, size=16))
    alone = streams_to_try(advice.graph, advice, None, random.Random(0))
    assert len(alone) == 4
    norms = dict(zip(alone, (4.0, 3.0, 2.0, 1.0), strict=True))
    sets = sets_to_try(advice.graph, advice, alone, norms, random.Random(0), 3)
    kinds = [one.kind for one in sets]
    assert kinds == ["whole", *["alone"] * 4, "advice", *["random"] * 3, "smallest weights"]
    assert {len(one.streams) for one in sets[5:]} == {2}
    assert sets[5].streams == advice.prunable == alone[:2]
    assert set(sets[-1].streams) == set(alone[2:])


@pytest.mark.thorough
def test_with_advice_sets_of_the_same_size_are_compared():
    unet, images = UNet(base_channels=2), blob_images(12, size=16)
    advice = two_can_go(unet, images)
    trial = infoflow.verify_pruning(
        unet,
        advice,
        evaluate=lambda net: float(net(torch.ones(1, 3, 16, 16)).mean().detach()),
        progress=False,
    )
    kinds = [row.kind for row in trial.rows]
    assert kinds[:9] == ["whole", *["alone"] * 4, "advice", *["random"] * 3]
    smallest = [set(row.streams) for row in trial.rows if row.kind == "smallest weights"]
    norms = trial.readings["root mean square of the weights that go with the stream"]
    least = set(sorted(norms, key=norms.get)[:2])
    assert smallest == ([] if least == set(advice.prunable) else [least])
    assert trial.rows[5].streams == advice.prunable
    assert {len(row.streams) for row in trial.rows[5:]} == {2}
    assert {r.reading for r in trial.rankings} >= {"paper: maximum of I(Y;·) less I(Y;·) beside"}


def test_many_streams_are_sampled():
    torch.manual_seed(0)
    net = nn.Sequential(*(FourStreams() for _ in range(5)))
    graph = infoflow.trace(net, torch.randn(2, 4))
    alone = streams_to_try(graph, None, None, random.Random(0))
    assert len(alone) == 12
    sets = sets_to_try(graph, None, alone, {}, random.Random(0), 3)
    assert len(sets) == 13


def test_wrong_requests(net):
    with pytest.raises(ArgumentError, match="needs an example"):
        infoflow.verify_pruning(net, evaluate=shift)
    with pytest.raises(ArgumentError, match="needs train="):
        infoflow.verify_pruning(net, evaluate=shift, redesign_epochs=3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"evaluate": lambda _: None}, "evaluate must return one number, got NoneType"),
        ({"evaluate": lambda _: torch.zeros(2)}, "evaluate must return one number, got Tensor"),
        ({"evaluate": lambda _: math.nan}, "for the whole net, to compare with, got nan"),
        ({"advice": ["1->20"]}, "what infoflow.suggest_pruning returned, got list"),
        ({"tune_epochs": 0.5}, "tune_epochs must be a whole number from 0 on, got 0.5"),
        ({"random_choices": -1}, "random_choices must be a whole number from 0 on, got -1"),
        ({"seeds": 3}, r"seeds must be a sequence of whole numbers such as \(0, 1\), got 3"),
        ({"streams": 5}, "streams must be a name such as '1->20', or several, got int"),
    ],
)
def test_wrong_arguments(net, change, says):
    options = {"evaluate": shift, "example": torch.randn(2, 4), "progress": False}
    with pytest.raises((ArgumentError, ArgumentTypeError), match=says):
        infoflow.verify_pruning(net, **{**options, **change})


@pytest.mark.parametrize("held", ["[]", "{", '{"setting": {}, "numbers": {"a": "b"}}', "null"])
def test_a_file_that_holds_no_numbers(net, tmp_path, held):
    (tmp_path / "trial.json").write_text(held)
    with pytest.raises(ArgumentError, match="holds no measured numbers"):
        infoflow.verify_pruning(
            net, evaluate=shift, example=torch.randn(2, 4), checkpoint=tmp_path / "trial.json"
        )
    for place, says in (
        (tmp_path, "holds no measured numbers"),
        (tmp_path / "trial.json" / "a", "written"),
    ):
        with pytest.raises(ArgumentError, match=says):
            infoflow.verify_pruning(
                net, evaluate=shift, example=torch.randn(2, 4), checkpoint=place, progress=False
            )


def test_a_net_that_cannot_be_reset_is_refused_before_anything_is_measured(net):
    net.own = nn.Parameter(torch.zeros(4))
    net.register_forward_hook(lambda module, _, output: output + module.own)
    measured = []
    with pytest.raises(PruningError, match="reset_parameters"):
        infoflow.verify_pruning(
            net,
            evaluate=lambda net: measured.append(net) or 1.0,
            train=lambda *_: None,
            example=torch.randn(2, 4),
            redesign_epochs=1,
            progress=False,
        )
    assert not measured


def test_a_trial_of_nothing_has_no_figure(net):
    trial = infoflow.verify_pruning(
        net, evaluate=shift, example=torch.randn(2, 4), streams=[], progress=False
    )
    with pytest.raises(ArgumentError, match="nothing to draw"):
        infoflow.plots.trial(trial)


def test_peak_memory_counts_values_from_when_they_are_made_to_when_they_are_last_read():
    class Chain(nn.Module):
        def forward(self, x):
            one = x * 2.0  # x and one: 2 rows
            two = torch.cat([one, one], 1)  # one and two: 3 rows
            return two.sum(1, keepdim=True) + x[:, :1]

    graph = infoflow.trace(Chain(), torch.randn(3, 10))
    # x is read at the end, so that x, one and two are there at a time
    assert peak_activation_bytes(graph) == 4 * (10 + 10 + 20)


def test_rank_correlation_and_its_interval():
    numbers = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0}
    order = rank("r", numbers, "cut", {k: v**3 for k, v in numbers.items()})
    assert order.correlation == pytest.approx(1.0)
    assert order.ci_high == pytest.approx(1.0)
    assert order.ci_low < 0.9
    assert math.isnan(rank("r", numbers, "cut", {"a": 1.0, "b": 2.0}).correlation)
    assert math.isnan(rank("r", numbers, "cut", dict.fromkeys(numbers, 1.0)).correlation)
    low, high = interval(0.5, 50)
    # Fisher's z of 0.5 is 0.549; the standard error sqrt(1.125 / 47) is 0.155
    assert (math.atanh(low), math.atanh(high)) == pytest.approx((0.2461, 0.8526), abs=1e-3)
    assert all(math.isnan(end) for end in interval(0.5, 3))


class Twice(nn.Module):
    """A concatenation and a sum, whose streams have the same numbers."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.head = nn.Linear(4, 4)

    def forward(self, x):
        x = self.stem(x)
        a = self.a(x)
        return self.head(a + self.b(x) + a)


def test_streams_that_share_their_numbers_are_all_tried():
    graph = infoflow.trace(Twice(), torch.randn(2, 4))
    names = [skip.name for merge in graph.merges for skip in merge.skips]
    sets = sets_to_try(graph, None, names, {}, random.Random(0), 0)
    assert [one.streams for one in sets] == [(), *((name,) for name in names)]
    assert len({one.name for one in sets}) == len(sets)


def test_a_set_is_pruned_once_for_its_stages_and_once_for_the_readings(net, monkeypatch):
    pruned = []

    def counted(model, streams, **given):
        pruned.append((tuple(streams), given["reset"]))
        return infoflow.prune(model, streams, **given)

    monkeypatch.setattr("infoflow.pruning.trial.runner.prune", counted)
    infoflow.verify_pruning(
        net,
        evaluate=shift,
        train=lambda model, epochs, seed: None,
        example=torch.randn(2, 4),
        streams=BRANCHES[:1],
        tune_epochs=1,
        progress=False,
    )
    assert sorted(pruned) == sorted(2 * [((), False), (BRANCHES[:1], False)])
