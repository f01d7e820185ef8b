"""Learning rates at equal learning rate × steps: on made-up nets that agree, and that do not."""

from __future__ import annotations

import csv
import math
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from tests.examples.nuclei import ROOT, import_example, write_folder

example = import_example()
reproduction = example.reproduction
rates, tables, scales = reproduction.rates, reproduction.rate_tables, reproduction.scales
RESULTS = ROOT / "examples" / "nuclei_unet" / "results" / "quarter"
DOCS = ROOT / "docs" / "reproduction" / "quarter"
#: Layers come up in the paper's order: 20 and 17, 14, 11.
WHEN = dict.fromkeys(range(23), 900.0) | {14: 3000.0, 11: 8000.0}


def make_seed(rate: float, number: int, pace: float = 1.0, end: float = 10_000.0):
    """Return a net that needs ``pace`` times the clock of the others for everything."""
    clock = np.arange(0, end + 1, 50.0)
    looks = np.array([epoch for epoch in (0, 100, 300, 1000, 3000, 8000, 10_000) if epoch <= end])
    done = np.stack([np.clip(looks / (pace * when), 0, 1) for when in WHEN.values()], axis=1)
    table = xr.Dataset(
        {
            "iym": (("setting", "epoch", "layer"), 3 * done[None]),
            "iym_ceiling": (("setting", "epoch"), np.full((1, len(looks)), 3.0)),
        },
        {"setting": ["KDE 1, K-means"], "epoch": looks.astype(float)},
    )
    curves = {}
    for model, when in enumerate((2000, 2000, 4000, 9000), 1):
        rise = np.clip(clock / (pace * when), 0, 1)
        dice, loss = 0.9 * rise**0.5, 0.6 - 0.5 * rise
        loss[0] = math.nan
        curves[model] = reproduction.curves.Curve(clock, loss, dice, dice, 10_000.0)
    about = {"learning_rate": rate}
    return reproduction.study.Seed(f"rate{rate}", number, 1.0, table, curves, about=about)


def make_rates(*paces: float, slow: float = 1.0, seeds: int = 3):
    """Return seeds of these paces at rate 0.1, and ``slow`` times as slow ones at 0.001."""
    return {
        rate: {n: make_seed(rate, n, pace * off) for n, pace in enumerate(paces[:seeds])}
        for rate, off in ((0.1, 1.0), (0.001, slow))
    }


def verdicts(found) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for finding in tables.find(found):
        rows.setdefault(finding.question.split()[0], []).append(finding.verdict)
    return rows


def test_ratios_are_the_pace_at_equal_dice_and_at_equal_loss():
    one, other = make_seed(0.1, 0), make_seed(0.001, 0, pace=2.0)
    ratios = rates.clock_ratios(one, other)
    assert len(ratios) == 10
    assert ratios == pytest.approx([2.0] * 10, rel=0.11)  # looks every 50 of the paper's epochs
    back = rates.clock_ratios(other, one)
    assert back == pytest.approx([1 / ratio for ratio in ratios])


def test_a_loss_that_never_falls_has_no_ratio():
    one = make_seed(0.1, 0).curves[1]
    still = replace(one, loss=np.where(np.isnan(one.loss), math.nan, 0.6))
    assert rates.loss_ratios(one, still) == []
    assert rates.loss_ratios(replace(one, clock=one.clock / 200), one) == []


def test_distances_are_those_of_a_plain_loop():
    one, other = make_seed(0.1, 0), make_seed(0.001, 0, pace=1.5)
    expected = [
        np.mean(
            [
                abs(float(one.read()[look, layer]) - float(other.read()[look, layer]))
                for look in range(7)
                if one.clock[look] >= 100
            ]
        )
        for layer in range(23)
    ]
    assert rates.layer_distances(one, other) == pytest.approx(expected)
    short = make_seed(0.001, 0, end=50)
    assert np.isnan(rates.layer_distances(one, short)).all()


