"""What the pruning study measures and counts, against closed forms and plain loops."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from tests.examples.nuclei import ROOT, import_example

pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def evidence():
    before = list(sys.path)
    yield import_example("pruning").evidence
    sys.path[:] = before


class TestTruth:
    def test_of_bits_it_is_the_normal_interval_of_the_mean_rise(self, evidence):
        random = np.random.default_rng(0)
        whole, other = random.random(50), random.random(50) + 1
        truth = evidence.judging.truth_of(whole, other, is_ratio=False)
        rise = other - whole
        assert truth.value == pytest.approx(rise.mean())
        assert truth.high - truth.value == pytest.approx(
            1.96 * rise.std(ddof=1) / 50**0.5, rel=1e-3
        )
        assert truth.value - truth.low == pytest.approx(truth.high - truth.value)

    def test_of_a_ratio_it_holds_what_a_bootstrap_holds(self, evidence):
        random = np.random.default_rng(0)
        whole = random.exponential(1.0, 800)
        other = 1.2 * whole + random.exponential(0.3, 800)
        truth = evidence.judging.truth_of(whole, other, is_ratio=True)
        drawn = random.integers(800, size=(4000, 800))
        means = 0.5 * np.log2(other[drawn].mean(1) / whole[drawn].mean(1))
        assert truth.low == pytest.approx(np.quantile(means, 0.025), abs=0.003)
        assert truth.high == pytest.approx(np.quantile(means, 0.975), abs=0.003)

    @pytest.mark.parametrize(
        ("said", "tolerance", "expected"),
        [("prune", 0.5, True), ("prune", 1.5, False), ("keep", 3.5, True), ("keep", 2.5, False)],
    )
    def test_a_verdict_is_wrong_where_the_interval_is_on_the_other_side(
        self, evidence, said, tolerance, expected
    ):
        truth = evidence.judging.Truth(2.0, 1.0, 3.0)
        assert truth.contradicts(said, tolerance) is expected
        assert not truth.contradicts("cannot tell", tolerance)


class TestCounts:
    def test_groups_are_disjoint_and_as_many_as_fit(self, evidence):
        found = [list(range(300)[rows]) for rows in evidence.recording.groups(300, 64, 10)]
        assert [len(rows) for rows in found] == [64] * 4
        assert [row for rows in found for row in rows] == list(range(256))
        assert len(list(evidence.recording.groups(3000, 64, 10))) == 10
        assert not list(evidence.recording.groups(63, 64, 10))

    def test_independent_intervals_hold_each_other_in_95_percent(self, evidence):
        random = np.random.default_rng(0)
        cases = []
        for _ in range(2000):
            few, many = random.normal(0, 1, 64), random.normal(0, 1, 256)
            judge = evidence.judging.truth_of(np.zeros(64), few, is_ratio=False)
            truth = evidence.judging.truth_of(np.zeros(256), many, is_ratio=False)
            cases.append(evidence.judging.holds(judge.value, judge.low, judge.high, truth))
        assert np.mean(cases) == pytest.approx(0.95, abs=0.015)

    def test_clear_cases_are_all_firm_and_right(self, evidence):
        random = np.random.default_rng(0)
        whole = 0.2 + 0.01 * random.random(1000)
        harmless = whole + 1e-4 * random.normal(size=1000)
        ruinous = whole + 1 + 0.1 * random.normal(size=1000)
        rows = (np.arange(600), np.arange(600, 1000))
        parts = [evidence.judging.Part(one, 2 - one) for one in (whole, harmless, ruinous)]
        found = evidence.judging.judged("plain", parts[0], parts[1:], *rows, is_ratio=False)
        by_key = {(t["samples"], t["factor"]): t for t in found}
        assert {n for n, _ in by_key} == {64, 128, 256, 512}
        assert {f for _, f in by_key} == set(evidence.judging.FACTORS)
        tally = by_key[256, 1.0]
        assert tally["given"] == 2 * 2
        assert (tally["prune"], tally["keep"], tally["wrong"]) == (2, 2, 0)
        assert tally["firm_with_metric"] == 4
        # fewer than 236 samples prune nothing
        assert (by_key[64, 1.0]["prune"], by_key[64, 1.0]["keep"]) == (0, 9)

    def test_a_verdict_from_samples_unlike_the_truth_is_wrong(self, evidence):
        whole = np.full(500, 0.2)
        other = whole + 1e-4 * np.random.default_rng(0).normal(size=500)
        other[300:] += 1.0  # judged where nothing is lost
        parts = [evidence.judging.Part(one, np.ones(500)) for one in (whole, other)]
        (tally,) = [
            t
            for t in evidence.judging.judged(
                *("plain", parts[0], parts[1:], np.arange(256), np.arange(300, 500)),
                is_ratio=False,
            )
            if t["factor"] == 1.0 and t["samples"] == 256
        ]
        assert (tally["prune"], tally["wrong"], tally["held"]) == (1, 1, 0)

    def test_the_tolerance_is_a_share_of_what_the_net_knows(self, evidence):
        random = np.random.default_rng(0)
        whole = np.full(300, 0.2)
        other = whole + 0.03 + 1e-3 * random.normal(size=300)
        parts = [evidence.judging.Part(one, np.ones(300)) for one in (whole, other)]
        rows = (np.arange(256), np.arange(256, 300))
        for constant, said in ((2.2, "prune"), (0.4, "keep"), (None, "keep")):
            found = evidence.judging.judged(
                *("plain", parts[0], parts[1:], *rows, False), lambda rows, bits=constant: bits
            )
            assert next(t for t in found if (t["samples"], t["factor"]) == (256, 1.0))[said] == 1


class Merging(nn.Module):
    """A sum, a gate and a concatenation of two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 3, 1), nn.Conv2d(1, 3, 1)
        self.read, self.gate = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.last = nn.Conv2d(6, 2, 1)

    def forward(self, image):
        one, two = self.one(image), self.two(image)
        both = self.read(one + two)
        return self.last(torch.cat([both * torch.sigmoid(self.gate(both)), one], 1))


