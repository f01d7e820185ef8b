"""Joining results, taking them apart, and the units, frames and pages of all of them."""

import gc
import json
import pickle
import re
import weakref
from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import infoflow
from infoflow.interface import (
    ArgumentError,
    ArgumentTypeError,
    InfoflowError,
    ResultFileError,
    SaturationWarning,
)

X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
LOADER = [(X, (X[:, 0] > 0).long())]


def net(seed=0, width=4):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 2))


def measured(model, **options):
    return infoflow.analyze(model, LOADER, **{"noise": 1.0, "progress": False, **options})


@pytest.fixture(scope="module")
def several():
    return [measured(net(seed)) for seed in range(3)]


def test_joined_seeds_come_apart_as_they_were(several, tmp_path):
    joined = infoflow.concat(several, "seed")
    assert repr(joined) == "FlowResult(Sequential: 2 layers, 1 epoch, 3 seeds, in bits)"
    assert [joined.sel(seed=seed) == one for seed, one in enumerate(several)] == [True] * 3
    two = joined.sel(seed=[0, 2])
    assert two.dataset["seed"].values.tolist() == [0, 2]
    assert two.joined_along == ("seed",)
    assert infoflow.load(joined.save(tmp_path / "joined.nc")) == joined
    assert infoflow.concat([two, joined.sel(seed=[1])], "seed") == joined
    frame = joined.to_frame()
    assert frame.columns[:3].tolist() == ["seed", "epoch", "layer"]
    assert len(frame) == 3 * 2
    wanted = several[1].ixm.values.ravel()
    np.testing.assert_array_equal(frame[frame["seed"] == 1]["ixm"], wanted)
    assert str(joined).count("Ceiling of I(X;M)") == 3


def test_labels_are_given_or_numbers(several):
    joined = infoflow.concat(several, "rate", labels=["low", "middle", "high"])
    assert joined.sel(rate="high") == several[2]
    both = infoflow.concat([joined, joined], "seed")
    assert both.joined_along == ("seed", "rate") or both.joined_along == ("rate", "seed")
    assert both.sel(seed=1, rate="low") == several[0]
    assert both.sel(seed=1, rate=["low"]).joined_along == ("rate",)