def test_rates_that_agree_but_for_seeds_hold():
    found = verdicts(make_rates(1.0, 1.2, 0.9))
    assert {name: set(row) for name, row in found.items()} == {
        "Ratio": {"holds"},
        "Mean": {"holds"},
        "Layers": {"holds"},
        "Models": {"holds"},
    }


def test_a_rate_that_is_three_times_as_slow_does_not_hold():
    found = verdicts(make_rates(1.0, 1.05, 0.95, slow=3.0))
    assert found["Ratio"] == ["does not hold"]
    assert found["Mean"] == ["does not hold"]


def test_where_chance_parts_clocks_as_far_nothing_can_be_told():
    assert verdicts(make_rates(1.0, 4.0, 0.5, slow=3.0))["Ratio"] == ["cannot tell"]


def test_two_seeds_and_unfinished_ones_have_no_verdict():
    two = make_rates(1.0, 1.1, seeds=2)
    assert {v for row in verdicts(two).values() for v in row} == {"cannot tell"}
    short = make_rates(1.0, 1.1, 0.9)
    short[0.001][2] = make_seed(0.001, 2, end=3000)
    finding = tables.find(short)[0]
    assert finding.verdict == "cannot tell"
    assert finding.why == "Not finished: 1 of 3 seeds at 0.001"
    assert finding.epochs == "3,000"


def test_an_order_that_is_contradicted_does_not_hold():
    found = make_rates(1.0, 1.1, 0.9)
    for seed in found[0.001].values():
        seed.readings["iym"][0, :, 14] = 3.0
        seed.curves[3] = seed.curves[4]
        seed.curves[4] = seed.curves[1]
    rows = verdicts(found)
    assert rows["Layers"] == rows["Models"] == ["holds", "does not hold"]


def test_the_figure_shows_every_rate_seed_model_and_layer():
    found = make_rates(1.0, 1.1, seeds=2)
    figure = reproduction.figures.rates(found)
    panels = {ax.get_title(): ax for ax in figure.axes}
    assert list(panels) == [
        "training loss",
        *(f"validation Dice, Model {model}" for model in (1, 2, 3, 4)),
        *(f"Model 1, layer {layer}" for layer in (20, 17, 14, 11)),
    ]
    drawn = [line.get_ydata() for line in panels["validation Dice, Model 3"].lines]
    for line, seed in zip(drawn, (s for row in found.values() for s in row.values()), strict=True):
        np.testing.assert_allclose(line, seed.curves[3].smooth()[1:])
    layer = panels["Model 1, layer 14"].lines
    np.testing.assert_allclose(layer[3].get_ydata(), found[0.001][1].read()[1:, 14])
    assert [float(line.get_ydata()[0]) for line in layer[4:]] == [3.0, 0.0]  # H(Y), untrained
    plt.close(figure)


def test_a_study_of_model_1_alone_has_no_panels_of_others():
    found = make_rates(1.0, seeds=1)
    for seed in (s for row in found.values() for s in row.values()):
        del seed.curves[2], seed.curves[3], seed.curves[4]
    figure = reproduction.figures.rates(found)
    assert len(figure.axes) == 2 + 4
    plt.close(figure)


def test_the_quarter_scale_trains_all_rates_of_a_seed_first():
    trainings = scales.make_scale("quarter").trainings
    assert len(trainings) == 48
    assert [(t.seed, t.learning_rate) for t in trainings[::4]] == [
        (seed, rate) for seed in range(3) for rate in (0.1, 0.05, 0.01, 0.001)
    ]
    assert {round(t.learning_rate * t.epochs, 9) for t in trainings} == {10.0}
    assert {(t.size, t.base_channels) for t in trainings} == {(32, 4)}
    assert trainings[12].name == "rate0.001-model1-seed0"
    assert len(scales.make_scale("quarter", 1).trainings) == 16
    assert [bool(t.looks()) for t in trainings[:4]] == [True, False, False, False]


