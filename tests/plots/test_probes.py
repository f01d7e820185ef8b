"""What the figure of read-outs shows, and that it stands under a U-Plot."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from torch.utils.data import DataLoader

import infoflow
from infoflow import plots
from infoflow.testing import UNet


@pytest.fixture(scope="module")
def found(blobs):
    loader = DataLoader(blobs, batch_size=10)
    return infoflow.probe(UNet(base_channels=2), loader, folds=2, pixels=8, progress=False)


def test_a_line_for_each_metric_its_band_and_chance(found):
    ax = plots.probes(found)
    lines = {line.get_label(): line for line in ax.lines}
    for metric, name in (("dice", "Dice"), ("iou", "IoU")):
        x, y = lines[name].get_data()
        np.testing.assert_array_equal(x, np.arange(23))
        np.testing.assert_array_equal(y, found.dataset[metric])
    dashed = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed == [found.dataset["dice_chance"], found.dataset["iou_chance"]]
    band = ax.collections[0].get_paths()[0].vertices
    top = found.dataset["dice"] + found.dataset["dice_sd"]
    assert band[:, 1].max() == pytest.approx(float(top.max()))
    assert ax.get_ylabel() == "Dice, IoU"


def test_layers_stand_under_those_of_the_u_plot(unet, loader, found):
    flow = infoflow.analyze(unet, loader, target="none", noise=100.0, progress=False)
    figure, (above, below) = plt.subplots(2, 1, sharex=True, layout="constrained")
    plots.uplot(flow, above, quantity="ixm")
    assert plots.probes(found, below) is below
    figure.canvas.draw()
    assert above.get_xlim() == below.get_xlim()
    one, other = above.get_position(), below.get_position()
    assert (one.x0, one.x1) == pytest.approx((other.x0, other.x1))
    bold = [label.get_text() for label in below.get_xticklabels() if label.get_weight() == "bold"]
    assert bold == ["11", "14", "17", "20"]
    dotted = [line.get_xdata()[0] for line in below.lines if line.get_linestyle() == ":"]
    assert dotted == [11, 14, 17, 20]


def test_a_few_layers_keep_their_indices(unet, loader):
    some = infoflow.probe(unet, loader, layers=[3, 17], folds=2, pixels=8, progress=False)
    np.testing.assert_array_equal(plots.probes(some).lines[0].get_xdata(), [3, 17])
