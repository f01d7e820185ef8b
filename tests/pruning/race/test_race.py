"""Races: curves with a known answer, real training, and races that were stopped."""

import json
import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import infoflow
from infoflow.interface import ArgumentError, ArgumentTypeError, PruningError, PruningWarning
from infoflow.pruning.ablation.losses import LossWarning
from infoflow.pruning.race.curves import area, difference, judge, time_to
from infoflow.pruning.race.outlook import RaceWarning, shortest_path
from infoflow.testing import UNet, blob_images


class Branches(nn.Module):
    """A stem and three branches that are added; each lowers the loss by what it is worth."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(3, 3)
        self.branches = nn.ModuleList(nn.Linear(3, 3) for _ in range(3))
        self.register_buffer("epochs", torch.zeros(()))
        self.register_buffer("luck", torch.zeros(()))

    def forward(self, x):
        value = self.stem(x)
        for branch in self.branches:
            value = value + branch(x)
        return value + 0 * self.epochs + 0 * self.luck


WORTH = (0.0, 0.3, 0.002)
EXAMPLE = torch.eye(4, 3)
STREAMS = ("branches.0->add", "branches.1->add:2", "branches.2->add:3")


def count_epochs(net, epochs, seed):
    net.epochs += epochs
    net.luck += torch.randn(()) * 0.001


def known_loss(net):
    """2 bits that fall to 1 by halves, and what the missing branches are worth."""
    names = {name for name, _ in net.named_parameters()}
    missing = [w for i, w in enumerate(WORTH) if f"branches.{i}.weight" not in names]
    learned = 1 - 0.5 ** float(net.epochs)
    return 2 - learned * (1 - sum(missing)) + float(net.luck)


def known_race(**options):
    settings = {
        "example": EXAMPLE,
        "variants": STREAMS,
        "evaluate": known_loss,
        "rungs": (1, 2, 4),
        "keep": 1.0,
        "progress": False,
    }
    return infoflow.race(Branches, count_epochs, **{**settings, **options})


@pytest.fixture(scope="module")
def plain():
    """Return a race as :func:`known_race` runs it at the start of a test."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RaceWarning)
        return known_race()


@pytest.fixture(autouse=True)
def _late_starts_are_expected():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RaceWarning)
        yield


# ---------------------------------------------------------------------------- curves


def test_the_area_is_the_mean_of_the_curve():
    epochs = np.array([0.0, 1.0, 2.0, 4.0])
    assert area(epochs, 3 - epochs / 2) == 2.0
    assert area(epochs, np.array([3.0, 1.0, np.nan, np.nan])) == 2.0
    assert math.isnan(area(epochs, np.array([3.0, np.nan, np.nan, np.nan])))


def test_the_time_to_a_threshold_lies_on_the_line_between_two_rungs():
    epochs = np.array([0.0, 2.0, 6.0])
    assert time_to(1.5, epochs, np.array([2.0, 1.0, 0.5])) == 1.0
    assert time_to(3.0, epochs, np.array([2.0, 1.0, 0.5])) == 0.0
    assert math.isnan(time_to(0.1, epochs, np.array([2.0, 1.0, 0.5])))


def test_differences_have_scipys_paired_interval():
    from scipy import stats

    draw = np.random.default_rng(0)
    whole, variant = draw.random(5), draw.random(5)
    found = difference(variant, whole)
    wanted = stats.ttest_rel(variant, whole).confidence_interval(0.95)
    assert np.allclose((found.low, found.high), (wanted.low, wanted.high))


def test_one_seed_cannot_tell():
    found = difference(np.array([1.0]), np.array([1.0]))
    assert math.isnan(found.low)
    assert judge(found, 0.05) == "cannot tell"


def test_verdicts_on_equal_nets_are_wrong_in_one_case_of_40():
    """Where a variant is worse by the tolerance exactly, each end of the interval is 2.5 %."""
    draw, given = np.random.default_rng(0), []
    for _ in range(2000):
        whole = 1 + 0.02 * draw.standard_normal(4)
        variant = 1.05 + 0.02 * draw.standard_normal(4)
        given.append(judge(difference(variant, whole), 0.05))
    for verdict in ("prune", "keep"):
        assert abs(given.count(verdict) / 2000 - 0.025) < 3 * math.sqrt(0.025 * 0.975 / 2000)


# ---------------------------------------------------------------------------- known races


def test_branches_that_are_worth_nothing_are_not_needed():
    found = known_race(tolerance=0.05)
    assert [row.verdict for row in found.rows] == ["prune", "keep", "prune"]
    assert [row.streams for row in found.rows] == [(name,) for name in STREAMS]
    end = 1 - 0.5**4
    assert found.rows[1].end.value == pytest.approx(0.3 * end, abs=0.01)
    assert "Not needed when trained from scratch" in found.conclusion
    assert f"Needed: {found.rows[1].name}." in found.conclusion


