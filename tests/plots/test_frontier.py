"""The figure of a frontier shows its numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import infoflow
from infoflow.interface import ArgumentError
from tests.pruning.ablation.nets import clusters, loader, trained


@pytest.fixture(scope="module")
def ablation():
    return infoflow.ablate(
        trained(), loader(*clusters(300, seed=3)), mend=None, progress=False, tolerance=0.5
    )


def test_points_and_tolerance_are_those_of_the_ablation(ablation):
    points = ablation.frontier()
    ax = infoflow.plots.frontier(ablation, saving="parameters")
    path = ax.lines[0].get_xydata()
    np.testing.assert_allclose(path[:, 0], [point.parameters for point in points])
    np.testing.assert_allclose(path[:, 1], [point.bits for point in points])
    heights = [segment[:, 1] for bars in ax.containers for segment in bars[2][0].get_segments()]
    np.testing.assert_allclose(heights, [[point.low, point.high] for point in points])
    (rule,) = [line for line in ax.lines if line.get_label() == "tolerance"]
    assert set(rule.get_ydata()) == {ablation.tolerance}
    assert ax.get_ylabel() == "bits per label lost"


def test_it_draws_on_the_axes_that_it_gets(ablation):
    _, ax = plt.subplots()
    assert infoflow.plots.frontier(ablation, ax=ax) is ax
    assert [int(x) for x in ax.lines[0].get_xdata()] == [
        len(point.streams) for point in ablation.frontier()
    ]


def test_what_cannot_be_drawn(ablation):
    with pytest.raises(ArgumentError, match="saving must be one of streams"):
        infoflow.plots.frontier(ablation, saving="money")
    empty = ablation.with_dataset(ablation.dataset.isel(point=slice(0)))
    with pytest.raises(ArgumentError, match="has no frontier"):
        infoflow.plots.frontier(empty)