class TestReadings:
    def test_of_known_values(self, evidence):
        graph = infoflow.trace(Merging(), torch.randn(2, 1, 4, 4))
        merges = {merge.kind: merge for merge in graph.merges}
        ones = torch.ones(5, 1, 2, 2)
        up = torch.tensor([1.0, 0.0])[None, :, None, None].expand(5, 2, 2, 2)
        right = torch.tensor([0.0, 1.0])[None, :, None, None].expand(5, 2, 2, 2)

        def influence(kind, first, second):
            merge = merges[kind]
            values = dict(zip(merge.streams, (first, second), strict=True))
            name = f"{merge.streams[1]}->{merge.name}"
            readings = evidence.readings
            return readings.influence(merge, name, values), readings.relative_norm(
                merge, name, values
            )

        cosine = 1 - 1 / math.sqrt(2)
        assert influence("add", up, right) == pytest.approx((cosine, 1 / math.sqrt(2)))
        assert influence("add", up, 2 * up) == pytest.approx((0.0, 2 / math.sqrt(5)))
        assert influence("mul", up + right, up) == pytest.approx((cosine, 1 / math.sqrt(3)))
        # a vector of norm 5 without its part of norm 3
        assert influence("concat", 4 * ones, 3 * ones) == pytest.approx((0.2, 0.6))

    def test_weights_that_go_are_those_of_the_plain_cut(self, evidence):
        model = Merging()
        graph = infoflow.trace(model, torch.randn(2, 1, 4, 4))
        streams = evidence.slimming.stream_names(graph)
        name = next(s for s in streams if s == "one->last")
        slim = evidence.slimming.without(graph, [name])
        found = evidence.readings.cheap_readings(
            model, graph, {name: slim}, torch.randn(4, 1, 4, 4), seed=0
        )
        weight = model.last.weight.detach()[:, 3:]
        assert found[evidence.readings.PARAMETERS][name] == 6
        assert found[evidence.readings.WEIGHTS][name] == pytest.approx(
            weight.square().mean().sqrt().item(), rel=1e-5
        )