def test_the_curve_of_a_variant_is_what_was_measured():
    found = known_race(seeds=(5,))
    bits = found.dataset["bits"].sel(seed=5)
    assert bits.dims == ("variant", "epoch")
    expected = [2 - (1 - 0.5**epoch) for epoch in (0, 1, 2, 4)]
    assert np.allclose(bits.sel(variant="whole"), expected, atol=0.01)
    assert found.rows[0].verdict == "cannot tell"


def test_the_tolerance_is_at_least_the_noise_floor(plain):
    found = plain
    ends = found.dataset["bits"].sel(variant="whole").values[:, -1]
    assert found.noise_floor == pytest.approx(np.std(ends, ddof=1))
    assert found.tolerance == pytest.approx(max(0.05 * ends.mean(), found.noise_floor))


def test_laggards_are_dropped_and_the_whole_net_never_is():
    found = known_race(keep=0.4, tolerance=0.05)
    assert found.dataset["dropped_after"].values.tolist()[2] == 1
    assert math.isnan(found.dataset["dropped_after"].values[0])
    bits = found.dataset["bits"].sel(variant=found.rows[1].name)
    assert np.isnan(bits.sel(epoch=4)).all()
    assert found.rows[1].verdict == "keep"
    assert math.isnan(found.rows[1].end.value)
    assert found.cost < len(found.dataset["variant"]) * 3


def test_the_cost_is_counted_in_full_trainings(plain):
    assert plain.cost == 4 * 3


def test_sets_are_left_out_together():
    found = known_race(variants={"no branches": STREAMS[:2], "one": STREAMS[0]})
    assert [row.name for row in found.rows] == ["no branches", "one"]
    assert found.rows[0].streams == STREAMS[:2]


def test_a_variant_that_diverges_is_infinitely_worse_and_a_whole_net_is_refused():
    def explodes(missing):
        def loss(net):
            names = {name for name, _ in net.named_parameters()}
            is_cut = "branches.1.weight" not in names
            return math.nan if is_cut == missing and float(net.epochs) > 1 else 1.0

        return loss

    found = known_race(evaluate=explodes(True))
    assert found.rows[1].end.value == math.inf
    assert found.rows[1].verdict == "cannot tell"
    with pytest.raises(ArgumentError, match="whole net's held-out loss must be finite, got nan"):
        known_race(evaluate=explodes(False))


# ---------------------------------------------------------------------------- stopped races


def test_a_race_that_was_stopped_goes_on_where_it_was(tmp_path):
    """The race is stopped at its 17th training; what came before is not trained again."""
    path, calls = tmp_path / "race.json", []

    def stopping(net, epochs, seed):
        calls.append(epochs)
        if len(calls) == 17:
            raise KeyboardInterrupt
        count_epochs(net, epochs, seed)

    def run(train, checkpoint):
        return infoflow.race(
            Branches,
            train,
            example=EXAMPLE,
            variants=STREAMS,
            evaluate=known_loss,
            rungs=(1, 2, 4),
            checkpoint=checkpoint,
            progress=False,
        )

    wanted = run(count_epochs, None)
    with pytest.raises(KeyboardInterrupt):
        run(stopping, path)
    calls.clear()
    calls.extend([0] * 100)  # it does not stop again
    found = run(stopping, path)
    assert found.dataset.equals(wanted.dataset)
    whole_race = 4 * 3 + (1 + 2) * 3 + (1 + 1) * 3
    assert len(calls) - 100 == whole_race - 16
    assert not (tmp_path / "race.nets").exists()
    numbers = json.loads(path.read_text())["numbers"]
    assert len(numbers) == 4 * 3 + whole_race


@pytest.mark.thorough
def test_a_lost_net_is_trained_again(plain, tmp_path):
    path = tmp_path / "race.json"

    def stopping(net, epochs, seed):
        if float(net.epochs) == 2:
            raise KeyboardInterrupt
        count_epochs(net, epochs, seed)

    options = {"evaluate": known_loss, "rungs": (1, 2, 4), "keep": 1.0, "progress": False}
    with pytest.raises(KeyboardInterrupt):
        infoflow.race(
            Branches, stopping, example=EXAMPLE, variants=STREAMS, checkpoint=path,
            **options,
        )  # fmt: skip
    for place, file in enumerate(sorted((tmp_path / "race.nets").iterdir())):
        if place % 2:
            file.write_bytes(b"damaged")
        else:
            file.unlink()
    assert known_race(checkpoint=path).dataset.equals(plain.dataset)


def test_a_checkpoint_of_another_race_is_refused(tmp_path):
    path = tmp_path / "race.json"
    known_race(checkpoint=path)
    with pytest.raises(ArgumentError, match="rungs"):
        known_race(checkpoint=path, rungs=(1, 2))


# ---------------------------------------------------------------------------- real training


