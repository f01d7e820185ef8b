"""Ablations that mend: never worse than the plain cut, on samples that neither mended nor chose."""

import math

import numpy as np
import pytest
import torch

import infoflow
from infoflow.pruning.ablation.frontier import greedy_order, walk
from infoflow.pruning.choice import StreamNames
from tests.pruning.ablation.nets import Residual, clusters, loader, trained


@pytest.fixture(scope="module")
def net():
    return trained()


@pytest.fixture(scope="module")
def calibration():
    return clusters(400, seed=11)[0]


@pytest.fixture(scope="module")
def ablation(net, calibration):
    return infoflow.ablate(
        *(net, loader(*clusters(300, seed=3))),
        calibrate=torch.utils.data.DataLoader(calibration, batch_size=100),
        progress=False,
        tolerance=0.05,
    )


def bits_of(net, points, labels):
    with torch.no_grad():
        nats = torch.nn.functional.cross_entropy(net(points), labels, reduction="none")
    return nats.double() / math.log(2)


def test_the_mender_is_chosen_on_samples_that_do_not_judge(ablation):
    for row in ablation.rows:
        tried = ablation.dataset["choosing_bits"].sel(stream=row.skip.name)
        assert set(tried["mender"].values) == {"plain", "reader", "cascade"}
        known = tried.dropna("mender")
        assert row.mender == str(known["mender"].values[known.values.argmin()])
        if row.mender == "plain":
            assert row.mended == row.plain


def test_the_mended_net_is_the_one_that_prune_makes(net, ablation, calibration):
    points, labels = clusters(300, seed=3)
    rows = np.flatnonzero(ablation.dataset["role"].values == "judge")
    points, labels = points[rows], labels[rows]
    checked = 0
    for row in ablation.rows:
        if row.mender == "plain":
            continue
        slim = infoflow.prune(
            *(net, row.skip, points[:2]),
            mend=row.mender,
            calibrate=torch.utils.data.DataLoader(calibration, batch_size=100),
        ).eval()
        lost = float((bits_of(slim, points, labels) - bits_of(net, points, labels)).mean())
        assert lost == pytest.approx(row.mended.value, rel=1e-3, abs=1e-5)
        checked += 1
    assert checked >= 2


