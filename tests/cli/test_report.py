"""``infoflow report``: saved results as a page."""

import pytest
import torch

import infoflow


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2))
    points = [
        (torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 2)
    ]
    flow = infoflow.analyze(net, points, noise=1.0, progress=False)
    return flow.save(tmp_path_factory.mktemp("results") / "seed 0.nc")


def test_files_become_a_page(saved, infoflow_command, tmp_path):
    graph = infoflow.load(saved).graph.save(tmp_path / "graph.nc")
    out = tmp_path / "new" / "page.html"
    code, printed, errors = infoflow_command("report", saved, graph, "--out", out, "--title", "Net")
    assert (code, printed, errors) == (0, f"Wrote {out}\n", "")
    text = out.read_text()
    assert "<h1>Net</h1>" in text
    assert "seed 0 (FlowResult)" in text


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("page.pdf", "--out must end in .html, as pages do"),
        ("", "is a folder, expected a file"),
        ("mine.html", "exists already and is no report. Choose another path, or pass --overwrite."),
    ],
)
def test_a_wrong_place_is_told_before_anything_is_read(out, message, infoflow_command, tmp_path):
    (tmp_path / "mine.html").write_text("mine")
    code, _, errors = infoflow_command("report", "missing.nc", "--out", tmp_path / out)
    assert code == 2
    assert message in errors
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_files_that_are_no_results(saved, infoflow_command, tmp_path):
    out = tmp_path / "page.html"
    (tmp_path / "note.nc").write_text("no result")
    for file, message in (("gone.nc", "There is no file"), ("note.nc", "cannot be read as")):
        code, _, errors = infoflow_command("report", tmp_path / file, "--out", out)
        assert (code, errors.count("\n")) == (2, 1)
        assert message in errors
    code, _, errors = infoflow_command("report", saved, saved, "--out", out)
    assert (code, "is given twice" in errors) == (2, True)
    assert not out.exists()