@pytest.mark.thorough
def test_nets_on_blobs_learn():
    images, masks = blob_images(80, size=16)

    def train(net, epochs, seed):
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
        order = torch.Generator().manual_seed(seed)
        for _ in range(epochs):
            for rows in torch.randperm(16, generator=order).split(8):
                optimizer.zero_grad()
                functional.binary_cross_entropy(net(images[rows]), masks[rows]).backward()
                optimizer.step()

    found = infoflow.race(
        lambda seed: UNet(base_channels=2),
        train,
        example=images[:4],
        variants=["1->20", "7->11"],
        held_out=[(images[16:], masks[16:])],
        seeds=(0, 1),
        rungs=(2, 6),
        keep=1.0,
        progress=False,
    )
    bits = found.dataset["bits"]
    assert (bits.sel(epoch=6) < bits.sel(epoch=0)).all()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = UNet(base_channels=2)
    with torch.no_grad():
        expected = functional.binary_cross_entropy(net(images[16:]), masks[16:]) / math.log(2)
    assert float(bits.sel(variant="whole", seed=0, epoch=0)) == pytest.approx(float(expected), 1e-5)


def test_a_race_is_saved_and_says_what_it_saw(tmp_path):
    found = known_race(seeds=(0, 1))
    again = infoflow.load(found.save(tmp_path / "race.nc"), infoflow.Race)
    assert again.dataset.equals(found.dataset)
    assert str(again) == str(found)
    assert found.to_frame()["verdict"].tolist() == ["", *(row.verdict for row in found.rows)]
    assert len(found.curves()) == 4 * 2 * 4
    assert json.dumps(found.to_dict())
    assert "full trainings" in str(found)
    assert repr(found) == "Race(Branches: 3 variants, 2 seeds, 4 epochs)"
    assert "Race" in found._repr_html_()


def test_a_regression_is_raced_in_squared_errors_and_says_so():
    points, truth = torch.randn(64, 3), torch.randn(64, 3)
    with pytest.warns(LossWarning, match="compares squared errors"):
        found = known_race(
            evaluate=None, held_out=[(points, truth)], seeds=(0,), variants=STREAMS[:1]
        )
    bits = found.dataset["bits"].sel(variant="whole", seed=0, epoch=0)
    assert float(bits) == pytest.approx(1 / (2 * math.log(2)), rel=1e-5)


def test_a_race_on_few_samples_says_that_it_is_about_these():
    points, labels = torch.randn(20, 3), torch.randint(3, (20,))
    with pytest.warns(PruningWarning, match="held_out= has 20 samples, expected at least 64"):
        known_race(evaluate=None, held_out=[(points, labels)], seeds=(0,), variants=STREAMS[:1])


def test_the_shortest_path_of_the_papers_unet_grows_without_its_uppermost_skip():
    x = torch.zeros(2, 3, 16, 16)
    net = UNet(base_channels=2)
    # two convolutions down, the transposed one's side is not needed: 2 + 2 + the output
    assert shortest_path(infoflow.trace(net, x)) == 5
    assert shortest_path(infoflow.trace(infoflow.prune(net, "1->20", x), x)) > 5


def test_late_starts_are_warned_of_before_any_training():
    def train(net, epochs, seed):
        raise RuntimeError("training has begun")

    options = {"example": torch.randn(2, 3, 16, 16), "variants": "1->20", "progress": False}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(RuntimeError, match="training has begun"):
            infoflow.race(lambda: UNet(base_channels=2), train, evaluate=lambda net: 1.0, **options)
    said = [str(w.message) for w in caught if w.category is RaceWarning]
    assert len(said) == 1
    assert "shortest path from input to output has" in said[0]


# ---------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rungs": (4,)}, "two or more ascending"),
        ({"rungs": (4, 2)}, "two or more ascending"),
        ({"seeds": ()}, "different whole numbers"),
        ({"seeds": (1, 1)}, "different whole numbers"),
        ({"keep": 0.0}, "above 0 and at most 1"),
        ({"tolerance": 0.0}, "greater than 0 bits"),
        ({"evaluate": None}, "held_out=.*got neither"),
        ({"held_out": [(torch.zeros(2, 3), torch.zeros(2, 3))]}, "got both"),
        ({"variants": []}, "at least one variant"),
        ({"variants": {"whole": STREAMS[0]}}, "not be named 'whole'"),
        ({"variants": {"a": STREAMS[0], "b": STREAMS[0]}}, "the same: 'a' and 'b'"),
        ({"variants": "nothing->here"}, "has a stream 'nothing->here'"),
        ({"evaluate": lambda net: "low"}, "one number, the held-out loss in bits, got str"),
    ],
)
def test_wrong_input_gets_a_sentence(options, message):
    with pytest.raises(ArgumentError, match=message):
        known_race(**options)


def test_nothing_may_be_left_without_streams():
    with pytest.raises(PruningError, match="without any stream"):
        known_race(variants={"all": ("stem->add", "branches.0->add")})


def test_build_must_return_a_net():
    with pytest.raises(ArgumentTypeError, match=r"untrained torch.nn.Module, got int"):
        infoflow.race(lambda: 3, count_epochs, example=torch.zeros(2, 3), evaluate=known_loss)
