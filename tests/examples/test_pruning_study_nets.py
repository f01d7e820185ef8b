"""The nets of the pruning study, their samples, their training."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from typer.testing import CliRunner

from tests.examples.nuclei import ROOT, import_example, write_folder

pytest.importorskip("timm")
pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def example():
    before = list(sys.path)
    yield import_example("pruning")
    sys.path[:] = before


@pytest.fixture
def places(example, tmp_path):
    return example.evidence.entry.Places(tmp_path, tmp_path / "packages", tmp_path / "cache")


def tiny_entry(example, epochs: int = 3):
    """A net with dropout on 40 random vectors of two classes."""
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(40) % 2
    inputs = torch.randn(40, 4, generator=generator) + classes[:, None]

    def build(places, seed):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))

    def parts(places, sizes, seed):
        samples = (inputs, classes)
        halves = [example.evidence.entry.take(samples, slice(a, b)) for a, b in ((0, 20), (20, 40))]
        return example.evidence.entry.split_held_out(*halves, sizes, seed)

    return example.evidence.entry.Entry(
        "tiny", "Tiny", 1, build, parts, example.evidence.entry.Sizes(20, 4, 6, 10), "classes",
        "accuracy", example.evidence.entry.Recipe("adamw", 0.05, epochs, 8),
    )  # fmt: skip


class TestCatalog:
    def test_the_halves_are_those_of_the_criteria(self, example):
        text = (ROOT / "examples" / "pruning" / "CRITERIA.md").read_text(encoding="utf-8")
        for word, half in (("first", 1), ("second", 2)):
            (row,) = re.findall(rf"^\| {word} \| (.+) \|$", text, re.MULTILINE)
            written = set(re.findall(r"`([a-z-]+)`", row))
            assert written == {e.name for e in example.evidence.catalog.ENTRIES if e.half == half}

    def test_an_unknown_net_is_named(self, example):
        with pytest.raises(ValueError, match=r"no net 'unit'. Its nets are unet, resnet"):
            example.evidence.catalog.find_entry("unit")

    @pytest.mark.parametrize(
        ("sizes", "expected"), [((10, 20, 30), [10, 20, 30]), ((40, 60, 60), [20, 30, 30])]
    )
    def test_held_out_samples_are_split_without_overlap(self, example, sizes, expected):
        numbers = torch.arange(80)
        parts = example.evidence.entry.split_held_out(
            (-numbers, numbers), (numbers, numbers), example.evidence.entry.Sizes(7, *sizes), 3
        )
        found = [part[0].tolist() for part in (parts.choose, parts.judge, parts.test)]
        assert [len(part) for part in found] == expected
        assert len({number for part in found for number in part}) == sum(expected)
        assert parts.train[1].tolist() == list(range(7))
        assert found[1] != sorted(found[1])


class TestSamples:
    def test_tiles_and_their_masks_are_of_the_same_places(self, example, tmp_path):
        places = replace(
            example.evidence.entry.Places(tmp_path, tmp_path, tmp_path / "cache"),
            data_dir=write_folder(tmp_path),
        )
        parts = example.evidence.nuclei.nuclei(places, example.evidence.entry.SMOKE, 0)
        images, masks = parts.train
        assert images.shape == (32, 3, 64, 64)
        assert masks.shape == (32, 1, 64, 64)
        # nuclei are drawn brighter than the rest
        assert images[(masks > 0).expand_as(images)].mean() > images.mean()
        assert 28 < len(parts.choose[0]) + len(parts.judge[0]) + len(parts.test[0]) <= 32

    def test_windows_are_followed_by_their_next_characters(self, example):
        text = example.evidence.text
        inputs, targets = text.windows([b"abc\xff\tdef\n" * 20, b"xyz" * 30])
        assert torch.equal(inputs[:, 1:], targets[:, :-1])
        assert torch.equal(inputs[1:, 0], targets[:-1, -1])
        known = [text.ALPHABET[code] for code in inputs.flatten().tolist()]
        assert bytes(known).startswith(b"abcdef\nabc")

    def test_files_of_the_library_are_in_one_part_only(self, example):
        files = dict(example.evidence.text._files())
        assert len(files) > 300
        assert not any("test" in path.parts for path in files.values())

    def test_flips_are_the_eight_symmetries_of_a_square(self, example):
        square = torch.arange(9.0).view(1, 1, 3, 3)
        turns = [example.evidence.training.flipped(square, turn) for turn in range(8)]
        assert len({tuple(turned.flatten().tolist()) for turned in turns}) == 8
        assert all(turned[0, 0, 1, 1] == 4 for turned in turns)


class TestScoring:
    def test_bits_of_classes_are_those_of_torch(self, example):
        scores, targets = torch.randn(6, 5, 3), torch.randint(3, (6, 5))
        each = example.evidence.scoring.sample_nats("classes", scores, targets)
        assert each.shape == (6,)
        whole = functional.cross_entropy(scores.movedim(2, 1), targets)
        assert each.mean().item() == pytest.approx(whole.item(), rel=1e-6)

    def test_a_fair_coin_costs_one_bit_a_pixel(self, example):
        model, masks = nn.Identity(), torch.randint(2, (5, 1, 4, 4)).float()
        losses, _ = example.evidence.scoring.score(
            model, (torch.full((5, 1, 4, 4), 0.5), masks), "probabilities", "dice", batch_size=2
        )
        assert losses.tolist() == pytest.approx([1.0] * 5)
        logits, _ = example.evidence.scoring.score(
            model, (torch.zeros(5, 1, 4, 4), masks), "logits", "dice", batch_size=2
        )
        assert logits.tolist() == pytest.approx([1.0] * 5)

    def test_metrics_of_known_predictions(self, example):
        scores = example.evidence.scoring.sample_scores
        found = torch.tensor([[[[0.9, 0.9], [0.1, 0.1]]], [[[0.1] * 2] * 2]])
        true = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]], [[[0.0] * 2] * 2]])
        assert scores("dice", "probabilities", found, true).tolist() == pytest.approx([2 / 3, 1])
        logits = torch.logit(found)
        assert scores("dice", "logits", logits, true).tolist() == pytest.approx([2 / 3, 1])
        guess = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        assert scores("accuracy", "classes", guess, torch.tensor([0, 1])).tolist() == [1, 0]
        # 0.1 of the range from 0 to 1, whose images were divided by 0.25
        off = scores("psnr", "squares", torch.full((1, 1, 2, 2), 0.4), torch.zeros(1, 1, 2, 2))
        assert off.item() == pytest.approx(20.0)


class TestTraining:
    def test_a_stopped_training_ends_where_an_unbroken_one_does(self, example, places, tmp_path):
        training = example.evidence.training
        entry = tiny_entry(example)
        lines: list[str] = []
        training.train(entry, 1, places, tmp_path / "whole", resume=False, say=lines.append)
        stopped = tmp_path / "stopped"

        def stop(line: str) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            training.train(entry, 1, places, stopped, resume=False, say=stop)
        with pytest.raises(ValueError, match=r"already has a training. Pass --resume"):
            training.train(entry, 1, places, stopped, resume=False)
        training.train(entry, 1, places, stopped, resume=True, say=lines.append)
        weights = [torch.load(tmp_path / w / "weights.pt") for w in ("whole", "stopped")]
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
        about = [
            json.loads((tmp_path / w / "training.json").read_text()) for w in ("whole", "stopped")
        ]
        assert about[0]["losses"] == about[1]["losses"]
        assert len(about[0]["losses"]) == 3
        assert about[0]["test_loss"] < 1.0  # bits; a coin has 1
        assert lines[0].startswith("tiny 1, epoch 1 of 3: loss ")

    def test_the_learning_rate_falls_to_zero(self, example, places, tmp_path):
        training, entry = example.evidence.training, tiny_entry(example, epochs=2)
        parts = entry.parts(places, entry.sizes, 0)
        state = training.begin(entry.build(places, 0), entry.recipe)
        rates = []
        state.optimizer.register_step_pre_hook(
            lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
        )
        for _ in range(2):
            training.run_epoch(state, entry, parts.train, 0)
        assert rates == pytest.approx([0.05 * (1 - step / 6) for step in range(6)])

    def test_a_checkpoint_of_another_training_is_refused(self, example, places, tmp_path):
        training = example.evidence.training
        training.train(tiny_entry(example), 0, places, tmp_path, resume=False, say=str)
        with pytest.raises(ValueError, match=r"is of another training: \('tiny', 0, .*expected"):
            training.train(tiny_entry(example), 1, places, tmp_path, resume=True)

    def test_a_net_that_was_not_trained_says_how_to(self, example, places, tmp_path):
        with pytest.raises(ValueError, match=r"study.py train --net tiny --seed 4 first"):
            example.evidence.training.load(tiny_entry(example), 4, places, tmp_path)

    def test_the_same_seed_builds_the_same_net(self, example, places):
        for name in ("unet", "resnet", "densenet", "vit", "gates", "gpt"):
            build = example.evidence.catalog.find_entry(name).build
            one, same, other = (build(places, seed).state_dict() for seed in (0, 0, 1))
            assert all(torch.equal(one[key], same[key]) for key in one)
            assert any(not torch.equal(one[key], other[key]) for key in one)


class TestCommand:
    def test_a_smoke_training_of_digits(self, example, data_dir, tmp_path):
        options = ["--net", "densenet", "--smoke", "--out", str(tmp_path)]
        done = CliRunner().invoke(
            example.study.app, ["train", *options, "--data-dir", str(data_dir)]
        )
        assert done.exit_code == 0, done.output
        about = json.loads((tmp_path / "densenet_0" / "training.json").read_text())
        assert about["samples"] == {
            "train": 96, "choose": 32, "judge": 128, "test": 192,
        }  # fmt: skip
        assert 0 < about["test_loss"] < 2 * math.log2(10)

    def test_a_smoke_measurement_ends_in_tables(self, example, data_dir, tmp_path):
        runs, results = tmp_path / "runs", tmp_path / "results"
        options = ["--net", "densenet", "--smoke", "--out", str(runs), "--data-dir", str(data_dir)]
        invoke = CliRunner().invoke
        missing = invoke(example.study.app, ["measure", *options])
        assert missing.exit_code == 2
        assert "study.py train --net densenet --seed 0 first" in missing.output
        for command in (
            ["train", *options],
            ["measure", *options, "--stage", "plain"],
            ["collect", "--out", str(runs), "--results", str(results)],
            ["report", "--results", str(results), "--out", str(tmp_path)],
        ):
            done = invoke(example.study.app, command)
            assert done.exit_code == 0, (command, done.output, done.exception)
        (summary,) = example.evidence.tables.read_summaries(results)
        assert len(summary["streams"]) == 12
        assert summary["samples"] == {
            "mend": 96, "train": 96, "choose": 32, "judge": 128, "test": 192,
        }  # fmt: skip
        for name in example.study.TABLES:
            assert (tmp_path / f"evidence_{name}.csv").stat().st_size > 0

    def test_pretrained_nets_that_are_not_there_say_how_to_fetch_them(self, example, tmp_path):
        options = ["--net", "topaz", "--out", str(tmp_path), "--packages", str(tmp_path)]
        done = CliRunner().invoke(example.study.app, ["train", *options])
        assert done.exit_code == 2
        assert "study.py fetch --packages" in done.output

    def test_data_that_are_not_there_are_named(self, example, tmp_path):
        options = ["--net", "resnet", "--out", str(tmp_path), "--data-dir", str(tmp_path)]
        done = CliRunner().invoke(example.study.app, ["train", *options])
        assert done.exit_code == 2
        assert "holds no MNIST/raw" in done.output


def test_pretrained_nets_do_what_they_were_trained_for(example, tmp_path):
    packages = Path(ROOT / "runs" / "packages")
    if not packages.is_dir():
        pytest.skip("Run python examples/pruning/study.py fetch")
    places = example.evidence.entry.Places(None, packages, tmp_path)
    entry = example.evidence.catalog.find_entry("topaz-small")
    entry = replace(entry, sizes=example.evidence.entry.Sizes(32, 1, 1, 32))
    parts = entry.parts(places, entry.sizes, 0)
    score = example.evidence.scoring.score
    _, before = score(nn.Identity(), parts.test, entry.kind, entry.metric)
    _, after = score(entry.build(places, 0), parts.test, entry.kind, entry.metric)
    assert before.mean() == pytest.approx(12.04, abs=0.1)  # the noise's own
    assert after.mean() > 20