@pytest.mark.parametrize("mender", ["plain", "reader", "cascade"])
def test_auto_makes_the_net_that_was_judged(net, ablation, calibration, mender):
    names = ["blocks.2->add:3"]
    batches = torch.utils.data.DataLoader(calibration, batch_size=100)
    made = infoflow.prune(
        *(net, StreamNames.of(names, ablation.graph, mender)), mend="auto", calibrate=batches
    )
    mending = {} if mender == "plain" else {"mend": mender, "calibrate": batches}
    wanted = infoflow.prune(net, names, calibration[:2], **mending)
    assert made.pruning.mending.mender == mender
    for one, other in zip(made.parameters(), wanted.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_can_go_knows_what_mended_it(net, calibration, tmp_path):
    ablation = infoflow.ablate(
        *(net, loader(*clusters(300, seed=3))),
        calibrate=[calibration],
        streams="blocks.2->add:3",
        mend="reader",
        sets=None,
        tolerance=infoflow.Tolerance(5.0, largest_rise=1.0),
        progress=False,
    )
    ablation.save(tmp_path / "found.nc")
    mender = ablation["blocks.2->add:3"].mender
    assert mender
    assert ablation.cuttable.mender == mender
    assert infoflow.load(tmp_path / "found.nc").cuttable.mender == mender
    assert infoflow.suggest_pruning(ablation).cuttable.mender == mender


def test_few_samples_that_mend_are_warned_of(net):
    with pytest.warns(infoflow.PruningWarning, match="3 samples mend, and more mend better"):
        infoflow.ablate(
            *(net, loader(*clusters(120, seed=3))),
            calibrate=[clusters(3, seed=11)[0]],
            streams="blocks.2->add:3",
            sets=None,
            mend="reader",
            progress=False,
        )


def test_mending_helps_where_streams_matter(ablation):
    worst = max(ablation.rows, key=lambda row: row.plain.value)
    assert worst.mended.value < 0.7 * worst.plain.value


def test_the_frontier_holds_one_stream_of_each_sum_at_most(ablation):
    for point in ablation.frontier():
        merges = [name.split("->")[1] for name in point.streams]
        assert len(set(merges)) == len(merges)


def test_held_out_samples_mend_where_no_others_do(net):
    found = infoflow.ablate(
        net, loader(*clusters(200, seed=3)), streams="blocks.1->add:2", sets=None, progress=False
    )
    roles = found.dataset["role"].values
    assert [(roles == role).sum() for role in ("mend", "choose", "judge")] == [80, 40, 80]
    assert np.isnan(found.dataset["sample_bits"].values[roles == "mend"]).all()
    assert found.dataset.attrs["mending_samples"] == 80
    assert any("80 samples mend, and more mend better" in note for note in found.notes)


def test_samples_that_mend_do_not_judge_though_they_are_held_out_too(net):
    points, labels = clusters(300, seed=3)
    found = infoflow.ablate(
        *(net, loader(points, labels)),
        calibrate=torch.utils.data.DataLoader(points[:100], batch_size=50),
        streams="blocks.1->add:2",
        sets=None,
        progress=False,
    )
    assert (found.dataset["role"].values[:100] == "left out").all()
    assert (found.dataset["role"].values[100:] != "left out").all()
    assert any("100 held-out samples are left out" in note for note in found.notes)


def test_residual_bits_rank_what_can_be_mended(ablation):
    residual = ablation.dataset["screen_residual"]
    assert residual.notnull().all()
    silent = residual.sel(stream="blocks.2->add:3")
    assert float(silent) == pytest.approx(0, abs=1e-6)


def test_a_net_that_cannot_be_mended_keeps_the_plain_cut_and_says_why(calibration):
    class Noisy(Residual):
        def forward(self, x):
            return super().forward(x + 0 * torch.randn_like(x))

    torch.manual_seed(0)
    found = infoflow.ablate(
        *(Noisy(), loader(*clusters(120))),
        calibrate=torch.utils.data.DataLoader(calibration, batch_size=100),
        streams="blocks.1->add:2",
        sets=None,
        progress=False,
    )
    (row,) = found.rows
    assert row.mender == "plain"
    assert "draws random numbers" in str(found.dataset["note"].item())


class Found:
    def __init__(self, bits):
        self.mender, self.menders = "plain", {"plain": bits}


def test_a_walk_leaves_out_what_costs_too_much_and_goes_on():
    costs = {"a": 0.1, "b": 0.1, "c": 5.0, "d": 0.1, "e": 9.0, "f": 9.0, "g": 9.0, "h": 0.0}
    sets = []

    def measure(chosen):
        sets.append(tuple(chosen))
        return Found(sum(costs[name] for name in chosen))

    found = walk("abcdefgh", 0.35, measure)
    assert sets[-1] != ("a",)
    assert found.refused == ("c", "e", "f", "g")
    assert sets[-1] == ("a", "b", "d", "h")


def test_a_walk_over_many_streams_takes_steps():
    names = [f"s{number}" for number in range(60)]
    sets = []

    def measure(chosen):
        sets.append(len(chosen))
        return Found(0.01 * len(chosen))

    found = walk(names, 0.333, measure)
    assert found.points[-1].menders["plain"] == pytest.approx(0.33)
    assert len(sets) < 35


def test_greedy_order_looks_at_sets():
    joint = {frozenset("a"): 1.0, frozenset("b"): 2.0, frozenset("c"): 3.0}
    joint |= {frozenset("ab"): 9.0, frozenset("ac"): 4.0, frozenset("abc"): 20.0}
    assert greedy_order("abc", lambda chosen: joint[frozenset(chosen)]) == ["a", "c", "b"]


def test_mending_ends_where_little_is_lost_and_goes_on_for_a_smaller_tolerance(
    net, calibration, tmp_path
):
    def menders_tried(tolerance):
        found = infoflow.ablate(
            *(net, loader(*clusters(300, seed=3))),
            calibrate=torch.utils.data.DataLoader(calibration, batch_size=100),
            streams=["blocks.2->add:3", "add->add:2"],
            sets=None,
            progress=False,
            tolerance=tolerance,
            path=tmp_path / "journal.json",
        )
        return np.isfinite(found.dataset["choosing_bits"].values).sum(1).tolist()

    assert menders_tried(100.0) == [1, 1]  # without the last branch, which is zero, nothing is lost
    assert menders_tried(1e-6) == [1, 3]
    assert menders_tried(100.0) == [1, 3]  # what is known is used