class TestRanking:
    def summaries(self):
        return [
            {
                "net": net,
                "half": 1,
                "readings": {"reading": dict(zip("abcd", reading, strict=True))},
                "streams": [
                    {"stream": name, "plain": {"test": bits, "judge": bits + 1}}
                    for name, bits in zip("abcd", (1.0, 2.0, 3.0, 4.0), strict=True)
                ],
            }
            for net, reading in (("x", [1, 2, 3, 4]), ("x", [1, 2, 4, 3]), ("y", [4, 3, 2, 1]))
        ]

    def test_means_are_over_seeds_and_then_over_nets(self, evidence):
        found = evidence.ranking.correlations(self.summaries(), "reading", "plain")
        assert found == {"x": [1.0, pytest.approx(0.8)], "y": [-1.0]}
        assert evidence.ranking.mean_of_nets(found) == pytest.approx(-0.05)
        low, high = evidence.ranking.interval_of_nets(found)
        # two draws of x, whose seeds give 1 twice, have a chance of 1/64; 1 and 0.9 have 1/16
        assert (low, high) == pytest.approx((-1.0, 0.95))

    def test_bits_on_other_samples_are_a_reading(self, evidence):
        found = evidence.ranking.correlations(self.summaries(), ("plain", "judge"), "plain")
        assert found == {"x": [1.0, 1.0], "y": [1.0]}

    def test_what_is_the_same_for_all_streams_ranks_nothing(self, evidence):
        spearman = evidence.ranking.spearman
        damage = dict(zip("abcd", range(4), strict=True))
        assert math.isnan(spearman(dict.fromkeys("abcd", 1.0), damage))
        assert math.isnan(spearman({"a": 1.0, "b": 2.0}, damage))
        assert math.isnan(evidence.ranking.mean_of_nets({}))


