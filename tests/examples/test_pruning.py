"""The pruning study: a small run of it, and its tables made again from the committed trials."""

from __future__ import annotations

import csv
import json
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.examples.nuclei import ROOT, import_example

pytestmark = pytest.mark.filterwarnings("ignore::infoflow.interface.SaturationWarning")


@pytest.fixture
def example(monkeypatch):
    # tasks.py puts the folder of the nuclei example on the path
    monkeypatch.setattr("sys.path", list(sys.path))
    return import_example("pruning")


def small_task(example):
    class TwoBlocks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.Sequential(
                example.evidence.convnets.Block(1, 4, 2), example.evidence.convnets.Block(4, 4, 1)
            )
            self.head = nn.Linear(4, 3)

        def forward(self, image):
            return self.head(self.blocks(image).mean((2, 3)))

    def build(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return TwoBlocks()

    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(48) % 3
    images = torch.randn(48, 1, 8, 8, generator=generator) + classes[:, None, None, None]
    return example.tasks.Task(
        name="two blocks",
        build=build,
        images=images,
        targets=classes,
        metric=lambda model: float((model(images).argmax(1) == classes).double().mean()),
        loss=functional.cross_entropy,
        optimizer=lambda parameters: torch.optim.SGD(parameters, 0.1),
        epochs=2,
        tune_epochs=1,
        batch_size=16,
        target="auto",
        measured=48,
        only_branches=True,
    )


def test_a_run_trains_advises_and_removes_every_branch(example, tmp_path):
    task = small_task(example)
    trial = example.run.try_out(task, 0, tmp_path)
    alone = [row for row in trial.rows if row.kind == "alone"]
    assert [row.streams[0].split("->")[0] for row in alone] == ["blocks.0.conv2", "blocks.1.conv2"]
    assert all(len(row.redesign) == 1 and 0 <= row.tuned <= 1 for row in trial.rows)
    # a second run reads the weights and every number again
    numbers = (tmp_path / "numbers.json").read_bytes()
    again = example.run.try_out(task, 0, tmp_path)
    assert (tmp_path / "numbers.json").read_bytes() == numbers
    assert json.dumps(again.to_dict()) == json.dumps(trial.to_dict())


def test_the_tables_of_the_docs_are_those_of_the_committed_trials(example, tmp_path):
    found = example.report.read(ROOT / "examples" / "pruning" / "results")
    assert set(found) == {"nuclei", "resnet", "densenet"}
    assert all(len(several) == 3 for several in found.values())
    tables = {
        "pruning_removed.csv": example.report.removed_rows(found),
        "pruning_sets.csv": example.report.set_rows(found),
        "pruning_rankings.csv": example.report.ranking_rows(found),
    }
    for name, rows in tables.items():
        with (ROOT / "docs" / name).open(newline="", encoding="utf-8") as file:
            committed = list(csv.DictReader(file))
        assert committed == [{k: str(v) for k, v in row.items()} for row in rows], name


def test_an_unknown_task_is_named(example, tmp_path):
    with pytest.raises(ValueError, match="nuclei, resnet or densenet, got 'unet'"):
        example.tasks.make_task("unet", tmp_path, tmp_path)