def test_every_stage_of_the_quarter_scale_works(tmp_path: Path, monkeypatch):
    """Two rates of Models 1 and 2, one epoch each, of eight images."""
    for name in ("figures", "tables", "rate_tables"):  # what a stage imports when it comes to it
        monkeypatch.setitem(sys.modules, f"reproduction.{name}", getattr(reproduction, name))
    write_folder(tmp_path / "data")
    wanted = ("rate0.1-model1-seed0", "rate0.1-model2-seed0", "rate0.001-model1-seed0")
    trainings = [t for t in scales.make_scale("quarter").trainings if t.name in wanted]
    small = tuple(replace(t, epochs=1, images=8, clusters=3) for t in trainings)
    out = tmp_path / "out"
    stages = reproduction.stages
    work = stages.Work(
        scales.Scale("quarter", small), out, out / "results", tmp_path / "data", tmp_path / "cache"
    )
    stages.run_stages(work, stages.STAGES)
    assert (out / "figures" / "rates.png").stat().st_size > 5000
    with (out / "rates.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 1 + 1 + 2 + 2
    assert {row["verdict"] for row in rows} == {"cannot tell"}
    with (out / "runs.csv").open(newline="") as stream:
        assert [row["model"] for row in csv.DictReader(stream)] == ["1", "2", "1"]
    kept = {path.name for path in (out / "results").glob("*.flow.nc")}
    assert kept == {"rate0.1-model1-seed0.flow.nc", "rate0.001-model1-seed0.flow.nc"}
    assert not list((out / "results").glob("*.cut.json"))


def test_results_without_a_model_1_are_named(tmp_path: Path):
    with pytest.raises(ValueError, match="must hold the measurements of a Model 1"):
        reproduction.loading.load_rates(tmp_path)


def test_wrong_scales_are_named():
    with pytest.raises(ValueError, match="scale must be full, cpu, quarter, smoke, got 'eighth'"):
        scales.make_scale("eighth")


def test_the_tables_of_the_docs_are_those_of_the_committed_results(tmp_path: Path):
    tables.write_rates(RESULTS, tmp_path)
    for name in ("rates.csv", "runs.csv"):
        assert (tmp_path / name).read_text() == (DOCS / name).read_text()


def test_the_page_says_what_the_committed_results_say():
    page, first = (
        " ".join((ROOT / "docs" / f"{name}.rst").read_text(encoding="utf-8").split())
        for name in ("reproduce_details", "reproduce")
    )
    found = reproduction.loading.load_rates(RESULTS)
    fast, near, slow = (found[rate][0] for rate in (0.05, 0.01, 0.001))
    assert f"epoch {near.curves[1].clock[-1]:,.0f} and at 0.001 up to epoch" in page
    assert f"at 0.001 up to epoch {slow.curves[1].clock[-1]:,.0f} (" in page
    close, every = rates.clock_ratios(near, slow), rates.clock_ratios(fast, slow)
    assert f"0.001 takes {min(close):.2f} to {max(close):.2f} of the" in page
    near_pace, fast_pace = (f"{min(each):.2f} to {max(each):.2f}" for each in (close, every))
    assert f"({near_pace}), and {fast_pace} of what" in first
    assert f"0.001 takes {min(every):.2f} to {max(every):.2f} of what 0.05 takes" in page
    assert f"differs by {rates.layer_distances(near, slow).mean():.2f} bits" in page
    one, other = (seed.read()[list(seed.clock).index(5000), 17] for seed in (slow, fast))
    assert f"layer 17 has {one:.2f} bits of I(Y;M) at 0.001 and {other:.2f} at 0.05" in page
    distances = rates.layer_distances(fast, slow)
    assert distances.argmax() == 2
    assert f"Layer 2 differs most, by {distances[2]:.2f} bits" in page
    large = [found[rate][0].read() for rate in (0.1, 0.05)]
    most = [max(float(bits[:, layer].max()) for bits in large) for layer in (14, 11)]
    assert f"14 to {most[0]:.2f} bits at most, 11 to {most[1]:.2f}" in page
