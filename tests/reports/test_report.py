"""One page from any results: what it says, what it holds, and what it keeps out."""

import base64
import hashlib
import io
import re

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import infoflow
from infoflow.pruning.advice_wording import INFORMATION
from infoflow.reports.content import Picture
from infoflow.reports.pictures import Gallery
from tests.pruning.race.test_race import known_race
from tests.reports.conftest import flow_of
from tests.reports.reading import Page


@pytest.fixture(scope="module")
def whole(results, tmp_path_factory):
    """Return the page of all that is of one net."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    kept = {name.lower(): one for name, one in results.items() if name != "Validation"}
    return Page(infoflow.report(kept, path, title="All of <it>"))


@pytest.fixture
def page_of(tmp_path, monkeypatch):
    """Return a function that writes a report, without figures unless asked for, and reads it."""

    def written(given, *, figures=False, **options):
        if not figures:
            monkeypatch.setattr(Gallery, "draw", lambda *_, **about: empty_picture(**about))
        return Page(infoflow.report(given, tmp_path / "report.html", **options))

    return written


def empty_picture(*, caption, alt):
    empty_picture.count += 1
    return Picture(f"empty-{empty_picture.count}", "<svg></svg>", 1.0, 1.0, caption, alt)


empty_picture.count = 0


# ------------------------------------------------------------------------------ what it says


def check_numbers(result, page):
    """Check that JSON and CSV hold the frame of a result."""
    frame = result.to_frame()
    found = next(data for data in page.data if data["kind"] == result.kind)
    assert list(found["columns"]) == list(frame.columns)
    for name, column in found["columns"].items():
        assert len(column) == len(frame)
        if frame[name].dtype.kind == "f":
            numbers = np.array([np.nan if value is None else value for value in column])
            np.testing.assert_allclose(numbers, frame[name], rtol=1e-6, equal_nan=True)
    again = [pd.read_csv(io.StringIO(text)) for text in page.csv.values()]
    assert any(list(one.columns) == list(frame.columns) for one in again)


@pytest.mark.thorough
def test_every_kind_has_its_section_and_its_numbers(results, whole):
    kinds = set(results) - {"Validation"}
    assert len(whole.of("section")) == 2 + len(kinds)
    for kind in kinds:
        check_numbers(results[kind], whole)


def test_a_result_without_a_net_has_a_page(results, page_of):
    check_numbers(results["Validation"], page_of(results["Validation"]))


@pytest.mark.thorough
def test_the_conclusion_comes_first(results, whole):
    plain = whole.plain
    assert plain.index(results["Ablation"].conclusion) < plain.index("UNet has 23 layers")
    assert INFORMATION not in plain


def test_information_alone_says_that_it_cannot_tell(results, page_of):
    assert INFORMATION in page_of(results["FlowResult"]).plain


def test_a_graph_alone_says_what_to_measure(results, page_of):
    assert "Measure that with infoflow.ablate." in page_of(results["LayerGraph"]).plain


@pytest.mark.thorough
def test_the_table_of_layers_has_the_numbers_of_the_last_epoch(results, whole):
    last = results["FlowResult"].dataset.isel(epoch=-1)
    rows = whole.table("shuffled")
    assert [row["layer"] for row in rows] == results["FlowResult"].layers
    assert [row["I(Y;M)"] for row in rows] == [f"{value:.3f}" for value in last["iym"].values]


@pytest.mark.thorough
def test_the_table_of_streams_has_the_bits_and_verdicts(results, whole):
    rows = whole.table("as it is")
    expected = [(str(r.skip), r.verdict, f"{r.plain.value:z.4f}") for r in results["Ablation"].rows]
    assert [(row["stream"], row["verdict"], row["as it is"]) for row in rows] == expected


def with_flags(flow, name, count):
    dataset = flow.dataset.copy(deep=True)
    dataset[name][-1, :] = 0
    dataset[name][-1, :count] = 1
    return flow.with_dataset(dataset)


def test_a_doubt_is_said_at_the_top_and_beside_its_numbers(results, page_of):
    page = page_of(with_flags(results["FlowResult"], "ixm_saturated", 7))
    assert page.plain.count("I(X;M) is saturated in 7 layers of 23") == 2
    assert [row["note"] for row in page.table("shuffled")].count("saturated") >= 7


def test_an_ablation_says_which_streams_it_cannot_tell_and_why(results, page_of):
    ablation = results["Ablation"]
    middle = float(ablation.rows[0].plain.value)
    unsure = ablation.with_tolerance(max(middle, 1e-3))
    row = next(row for row in unsure.rows if row.verdict == "cannot tell")
    assert f": {row.reason}." in page_of(unsure).plain


def test_a_race_shows_its_curves_and_verdicts(page_of):
    race = known_race(seeds=(0,))
    page = page_of(race)
    assert race.conclusion in page.plain
    assert "Every variant was trained once" in page.plain
    assert [row["variant"] for row in page.table("whole curve")] == [row.name for row in race.rows]


def test_a_smaller_net_is_shown_beside_the_whole_one(results, page_of):
    numbers = {"whole_bits": 0.3, "bits": 0.002, "bits_low": -0.001, "bits_high": 0.005}
    numbers |= {"time": 0.8, "tolerance": 0.01, "metric_tolerance": 0.02}
    numbers |= {"metric_whole": 0.9, "metric_other": 0.89, "metric_lost": 0.01}
    numbers |= {"metric_low": -0.01, "metric_high": 0.03}
    variables = {name: ((), value, {"units": "bits per pixel"}) for name, value in numbers.items()}
    sizes = {"parameters": ("net", [200, 150]), "multiply_adds": ("net", [np.nan, np.nan])}
    about = {"model": "UNet", "metric": "dice", "samples": 300, "verdict": "within tolerance"}
    found = infoflow.NetComparison(
        xr.Dataset({**variables, **sizes}, attrs={**about, "reason": ""})
    )
    page = page_of([results["FlowResult"], found])
    assert INFORMATION not in page.plain
    assert f"The smaller net: w{found.title()[1:]}." in page.plain
    rows = {row["of"]: row for row in page.table("smaller")}
    assert rows["dice"] == {
        "of": "dice",
        "whole": "0.9000",
        "smaller": "0.8900",
        "change": "-0.0100",
        "95 %": "-0.0300 to +0.0100",
    }
    assert rows["parameters"]["change"] == "-25.0%"
    assert rows["multiply-adds"]["change"] == "–"


def test_joined_results_are_shown_part_by_part(results, page_of):
    flow = results["FlowResult"]
    page = page_of(infoflow.concat([flow, flow], "seed"))
    titles = page.inside("h2")
    assert [title for title in titles if title.startswith("Information")] == [
        "Information: seed 0",
        "Information: seed 1",
    ]


def test_a_result_of_ones_own_is_shown_as_a_table(page_of):
    class Silent(infoflow.Result):
        dims = ("layer",)

    share = ("layer", [0.0, 0.4], {"units": "1"})
    page = page_of(Silent(xr.Dataset({"zeros": share}, {"layer": ["conv", "relu"]})))
    assert [row["zeros (1)"] for row in page.table("zeros (1)")] == ["0", "0.4"]


@pytest.mark.thorough
def test_settings_and_data_are_said(results, whole):
    assert results["Ablation"].dataset.attrs["fingerprint"] in whole.plain
    measured_with = results["Ablation"].dataset.attrs["infoflow_versions"]
    assert f"torch {torch.__version__}, " in measured_with
    assert f"measured with {measured_with}" in whole.plain


# ------------------------------------------------------------------------------ what it keeps out


@pytest.mark.thorough
def test_only_what_is_in_the_page_may_run(whole):
    sheet, script = whole.inside("style")[0], whole.inside("script")[-1]
    hashes = [
        base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in (sheet, script)
    ]
    assert whole.policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; "
        f"script-src 'sha256-{hashes[1]}'; base-uri 'none'; form-action 'none'"
    )
    for _, attributes in whole.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        links = [attributes[name] for name in ("href", "src") if name in attributes]
        assert all(link.startswith(("#", "data:")) for link in links)
    assert not re.search(r"url\((?!#)|@import", whole.text)


@pytest.mark.thorough
def test_links_lead_to_what_is_there_once(whole):
    names = [attributes["id"] for _, attributes in whole.elements if "id" in attributes]
    assert len(set(names)) == len(names)
    links = [attributes.get("href", "") for _, attributes in whole.elements]
    data = {f"data-{a['download'].removesuffix('.json')}" for a in whole.of("a") if "hidden" in a}
    clips = re.findall(r"url\(#([\w-]+)\)", whole.text)
    wanted = {link[1:] for link in links if link.startswith("#")} | set(clips)
    assert wanted - data <= set(names)


class Odd(torch.nn.Module):
    """Layers whose names are code, mathematics and broken markup."""

    names = ("<script>alert(1)</script>", "a\"b'&amp;</style>", r"$\frac$", "\x07bell")

    def __init__(self):
        super().__init__()
        for name in self.names:
            self.add_module(name, torch.nn.Linear(3, 3))

    def forward(self, x):
        for layer in self.children():
            x = x + layer(x).tanh()
        return x


def test_a_layer_called_script_is_text(page_of):
    points = [(torch.randn(12, 3), torch.arange(12) % 2)]
    flow = infoflow.analyze(Odd(), points, noise=1.0, progress=False)
    page = page_of(flow, title="<img src=x onerror=alert(1)>", figures=True)
    assert page.inside("title") == ["<img src=x onerror=alert(1)>"]
    assert page.table("shuffled")[0]["layer"] == Odd.names[0]
    assert page.of("img") == []
    assert len(page.of("script")) == len(page.data) + 1
    assert Odd.names[0] in page.data[1]["columns"]["layer"]
    assert Odd.names[0] in page.csv["odd-flowresult.csv"]
    assert not any("alert" in text for text in page.inside("style"))


@pytest.mark.thorough
def test_figures_are_text_and_have_their_looks_in_the_one_sheet(whole):
    assert len(whole.of("svg")) >= 5
    assert "decoder.0.0" in whole.inside("text")
    used = {
        a["class"] for tag, a in whole.elements if tag in ("path", "use", "text") if "class" in a
    }
    sheet = whole.inside("style")[0]
    assert all(f".{name}{{" in sheet for name in used)
    assert "#ffffff" not in sheet


def test_the_users_style_changes_neither_the_page_nor_its_figures(results, page_of):
    import matplotlib.pyplot as plt

    with plt.style.context("dark_background"):
        dark = page_of(results["LayerGraph"], figures=True)
    plain = page_of(results["LayerGraph"], figures=True)
    assert dark.inside("style") == plain.inside("style")
    assert plt.get_fignums() == []


@pytest.mark.thorough
def test_a_page_of_a_unet_is_small(whole):
    assert len(whole.text.encode()) < 1_000_000


@pytest.mark.thorough
def test_a_page_of_a_densenet_is_small(tmp_path):
    from torchvision.models import densenet121

    data = [(torch.randn(24, 3, 64, 64), torch.arange(24) % 3)]
    with pytest.warns(infoflow.SaturationWarning):
        flow = infoflow.analyze(
            densenet121(weights=None, num_classes=3), data, distances="sketch", progress=False
        )
    assert infoflow.report(flow, tmp_path / "page.html").stat().st_size < 3_000_000


# ------------------------------------------------------------------------------ wrong input


def test_nothing_to_report(tmp_path):
    with pytest.raises(infoflow.ArgumentError, match="at least one result, got none"):
        infoflow.report([], tmp_path / "page.html")


def test_what_is_no_result(tmp_path):
    with pytest.raises(infoflow.ArgumentTypeError, match=r"got str\. Read a file with infoflow.lo"):
        infoflow.report("flow.nc", tmp_path / "page.html")


def test_results_of_different_nets(results, tmp_path):
    points = [(torch.randn(12, 3), torch.arange(12) % 2)]
    other = infoflow.analyze(torch.nn.Sequential(torch.nn.Linear(3, 3)), points, progress=False)
    message = r"one net, got FlowResult \(UNet with 23 layers\) and FlowResult \(Sequential with 1"
    with pytest.raises(infoflow.ArgumentError, match=message):
        infoflow.report([results["FlowResult"], other], tmp_path / "page.html")


def test_another_file_is_kept_and_an_older_report_replaced(results, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<p>mine</p>")
    with pytest.raises(infoflow.ArgumentError, match="exists already and is no report"):
        infoflow.report(results["LayerGraph"], path)
    assert path.read_text() == "<p>mine</p>"
    infoflow.report(results["LayerGraph"], path, overwrite=True)
    infoflow.report(results["LayerGraph"], path, title="Again")
    assert Page(path).inside("h1") == ["Again"]
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


def test_a_folder_and_a_place_that_cannot_be_written(results, tmp_path):
    with pytest.raises(infoflow.ArgumentError, match=r"HTML page.*Take report\.html, and print"):
        infoflow.report(results["LayerGraph"], tmp_path / "report.pdf")
    with pytest.raises(infoflow.ArgumentError, match="is a folder, expected a file"):
        infoflow.report(results["LayerGraph"], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(infoflow.ResultFileError, match="Cannot write the page"):
        infoflow.report(results["LayerGraph"], tmp_path / "file" / "page.html")


def test_two_seeds_have_names_and_anchors_of_their_own(results, page_of):
    from infoflow.testing import UNet, blob_images

    torch.manual_seed(1)
    other = flow_of(UNet(base_channels=2), *blob_images(24, size=16, seed=0))
    page = page_of({"first": results["FlowResult"], "second": other})
    assert {"Information: first", "Information: second"} <= set(page.inside("h2"))
    assert {"information", "information-2"} <= {a.get("id") for a in page.of("section")}
