"""The data that figures show, not their pixels."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torchvision
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, PathPatch
from torch import nn
from torch.utils.data import DataLoader

import infoflow
from infoflow import plots
from infoflow.interface import ArgumentError
from infoflow.testing import UNet, blob_images
from tests import tiers


@pytest.fixture(scope="module")
def measured(blobs):
    torch.manual_seed(0)
    unet, loader = UNet(base_channels=4), DataLoader(blobs, batch_size=10)
    tracker = infoflow.Tracker(
        unet,
        loader,
        schedule=[0, 1, 30],
        target=infoflow.KMeans(3),
        noise=100.0,
        progress=False,
    )
    for epoch in (0, 1, 30):
        tracker.record(epoch)
        with torch.no_grad():
            unet.output.weight += 1
    return tracker.result


@pytest.fixture
def result(measured):
    """A copy, which a test may change."""
    return measured.with_dataset(measured.dataset.copy(deep=True))


@pytest.mark.parametrize("quantity", ["ixm", "iym"])
def test_uplot_draws_a_line_per_epoch_and_the_ceiling(result, quantity):
    ax = plots.uplot(result, quantity=quantity)
    lines = {line.get_label(): line for line in ax.lines}
    for epoch in result.epochs:
        x, y = lines[f"epoch {epoch}"].get_data()
        np.testing.assert_array_equal(x, np.arange(23))
        np.testing.assert_array_equal(y, result.dataset[quantity].sel(epoch=epoch))
    ceiling = float(result.dataset[f"{quantity}_ceiling"][0])
    assert any(np.all(np.asarray(line.get_ydata()) == ceiling) for line in ax.lines)
    assert ax.get_ylabel() == f"I({quantity[1].upper()};M) (bits)"


def test_uplot_marks_merges_and_labels_skips(result):
    ax = plots.uplot(result)
    dotted = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
    assert dotted == [11, 14, 17, 20]
    arcs = [patch for patch in ax.patches if isinstance(patch, PathPatch)]
    ends = [tuple(arc.get_path().vertices[[0, -1], 0]) for arc in arcs]
    assert ends == [(7, 11), (5, 14), (3, 17), (1, 20)]
    texts = {text.get_text() for text in ax.texts}
    assert {"7→11", "5→14", "3→17", "1→20"} <= texts


def test_uplot_hollows_saturated_points(result):
    result.dataset["iym_saturated"][:] = 0
    result.dataset["iym_saturated"][:, 4] = 1
    ax = plots.uplot(result, epochs=[30])
    full, hollow = ax.collections[:2]
    assert len(full.get_offsets()) == 22
    assert hollow.get_offsets()[0, 0] == 4
    assert hollow.get_facecolor()[0].tolist() == [1, 1, 1, 1]


def test_separated_points_have_a_white_core(result):
    for name in ("ixm_saturated", "iym_saturated", "iym_separated"):
        result.dataset[name][:] = 0
    result.dataset["iym_separated"][:, 4] = 1
    for ax in (plots.uplot(result, epochs=[30]), plots.information_plane(result, layer=4)):
        assert white_points(ax) in (1, 3)
    assert white_points(plots.uplot(result, quantity="ixm", epochs=[30])) == 0


def white_points(ax):
    white = [c for c in ax.collections if c.get_facecolor()[:, :3].tolist() == [[1, 1, 1]]]
    return sum(len(core.get_offsets()) for core in white)


def test_plots_draw_on_the_given_axes_and_return_them(result):
    figure, panels = plt.subplots(1, 3)
    for function, ax in zip(
        (plots.uplot, plots.information_plane, plots.layer_graph), panels, strict=True
    ):
        assert function(result, ax) is ax
    assert isinstance(plots.information_planes(result), Figure)
    figure.canvas.draw()


def test_information_planes_have_a_panel_per_layer_on_the_same_axes(result):
    figure = plots.information_planes(result)
    panels = [ax for ax in figure.axes if ax.get_title()]
    assert [ax.get_title().split()[0] for ax in panels] == [str(i) for i in range(23)]
    assert len({(ax.get_xlim(), ax.get_ylim()) for ax in panels}) == 1
    points = panels[5].collections[0].get_offsets()
    np.testing.assert_array_equal(points[:, 0], result.ixm[:, 5])
    np.testing.assert_array_equal(points[:, 1], result.iym[:, 5])


def test_information_plane_of_one_layer(result):
    ax = plots.information_plane(result, layer=22)
    assert ax.get_title() == "22  output"
    assert len(ax.collections[0].get_offsets()) == 3


def test_layer_graph_draws_every_layer_and_stream(result):
    ax = plots.layer_graph(result.graph)
    assert {str(i) for i in range(23)} <= {text.get_text() for text in ax.texts}
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    to_output = 1
    assert len(arrows) == result.graph.to_networkx().number_of_edges() + to_output


@pytest.mark.parametrize(
    "name", ["resnet18", tiers.thorough("densenet121"), tiers.thorough("vit_b_16")]
)
def test_layer_graphs_and_uplots_of_large_nets(name):
    model = torchvision.models.get_model(name, weights=None)
    shape = (3, 224, 224) if name == "vit_b_16" else (3, 64, 64)
    result = (
        infoflow.analyze(model, [torch.rand(3, *shape)], noise=1e4, progress=False, layers="merges")
        if name == "resnet18"
        else None
    )
    graph = infoflow.trace(model, torch.rand(1, *shape)) if result is None else result.graph
    ax = plots.layer_graph(graph)
    assert ax.get_title().endswith("merges")
    if result is not None:
        assert isinstance(plots.uplot(result, quantity="ixm"), Axes)


def test_where_a_tracker_counts_steps_the_figures_say_step(unet, loader):
    tracker = infoflow.Tracker(unet, loader, target="none", noise=100.0, progress=False)
    for step in (0, 20):
        tracker.record(step, step=step)
    ax = plots.uplot(tracker.result, quantity="ixm")
    assert "step 20" in [line.get_label() for line in ax.lines]
    assert [one.get_ylabel() for one in ax.figure.axes[1:]] == ["step"]


def test_one_epoch_has_no_colour_bar(unet, loader):
    result = infoflow.analyze(unet, loader, target="none", noise=100.0, progress=False)
    ax = plots.uplot(result, quantity="ixm")
    assert len(ax.figure.axes) == 1


def test_wrong_arguments(unet, loader, result):
    with pytest.raises(ValueError, match="quantity must be 'ixm' or 'iym', got 'mi'"):
        plots.uplot(result, quantity="mi")
    with pytest.raises(ValueError, match=r"epochs must be among the measured ones, \[0, 1, 30\]"):
        plots.uplot(result, epochs=[5])
    without = infoflow.analyze(unet, loader, target="none", noise=100.0, progress=False)
    for function in (plots.uplot, plots.information_plane, plots.information_planes):
        with pytest.raises(ValueError, match="needs a result with a target"):
            function(without)


def arcs(ax):
    return sum(
        patch.get_transform() != ax.transData and not patch.get_clip_on() for patch in ax.patches
    )


@pytest.mark.parametrize(("layers", "count"), [("encoder*", 0), ("decoder*", 0), ("merges", 4)])
def test_arcs_end_at_layers_that_are_shown(layers, count):
    images, masks = blob_images(8, size=32)
    loader = [(images, masks)]
    result = infoflow.analyze(
        UNet(base_channels=2),
        loader,
        layers=layers,
        target=infoflow.KMeans(2),
        noise=100.0,
        progress=False,
    )
    assert arcs(infoflow.plots.uplot(result)) == count


def test_without_i_x_m_there_is_no_picture_of_it():
    x = torch.randn(24, 2, generator=torch.Generator().manual_seed(0))
    loader = [(x, (x[:, 0] > 0).long())]
    result = infoflow.analyze(torch.nn.Linear(2, 2), loader, estimator="ksg", progress=False)
    with pytest.raises(ArgumentError, match="which this estimator does not give"):
        infoflow.plots.uplot(result, quantity="ixm")
    with pytest.raises(ArgumentError, match="which this estimator does not give"):
        infoflow.plots.information_planes(result)
    assert infoflow.plots.uplot(result).get_ylabel() == "I(Y;M) (bits)"


def test_a_single_layer_has_its_interval():
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    loader = [(x, (x[:, 0] > 0).long())]
    result = infoflow.analyze(torch.nn.Linear(2, 2), loader, noise=1.0, progress=False)
    ax = infoflow.plots.uplot(result)
    low, high = (float(result.dataset[f"iym_ci_{end}"][0, 0]) for end in ("low", "high"))
    segments = [s for c in ax.collections if hasattr(c, "get_segments") for s in c.get_segments()]
    assert any(s[:, 1].tolist() == pytest.approx([low, high]) for s in segments)


def test_the_null_of_a_single_layer_has_a_width():
    torch.manual_seed(0)
    loader = [(torch.rand(30, 3), torch.arange(30) % 3)]
    result = infoflow.analyze(nn.Linear(3, 4), loader, progress=False)
    ax = infoflow.plots.uplot(result)
    (area,) = [c for c in ax.collections if str(c.get_label()).startswith("null")]
    assert np.ptp(area.get_paths()[0].vertices[:, 0]) == pytest.approx(0.8)


def test_epochs_of_numpy_are_epochs():
    loader = [(torch.rand(30, 3), torch.arange(30) % 3)]
    result = infoflow.analyze(nn.Linear(3, 4), loader, progress=False)
    assert infoflow.plots.uplot(result, epochs=np.array([0])) is not None
    assert infoflow.plots.uplot(result, epochs=0) is not None
