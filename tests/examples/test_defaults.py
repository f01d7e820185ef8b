"""The study behind the default noise."""

from __future__ import annotations

import csv
from collections import defaultdict

import pytest
import torch

import infoflow
from tests.examples.nuclei import ROOT, import_example

RESULTS = ROOT / "examples" / "defaults" / "noise.csv"


def test_the_rule_of_the_study_speaks_for_relative_noise():
    """The rule stands in the script, from before its run."""
    saturated, above = defaultdict(float), defaultdict(float)
    with RESULTS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        saturated[row["noise"]] += sum(float(row[f"I({v};M) saturated"]) for v in "XY")
        if row["state"] == "trained":
            above[row["net"], row["noise"]] += float(row["above null, share of ceiling"])
    nets = {net for net, _ in above}
    assert len(nets) == 3
    assert saturated["relative, 0.1"] < saturated["1"]
    assert all(above[net, "relative, 0.1"] > above[net, "1"] for net in nets)
    assert infoflow.Relative() == infoflow.Relative(0.1)  # what noise="relative" means
    assert infoflow.KDE().noise == 1.0  # the paper's, so that numbers compare


def test_a_row_of_the_study_counts_saturated_layers():
    study = import_example("defaults").noise
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    samples = torch.randn(64, 3), torch.arange(64) % 2  # far apart for so little noise
    layers, *flags, above, share = study.numbers_of(net, samples, 1e-9)
    assert (layers, flags, above) == (2, [2, 2], 0)
    assert share == pytest.approx(0.0, abs=1e-3)


def test_the_summary_on_the_page_is_that_of_the_table(tmp_path, monkeypatch):
    study = import_example("defaults").noise
    with RESULTS.open(newline="", encoding="utf-8") as file:
        rows = [tuple(row) for row in csv.reader(file)][1:]
    monkeypatch.setattr(study, "HERE", tmp_path)
    study.write_summary(rows)
    written = (tmp_path / "summary.csv").read_text(encoding="utf-8")
    assert written == RESULTS.with_name("summary.csv").read_text(encoding="utf-8")