def test_epochs_are_joined_in_their_order(several):
    first, second, third = (
        one.with_dataset(one.dataset.assign_coords(epoch=[epoch]))
        for one, epoch in zip(several, (4, 0, 9), strict=True)
    )
    joined = infoflow.concat([first, second, third], "epoch")
    assert joined.epochs == [0, 4, 9]
    assert joined.joined_along == ()
    np.testing.assert_array_equal(joined.ixm.sel(epoch=9), several[2].ixm.sel(epoch=0))
    with pytest.raises(ArgumentError, match=r"Each epoch may occur once .* got 0 twice"):
        infoflow.concat([several[0], several[1]], "epoch")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: measured(net(width=5)), "only where their net is the same"),
        (lambda: measured(nn.Linear(3, 2)), "only where their net is the same"),
        (lambda: measured(net()).to("nats"), "their unit is the same, got bits and nats"),
        (lambda: measured(net(), noise=2.0), "their kind is the same"),
        (lambda: measured(net(), target="none"), "their target is the same"),
        (lambda: measured(net(), noise=[1.0, 2.0]), "is the same"),
        (
            lambda: infoflow.probe(net(), LOADER, folds=2, progress=False),
            "FlowResult and ProbeResult",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(other, message):
    with pytest.raises(ArgumentError, match=message):
        infoflow.concat([measured(net()), other()], "seed")


def test_what_cannot_be_joined_or_chosen(several):
    with pytest.raises(ArgumentError, match="at least one result, got none"):
        infoflow.concat([], "seed")
    with pytest.raises(ArgumentTypeError, match="got Dataset"):
        infoflow.concat([several[0].dataset], "seed")
    with pytest.raises(ArgumentError, match="labels must have one for each of the 3"):
        infoflow.concat(several, "seed", labels=[0])
    joined = infoflow.concat(several[:2], "seed")
    with pytest.raises(ArgumentError, match="The results have labels along 'seed' already"):
        infoflow.concat([joined, several[2]], "seed")
    with pytest.raises(ArgumentError, match=r"seed must be among \[0, 1\], got 7"):
        joined.sel(seed=7)
    with pytest.raises(ArgumentError, match="cannot be chosen from by 'sead'; expected"):
        joined.sel(sead=0)
    for needs_one in (joined.audit, joined.to_dict):
        with pytest.raises(ArgumentError, match=r"joins several .* Take one with .sel\(seed=0\)"):
            needs_one()


class Spread(infoflow.Result):
    dims = ("layer",)


def test_what_sums_up_a_dimension_is_not_joined_along_it():
    def spread(seeds, value):
        bits = (("seed", "layer"), np.ones((len(seeds), 1)), {"units": "bits"})
        return Spread(
            xr.Dataset({"bits": bits, "sd": ("layer", [value])}, {"seed": seeds, "layer": ["a"]})
        )

    with pytest.raises(ArgumentError, match="sd is of all that was measured along 'seed'"):
        infoflow.concat([spread([0, 1], 0.5), spread([2, 3], 0.7)], "seed")
    joined = infoflow.concat([spread([0, 1], 0.5), spread([2, 3], 0.5)], "seed")
    assert joined.dataset["seed"].values.tolist() == [0, 1, 2, 3]
    assert joined.joined_along == ()
    nets = infoflow.concat([spread([0, 1], 0.5), spread([0, 1], 0.7)], "width", labels=[16, 32])
    assert nets.sel(width=32) == spread([0, 1], 0.7)


def test_units_go_there_and_back(several):
    bits = several[0]
    nats = bits.to("nats")
    assert (bits.unit, nats.unit) == ("bits", "nats")
    np.testing.assert_allclose(nats.ixm, bits.ixm * np.log(2), rtol=1e-15)
    now = measured(net(), unit="nats")
    for one, other in ((nats, now), (nats.to("bits"), bits)):
        single = [name for name in one.dataset if one.dataset[name].dtype == np.float32]
        exact = [result.dataset.drop_vars(single) for result in (one, other)]
        xr.testing.assert_allclose(*exact, rtol=1e-12)
        xr.testing.assert_allclose(one.dataset[single], other.dataset[single], rtol=1e-5)
    assert nats.dataset["ixm_saturated"].equals(bits.dataset["ixm_saturated"])
    with pytest.raises(ArgumentError, match="unit must be 'bits' or 'nats', got 'bytes'"):
        bits.to("bytes")
    probed = infoflow.probe(net(), LOADER, progress=False)
    with pytest.raises(ArgumentError, match="ProbeResult holds no information in bits or nats"):
        probed.to("bits")


def test_a_frame_has_what_says_something(several):
    frame = several[0].to_frame()
    assert frame["layer"].tolist() == ["0", "2"]
    assert frame.columns[:2].tolist() == ["epoch", "layer"]
    assert frame.index.tolist() == [0, 1]
    assert {"ixm", "iym", "ixm_lower", "iym_null_high"} <= set(frame)
    assert not {"ixm_ceiling", "samples", "doubt", "ixm_sketch_error"} & set(frame)
    assert frame.attrs["units"]["ixm"] == "bits"
    assert "iym" not in measured(net(), target="none").to_frame()
    sweep = measured(net(), noise=[0.1, 1.0, 10.0]).to_frame("noise")
    assert sweep.groupby("noise").size().tolist() == [2, 2, 2]
    with pytest.raises(ArgumentError, match="rows must be 'layer', 'noise' or 'stream', got 'row'"):
        several[0].to_frame("row")


def test_numbers_that_are_the_same_everywhere_stay(unet, loader):
    with pytest.warns(SaturationWarning):
        result = infoflow.analyze(unet, loader, noise=1e-9, target="none", progress=False)
    assert result.to_frame()["ixm"].nunique() <= 2
    assert len(result.to_frame()) == 23


class Checked(HTMLParser):
    """Fails on scripts and on what comes from elsewhere; counts tags."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "link", "img", "iframe")
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]
        self.seen.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked(result):
    page, parser = result._repr_html_(), Checked()
    parser.feed(page)
    assert parser.open == []
    assert len(repr(result)) < 200
    assert "\n" not in repr(result)
    return page, parser.seen


def test_a_notebook_shows_it_without_scripts(several):
    page, tags = checked(several[0])
    assert tags.count("details") == 4
    assert "I(X;M)" in page
    assert "var(--jp-content-font-color0" in page
    assert len(page) < 100_000
    checked(infoflow.concat(several, "seed"))


def test_a_name_cannot_smuggle_html(several):
    name = "<script>alert('1')</script>"
    hostile = several[0].dataset.assign_coords(layer=["0", name]).assign_attrs(model=name)
    page, _ = checked(several[0].with_dataset(hostile.assign_attrs(target=f'"{name}&amp;')))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_result_lets_its_model_go():
    model = net()
    held, result = weakref.ref(model), measured(model)
    weight = weakref.ref(model[0].weight)
    assert result.graph.has_program
    assert result.graph.values(X)["2"].shape == (40, 2)
    del model
    gc.collect()
    assert held() is None
    assert weight() is None
    assert not result.graph.has_program
    with pytest.raises(infoflow.InfoflowError, match="model of this graph has been deleted"):
        result.graph.values(X)


def test_a_graph_of_ones_own_keeps_its_model():
    graph = infoflow.trace(net(), X)
    gc.collect()
    assert graph.values(X)["2"].shape == (40, 2)


def test_a_pickle_holds_no_weights():
    wide = nn.Sequential(nn.Linear(3, 20_000), nn.Linear(20_000, 2))
    result = measured(wide, layers=["1"])
    data = pickle.dumps(result)
    assert len(data) < 40_000
    again = pickle.loads(data)
    assert again == result
    assert not again.graph.has_program
    assert again.graph.layers == result.graph.layers


def test_dictionaries_are_ready_for_json(several):
    for one in (several[0], infoflow.probe(net(), LOADER, progress=False)):
        text = json.dumps(one.to_dict(), allow_nan=False)
        assert not re.search(r"\bNaN\b|Infinity", text)


@dataclass(frozen=True)
class Peak:
    layer: str
    places: tuple[float, ...]


class Peaks(infoflow.Table[Peak]):
    dims = ("layer",)
    label = "layer"
    seed = infoflow.Fact(int)


def test_rows_with_tuples_of_several_lengths_are_joined(tmp_path):
    one = Peaks.of([Peak("a", (1.0, 2.0)), Peak("b", ())], model="Net", seed=0)
    other = Peaks.of([Peak("a", (3.0,))], model="Net", seed=1)
    both = infoflow.concat([other, one], "seed")
    assert repr(both) == "Peaks(Net: 3 layers, 2 seeds)"
    assert [row.places for row in both] == [(3.0,), (1.0, 2.0), ()]
    assert list(both.sel(seed=1)) == list(other)
    assert list(infoflow.load(both.save(tmp_path / "peaks.nc"))) == list(both)


def test_a_fact_that_differs_between_joined_results_is_told_of():
    made = [Peaks.of([Peak("a", ())], model="Net", seed=seed) for seed in (0, 1)]
    assert made[1].seed == 1
    with pytest.raises(InfoflowError, match="This Peaks has no seed: it was not stored"):
        _ = infoflow.concat(made, "net").seed


def test_a_table_without_its_columns_is_refused(tmp_path):
    made = Peaks.of([Peak("a", (1.0,))], model="Net")
    path = tmp_path / "peaks.nc"
    made.dataset.drop_vars("places").to_netcdf(path, engine="h5netcdf")
    with pytest.raises(ResultFileError, match="lacks places, which every Peaks has"):
        infoflow.load(path)