@pytest.fixture(scope="module")
def bench(evidence, tmp_path_factory):
    """A net with three merges, all of whose five streams are measured as they are."""
    entry_of, folder = evidence.entry, tmp_path_factory.mktemp("bench")
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(400, 1, 4, 4, generator=generator), torch.arange(400) % 2

    def build(places, seed):
        torch.manual_seed(seed)
        return nn.Sequential(Merging(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def parts(places, sizes, seed):
        halves = [entry_of.take(samples, slice(a, b)) for a, b in ((0, 50), (50, 400))]
        return entry_of.split_held_out(*halves, sizes, seed)

    entry = entry_of.Entry(
        "merging", "Merging", 1, build, parts, entry_of.Sizes(50, 50, 100, 200), "classes",
        "accuracy", entry_of.Recipe("sgd", 0.05, 1, 10),
    )  # fmt: skip
    places = entry_of.Places(None, folder, folder)
    evidence.training.train(entry, 0, places, folder, resume=False, say=str)
    found = evidence.measuring.prepare(entry, 0, places, folder)
    evidence.measuring.measure_plain(found, say=str)
    return found


@pytest.mark.filterwarnings("ignore:.* samples mend, and more mend better")
class TestMeasuring:
    def test_every_stream_is_measured_as_a_whole_run_of_the_pruned_net_does(self, evidence, bench):
        assert len(bench.streams) == 5
        example = bench.parts.train[0][:2]
        inputs, targets = bench.held_out
        for name in bench.streams:
            slim = infoflow.prune(bench.model, name, example, mode="zero")
            with torch.no_grad():
                nats = nn.functional.cross_entropy(slim(inputs), targets, reduction="none")
            found = bench.notebook[f"plain {name}"].losses
            assert found == pytest.approx(nats.numpy() / math.log(2), abs=1e-5)

    def test_what_is_noted_is_not_measured_again(self, evidence, bench):
        def times():
            return [path.stat().st_mtime_ns for path in sorted(bench.notebook.folder.iterdir())]

        before, lines = times(), []
        evidence.measuring.measure_plain(bench, say=lines.append)
        assert lines == ["merging 0: 0 streams measured as they are"]
        assert times() == before

    def test_what_earlier_advice_made_is_forgotten(self, evidence, bench, tmp_path):
        notebook = evidence.recording.Notebook(tmp_path)
        for name in ("mended 0.one->0.add", "mended x", "plain x", "mendedly y"):
            notebook[name] = bench.whole()
        notebook.forget("mended", "point")
        assert [name in notebook for name in ("mended x", "plain x", "mendedly y")] == [0, 1, 1]
        assert "mended 0.one->0.add" not in notebook

    def test_the_parts_of_a_record_are_those_of_the_samples(self, evidence, bench):
        losses = bench.whole().losses
        for part, rows in bench.rows.items():
            samples = getattr(bench.parts, part)
            alone = evidence.recording.record(bench.model, bench.entry, samples)
            assert losses[rows] == pytest.approx(alone.losses, abs=1e-6)

    def test_without_advice_what_mends_best_is_not_known(self, evidence, bench):
        if bench.advice is None:
            with pytest.raises(ValueError, match="--stage advised first"):
                evidence.measuring.measure_mended(bench, say=str)

    def test_what_ablate_promises_is_measured_again_on_other_samples(self, evidence, bench):
        evidence.measuring.measure_advised(bench, say=str)
        evidence.measuring.measure_mended(bench, say=str)
        advice, rows = bench.advice, bench.rows
        roles = np.array(advice["roles"])
        assert rows["choose"].tolist() == np.flatnonzero(roles == "choose").tolist()
        assert not set(rows["choose"]) & set(rows["judge"])
        assert len(rows["choose"]) + len(rows["judge"]) == 150
        whole, judges = bench.whole().losses, np.flatnonzero(roles == "judge")
        summary = evidence.summary.summary(bench)
        known = {row["stream"]: row for row in summary["advice"]["streams"]}
        assert set(known) == set(bench.streams)
        for name, row in known.items():
            for way in ("plain", "mended"):
                rise = (bench.notebook[f"{way} {name}"].losses - whole)[judges].mean()
                # the very net that was judged
                assert row[way][0] == pytest.approx(rise, abs=1e-5)
        assert {"plain", "mended"} <= {tally["how"] for tally in summary["verdicts"]}
        for number, point in enumerate(summary["frontier"]):
            rise = (bench.notebook[f"point {number}"].losses - whole)[judges].mean()
            assert point["promised"][0] == pytest.approx(rise, abs=1e-5)
            assert point["kept"] in (True, False)
        assert any("backward pass" in reading for reading in summary["readings"])

    def test_from_scratch_a_net_without_a_stream_trains_as_the_whole_net_did(self, evidence, bench):
        evidence.redesign.measure_redesign(bench, say=str)
        for name in bench.streams:
            # one epoch is short and long
            early, late = (bench.notebook[f"{way} {name}"] for way in ("short", "redesign"))
            assert early.losses.tolist() == late.losses.tolist()
            assert late.losses.mean() < 1.2  # bits; a coin has 1
        # the very training of the whole net, of the part that stays
        net = evidence.redesign.untrained_without(bench, "0.gate->0.mul")
        start = bench.entry.build(bench.places, bench.seed).state_dict()
        assert all(torch.equal(start[key], value) for key, value in net.state_dict().items())
        row = evidence.summary.summary(bench)["streams"][0]
        assert {"plain", "short", "redesign"} <= set(row)

    def test_the_best_of_tuned_and_untuned_is_taken_where_it_is_chosen(self, evidence, bench):
        evidence.measuring.measure_advised(bench, say=str)
        evidence.measuring.measure_mended(bench, say=str)
        evidence.measuring.measure_tuned(bench, say=str)
        rows, several = bench.rows["choose"], ("plain", "mended", *evidence.summary.TUNED)
        for name, ways in evidence.summary.ways_of(bench).items():
            means = {way: ways[way].losses[rows].mean() for way in several}
            assert ways["tuned"].losses.tolist() == ways[min(means, key=means.get)].losses.tolist()
            assert evidence.measuring.least(bench, name, several) == min(means, key=means.get)

    def test_gentle_tuning_lowers_the_loss_and_is_repeatable(self, evidence, bench):
        nets = [evidence.slimming.without(bench.graph, [bench.streams[0]]) for _ in range(2)]
        for net in nets:
            evidence.slimming.tune(net, bench.entry, bench.parts.train, seed=3)
        before = evidence.slimming.without(bench.graph, [bench.streams[0]])
        losses = [
            evidence.scoring.score(net, bench.parts.train, "classes", "accuracy")[0].mean()
            for net in (before, *nets)
        ]
        assert losses[1] < losses[0]
        assert losses[1] == losses[2]


def test_the_tables_of_the_docs_are_those_of_the_committed_summaries(tmp_path):
    before = list(sys.path)
    study = import_example("pruning").study
    sys.path[:] = before
    study.report(results=study.RESULTS, out=tmp_path)
    for name in study.TABLES:
        made = (tmp_path / f"evidence_{name}.csv").read_text(encoding="utf-8")
        assert made == (ROOT / "docs" / f"evidence_{name}.csv").read_text(encoding="utf-8"), name
