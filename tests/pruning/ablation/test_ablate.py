"""Bits lost against an independent ablation, parts that stay apart, and verdicts."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from scipy import stats

import infoflow
from infoflow.pruning.ablation import nets
from infoflow.pruning.ablation.forward_passes import VariantCosts
from infoflow.pruning.ablation.losses import LossWarning
from infoflow.pruning.ablation.shapley import all_sets, shapley_shares
from infoflow.testing import UNet, blob_images
from tests.pruning.ablation.nets import Residual, SameBranches, clusters, loader, trained
from tests.results.test_joining import checked


@pytest.fixture(scope="module")
def net():
    return trained()


@pytest.fixture(scope="module")
def held_out():
    return clusters(420, seed=3)


@pytest.fixture(scope="module")
def ablation(net, held_out):
    return infoflow.ablate(
        net, loader(*held_out), mend=None, metric="accuracy", progress=False, tolerance=0.02
    )


def own_bits(net, points, labels, without=()):
    with torch.no_grad():
        logits = net(points, without=without)
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none").double() / math.log(
        2
    )


def judging(ablation):
    return np.flatnonzero(ablation.dataset["role"].values == "judge")


def test_bits_lost_are_those_of_a_net_without_the_branch(net, held_out, ablation):
    rows = torch.from_numpy(judging(ablation))
    points, labels = held_out[0][rows], held_out[1][rows]
    whole = own_bits(net, points, labels)
    assert ablation.whole_bits == pytest.approx(float(whole.mean()), rel=1e-5)
    for number, name in enumerate(("add", "add:2", "add:3")):
        rises = (own_bits(net, points, labels, without=(number,)) - whole).numpy()
        row = ablation[f"blocks.{number}->{name}"]
        assert row.plain.value == pytest.approx(rises.mean(), rel=1e-4, abs=1e-7)
        reach = stats.t.ppf(0.975, len(rises) - 1) * rises.std(ddof=1) / math.sqrt(len(rises))
        for end, wanted in ((row.plain.low, -reach), (row.plain.high, reach)):
            beyond = (end - rises.mean()) * np.sign(wanted) - reach
            assert -1e-3 * reach - 1e-6 <= beyond <= 0.2 * reach + 1e-6


def test_a_branch_of_zeros_can_go_and_what_the_net_stands_on_must_stay(ablation):
    assert ablation["blocks.2->add:3"].verdict == "prune"
    assert ablation["blocks.2->add:3"].plain.value == 0
    assert ablation["add->add:2"].verdict == "keep"
    assert "blocks.2->add:3" in ablation.cuttable
    assert str(ablation["blocks.2->add:3"].skip) in ablation.conclusion


def test_advice_on_an_ablation_has_its_verdicts_its_set_and_its_conclusion(ablation, held_out):
    advice = infoflow.suggest_pruning(ablation)
    assert [(row.skip.name, row.cut.verdict) for row in advice] == [
        (row.skip.name, row.verdict) for row in ablation.rows
    ]
    assert {row.redesign.verdict for row in advice} == {"cannot tell"}
    assert set(advice.cuttable) == set(ablation.cuttable)
    assert str(advice).startswith(ablation.conclusion[:60])
    assert max(map(len, str(advice).splitlines())) <= 80
    assert advice.readings["bits lost as it is"] == {
        row.skip.name: row.plain.value for row in ablation.rows
    }
    assert infoflow.prune(trained(), advice.cuttable, held_out[0][:2]).pruning.streams


def test_a_tolerance_moves_the_verdicts_and_says_how_far_sets_were_measured(ablation):
    generous = infoflow.suggest_pruning(ablation, tolerance=50.0)
    assert "Sets were measured up to a tolerance of 0.02" in " ".join(str(generous).split())
    verdicts = [row.verdict for row in ablation.with_tolerance(50.0).rows]
    assert [row.cut.verdict for row in generous] == verdicts
    with pytest.raises(infoflow.InfoflowError, match="tolerance must be"):
        infoflow.suggest_pruning(ablation, tolerance=0.0)
    with pytest.raises(infoflow.InfoflowError, match="got an Ablation"):
        infoflow.suggest_pruning(ablation, reading="paper")


def test_information_stands_beside_the_verdicts_and_changes_none(net, ablation, held_out, tmp_path):
    result = infoflow.analyze(net, loader(*held_out), noise="relative", progress=False)
    plain = infoflow.suggest_pruning(ablation)
    advice = infoflow.suggest_pruning(ablation, information=result)
    assert [row.cut for row in advice] == [row.cut for row in plain]
    assert all(row.says for row in advice)
    assert not any(row.says for row in plain)
    assert str(infoflow.load(advice.save(tmp_path / "advice.nc"))) == str(advice)
    json.dumps(advice.to_dict(), allow_nan=False)
    other = torch.nn.Linear(held_out[0].shape[1], 2)
    foreign = infoflow.analyze(other, loader(*held_out), noise="relative", progress=False)
    with pytest.raises(infoflow.InfoflowError, match="of the net that was ablated"):
        infoflow.suggest_pruning(ablation, information=foreign)


def test_parts_are_disjoint_and_all_samples_have_a_role(ablation):
    roles = ablation.dataset["role"].values
    assert set(roles) == {"choose", "judge"}
    assert (roles == "judge").sum() == ablation.dataset.attrs["judging_samples"] == 280
    assert np.isnan(ablation.dataset["sample_bits"].values).sum() == 0


def test_samples_with_the_same_inputs_are_in_one_part(net):
    points, labels = clusters(150)
    twice = infoflow.ablate(
        *(net, loader(torch.cat([points, points]), torch.cat([labels, labels]))),
        mend=None,
        sets=None,
        progress=False,
    )
    roles = twice.dataset["role"].values
    assert (roles[:150] == roles[150:]).all()
    assert any("150 held-out samples repeat" in note for note in twice.notes)


def test_the_frontier_is_nested_and_each_point_is_measured_as_a_set(net, held_out, ablation):
    rows = torch.from_numpy(judging(ablation))
    points, labels = held_out[0][rows], held_out[1][rows]
    whole = own_bits(net, points, labels)
    frontier = ablation.frontier()
    assert frontier
    before = set()
    for point in frontier:
        assert before < set(point.streams)
        before = set(point.streams)
        if all(name.startswith("blocks") for name in point.streams):
            without = [int(name.split("->")[0][-1]) for name in point.streams]
            lost = float((own_bits(net, points, labels, without) - whole).mean())
            assert point.bits == pytest.approx(lost, rel=1e-4, abs=1e-7)
            assert point.low <= point.bits <= point.high
    slim = infoflow.prune(net, ablation.cuttable, held_out[0][:2])
    assert len(slim.pruning.streams) == len(ablation.cuttable)


def test_prefix_reuse_gives_the_numbers_of_whole_runs():
    unet, (images, masks) = UNet(base_channels=2), blob_images(96, size=16, seed=1)
    names = ["7->11", "1->20"]
    found = infoflow.ablate(
        *(unet, loader(images, masks, 20)),
        mend=None,
        streams=names,
        sets=None,
        progress=False,
    )
    rows = torch.from_numpy(judging(found))
    bce = torch.nn.functional.binary_cross_entropy

    def bits(one):
        with torch.no_grad():
            losses = bce(one(images[rows]).double(), masks[rows].double(), reduction="none")
        return losses.flatten(1).mean(1) / math.log(2)

    for name in names:
        slim = infoflow.prune(unet, name, images[:2])
        assert found[name.replace("->", "→")].plain.value == pytest.approx(
            float((bits(slim) - bits(unet)).mean()), rel=1e-4, abs=1e-7
        )


def test_the_model_the_loader_and_the_random_state_stay_as_they_were(net, held_out):
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    infoflow.ablate(net, loader(*held_out), mend=None, sets=None, progress=False)
    assert net.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    net.eval()


def test_more_than_a_few_streams_are_ranked_and_only_candidates_measured(
    net, held_out, monkeypatch
):
    monkeypatch.setattr("infoflow.pruning.ablation.stages.FEW", 3)
    monkeypatch.setattr("infoflow.pruning.ablation.stages.PASSES", 1.0)
    monkeypatch.setattr(VariantCosts, "of", lambda self, variant: 0.3)  # no measured time
    found = infoflow.ablate(net, loader(*held_out), mend=None, progress=False)
    statuses = [row.status for row in found.rows]
    assert "ranked" in statuses
    assert "measured" in statuses
    for row in found.rows:
        if row.status == "ranked":
            assert row.verdict == "cannot tell"
            assert "only ranked" in row.reason
    worst = max(r.plain.value for r in found.rows if r.plain is not None)
    assert found["blocks.2->add:3"].status == "measured"
    assert worst < 5
    assert any("only ranked" in note for note in found.notes)


def test_screening_puts_a_branch_of_zeros_last(ablation):
    for name in ("screen_fisher", "screen_absolute"):
        ranked = ablation.dataset[name].values
        place = [row.skip.name for row in ablation.rows].index("blocks.2->add:3")
        assert ranked[place] == 0
        assert (np.delete(ranked, place) > 0).all()


def test_screening_tells_streams_that_cost_ten_times_as_much_apart():
    """All streams carry one value at several scales, so that scores are known up to a factor."""
    torch.manual_seed(0)
    net = SameBranches().eval()
    points = torch.randn(420, 4)
    with torch.no_grad():
        labels = net(points).argmax(1)
    found = infoflow.ablate(net, loader(points, labels), sets=None, mend=None, progress=False)
    scales = np.array([SameBranches.CARRIED[row.skip.source] for row in found.rows])
    assert len(scales) == 6
    measured = found.dataset["bits"].sel(net="plain").values
    pairs = itertools.permutations(range(len(scales)), 2)
    clear = [(i, j) for i, j in pairs if measured[i] > 10 * measured[j] > 0]
    assert len(clear) > 5
    for name, wanted in (("screen_fisher", scales**2), ("screen_absolute", scales)):
        ranked = found.dataset[name].values
        np.testing.assert_allclose(ranked / ranked[0], wanted / wanted[0], rtol=1e-3)
        assert all(ranked[i] > ranked[j] for i, j in clear)


def test_a_stopped_run_goes_on_where_it_was(net, held_out, tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    arguments = {"mend": None, "progress": False, "path": path}
    wanted = infoflow.ablate(net, loader(*held_out), mend=None, progress=False)
    calls = []
    whole = nets.Workshop._examine

    def stop(self, names, *others):
        calls.append(names)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(self, names, *others)

    monkeypatch.setattr(nets.Workshop, "_examine", stop)
    with pytest.raises(KeyboardInterrupt):
        infoflow.ablate(net, loader(*held_out), **arguments)
    with path.open("a") as file:
        file.write('{"name": "net hal')  # a line that was not written whole
    monkeypatch.setattr(nets.Workshop, "_examine", whole)
    lines = len(path.read_text().splitlines())
    found = infoflow.ablate(net, loader(*held_out), **arguments)
    np.testing.assert_array_equal(found.dataset["bits"], wanted.dataset["bits"])
    assert len(path.read_text().splitlines()) > lines
    again = infoflow.ablate(net, loader(*held_out), **arguments)
    np.testing.assert_array_equal(again.dataset["point_bits"], wanted.dataset["point_bits"])
    other = trained(seed=5)
    with pytest.raises(infoflow.interface.ArgumentError, match="journal of another ablation"):
        infoflow.ablate(other, loader(*held_out), **arguments)


def test_results_can_be_saved_and_read(ablation, tmp_path):
    read = infoflow.load(ablation.save(tmp_path / "ablation.nc"))
    assert str(read) == str(ablation)
    assert read.frontier() == ablation.frontier()
    assert read == ablation
    json.dumps(ablation.to_dict(), allow_nan=False)
    frame = read.to_frame()
    assert frame["stream"].tolist() == [row.skip.name for row in ablation.rows]
    checked(read)
    both = infoflow.concat([ablation, ablation], "seed")
    assert both.sel(seed=1) == ablation
    assert both.to_frame()["seed"].tolist() == [0] * 6 + [1] * 6
    assert "seed 1" in str(both)
    nats = ablation.to("nats")
    assert nats.unit == "nats per label"
    assert nats.tolerance == pytest.approx(ablation.tolerance * np.log(2))
    assert [row.verdict for row in nats.rows] == [row.verdict for row in ablation.rows]
    assert repr(read).startswith("Ablation(Residual: 6 streams")
    assert read.dataset["bits"].attrs["units"] == "bits per label"


def test_verdicts_follow_the_tolerance(ablation):
    strict = ablation.with_tolerance(1e-9)
    assert all(row.verdict != "prune" for row in strict.rows if row.plain.value > 0)
    lax = ablation.with_tolerance(100.0, metric_tolerance=2.0)
    assert all(row.verdict == "prune" for row in lax.rows)


def test_the_metric_forbids_what_bits_allow(ablation):
    row = max(ablation.rows, key=lambda row: row.metric.value)
    assert row.metric.value > 0.02
    judged = ablation.with_tolerance(100.0, metric_tolerance=0.01)[row.skip]
    assert judged.verdict != "prune"
    assert "metric" in judged.reason


def test_shapley_shares_sum_to_the_loss_of_all(net, held_out):
    names = ["blocks.0->add", "blocks.1->add:2", "blocks.2->add:3"]
    found = infoflow.ablate(
        net, loader(*held_out), streams=names, mend=None, sets="all", progress=False
    )
    rows = torch.from_numpy(judging(found))
    points, labels = held_out[0][rows], held_out[1][rows]
    together = own_bits(net, points, labels, (0, 1, 2)) - own_bits(net, points, labels)
    shares = found.dataset["shapley"]
    assert float(shares.sum()) == pytest.approx(float(together.mean()), rel=1e-5)
    assert float(shares.sel(stream="blocks.2->add:3")) == pytest.approx(0, abs=1e-9)


def test_shapley_shares_equal_the_mean_over_all_orders():
    names = "abcd"
    generator = np.random.default_rng(0)
    losses = {frozenset(chosen): generator.normal() for chosen in all_sets(names)}
    wanted = dict.fromkeys(names, 0.0)
    orders = list(itertools.permutations(names))
    for order in orders:
        gone, before = frozenset(), 0.0
        for name in order:
            gone |= {name}
            wanted[name] += (losses[gone] - before) / len(orders)
            before = losses[gone]
    assert shapley_shares(names, losses) == pytest.approx(wanted)


def test_a_metric_of_the_net(net, held_out):
    def accuracy(one):
        with torch.no_grad():
            return float((one(held_out[0]).argmax(1) == held_out[1]).double().mean())

    found = infoflow.ablate(
        net, loader(*held_out), metric=accuracy, mend=None, sets=None, progress=False
    )
    assert found.whole_metric == accuracy(net)
    row = found["blocks.1->add:2"]
    slim = infoflow.prune(net, row.skip, held_out[0][:2])
    assert row.metric is None or row.metric.value == pytest.approx(accuracy(net) - accuracy(slim))


def test_a_memory_budget_for_one_net_at_a_time_gives_the_same_numbers():
    unet, (images, masks) = UNet(base_channels=2), blob_images(96, size=16, seed=1)
    one, many = (
        infoflow.ablate(
            *(unet, loader(images, masks, 32)),
            streams=["7->11", "1->20"],
            mend=None,
            sets=None,
            progress=False,
            memory_budget=budget,
        )
        for budget in ("1kB", "2GB")
    )
    np.testing.assert_array_equal(one.dataset["bits"], many.dataset["bits"])


def test_the_default_tolerance_is_a_share_of_what_the_net_knows(net, held_out):
    found = infoflow.ablate(net, loader(*held_out), mend=None, sets=None, progress=False)
    labels = held_out[1][judging(found)].numpy()
    entropy = float(stats.entropy(np.bincount(labels), base=2))
    known = float(found.dataset["known_bits"])
    assert known == pytest.approx(entropy - found.whole_bits)
    assert found.tolerance == pytest.approx(0.025 * known)
    function = infoflow.ablate(
        *(net, loader(*held_out)),
        loss=lambda out, y: torch.nn.functional.cross_entropy(out, y, reduction="none"),
        mend=None,
        sets=None,
        progress=False,
    )
    assert "known_bits" not in function.dataset
    assert function.tolerance == pytest.approx(max(0.005, 0.05 * found.whole_bits))


def test_a_regression_is_judged_by_the_ratio_of_errors(held_out):
    torch.manual_seed(0)
    net = Residual(classes=2).eval()
    points = held_out[0]
    targets = net(points).detach() + 0.3 * torch.randn(len(points), 2)
    found = infoflow.ablate(net, loader(points, targets), mend=None, sets=None, progress=False)
    rows = torch.from_numpy(judging(found))
    with torch.no_grad():
        whole = (net(points[rows]) - targets[rows]).square().mean()
        other = (net(points[rows], without=(0,)) - targets[rows]).square().mean()
    assert found.dataset.attrs["loss"] == "regression"
    assert found["blocks.0->add"].plain.value == pytest.approx(
        0.5 * math.log2(float(other / whole)), rel=1e-4
    )


def test_samples_without_a_label_do_not_count_as_judges(net, held_out):
    points, labels = held_out
    void = torch.where(torch.arange(len(labels)) % 4 == 0, -100, labels)
    with pytest.warns(LossWarning, match="-100"):
        found = infoflow.ablate(net, loader(points, void), mend=None, sets=None, progress=False)
    judges = judging(found)
    assert found.dataset.attrs["judging_samples"] == int((void[judges] != -100).sum())


def test_all_samples_judge_where_nothing_is_mended_or_chosen():
    net, data = trained(), loader(*clusters(96, seed=3))
    found = infoflow.ablate(net, data, mend=None, sets=None, progress=False)
    assert set(found.dataset["role"].values) == {"judge"}
    assert found.dataset.attrs["choosing_samples"] == 0
    assert all(row.plain.samples == 96 for row in found.rows)
    assert not np.isnan(found.dataset["screen_fisher"]).any()  # ranked by those that judge
    walked = infoflow.ablate(net, data, mend=None, progress=False)
    assert walked.dataset.attrs["choosing_samples"] == 32


def test_samples_choose_where_streams_are_chosen(monkeypatch):
    monkeypatch.setattr("infoflow.pruning.ablation.ablate.FEW", 2)
    net, data = trained(), loader(*clusters(96, seed=3))
    found = infoflow.ablate(net, data, mend=None, sets=None, progress=False)
    assert found.dataset.attrs["choosing_samples"] == 32
    named = [row.skip.name for row in found.rows]
    found = infoflow.ablate(net, data, streams=named, mend=None, sets=None, progress=False)
    assert found.dataset.attrs["choosing_samples"] == 0


def test_a_net_that_does_better_without_a_stream_is_doubted():
    """Stale batch norms once made every cut look cheap, and only a note said so."""
    net, (points, labels) = trained(), clusters(420, seed=3)
    with torch.no_grad():  # a branch that harms, as one behind stale norms does
        for parameter in net.blocks[2].parameters():
            parameter.normal_(std=0.25, generator=torch.Generator().manual_seed(0))
    found = infoflow.ablate(
        net, loader(points, labels), streams=["blocks.2->add:3"], mend=None, progress=False
    )
    row = found["blocks.2->add:3"]
    assert row.plain.high < -found.tolerance
    assert "does better without, so check the whole net first" in found.conclusion
    assert any("update_bn(training, model)" in note for note in found.notes)
