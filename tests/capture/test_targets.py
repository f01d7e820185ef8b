"""Reducing Y to classes."""

import math

import pytest
import torch
from sklearn.cluster import KMeans as Oracle

import infoflow
from infoflow.capture.target_choice import GivenLabels, make_target
from infoflow.capture.targets import KMeans
from infoflow.interface import ArgumentError, ArgumentTypeError, SingletonWarning, TargetError


def test_class_labels_report_entropy_and_singletons():
    with pytest.warns(SingletonWarning, match="2 of the 3 classes"):
        labels = infoflow.ClassLabels().reduce(torch.tensor([5, 5, 5, 7, 9]))
    probabilities = [3 / 5, 1 / 5, 1 / 5]
    assert labels.entropy == pytest.approx(-sum(p * math.log(p) for p in probabilities))
    assert labels.singleton_classes == 2


def test_kmeans_is_scikit_learns():
    masks = (torch.rand(40, 1, 6, 6) > 0.5).float()
    labels = infoflow.KMeans(clusters=3, seed=1).reduce(masks)
    expected = Oracle(3, n_init=10, random_state=1).fit_predict(masks.reshape(40, -1).numpy())
    assert labels.classes.tolist() == expected.tolist()


def test_kmeans_of_few_distinct_masks_has_fewer_classes():
    masks = torch.zeros(10, 1, 4, 4)
    masks[5:] = 1.0
    labels = infoflow.KMeans(clusters=5).reduce(masks)
    assert labels.entropy == pytest.approx(math.log(2))


def test_coarsening_counts_pixels_above_the_threshold():
    masks = torch.zeros(5, 128, 128)
    masks[0, :8, :8] = 1  # 64 pixels: not more than the threshold
    masks[1, :8, :9] = 1  # 72 pixels of the first block
    masks[2, :8, -9:] = 1  # of the fourth block
    masks[3, 31, -20:] = masks[3, 0:3, -20:] = 1  # 80 pixels, of the fourth block
    first, second, third, fourth, last = infoflow.Coarsening().reduce(masks).classes.tolist()
    assert len({first, second, third}) == 3
    assert (fourth, last) == (third, first)


def test_a_sixteenth_of_a_block_is_the_threshold_unless_one_is_given():
    masks = torch.zeros(3, 32, 32)  # blocks of 64 pixels
    masks[0, 0, :4] = 1  # 4 pixels: a sixteenth, and not more
    masks[1, 0, :5] = 1
    first, second, empty = infoflow.Coarsening().reduce(masks).classes.tolist()
    assert first == empty != second
    given = infoflow.Coarsening(threshold=3).reduce(masks).classes.tolist()
    assert given[0] == given[1] != given[2]


def test_class_labels_of_the_output_are_the_most_likely_class():
    logits = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.4]])
    assert infoflow.ClassLabels(of="output").reduce(logits).classes.tolist() == [1, 0, 1]


def test_auto_takes_classes_as_they_are_and_clusters_masks():
    assert make_target("auto", None) is None
    assert make_target("none", torch.zeros(4)) is None
    assert isinstance(make_target("auto", torch.zeros(4)), infoflow.ClassLabels)
    assert isinstance(make_target("auto", torch.zeros(4, 1)), infoflow.ClassLabels)
    assert isinstance(make_target("auto", torch.zeros(4, 1, 8, 8)), infoflow.KMeans)
    assert isinstance(make_target([0, 1, 0, 1], None), GivenLabels)


@pytest.mark.parametrize(
    ("reduce", "message"),
    [
        (lambda: infoflow.KMeans().reduce(torch.rand(10, 4)), "10 samples for 64 clusters"),
        (lambda: infoflow.ClassLabels().reduce(torch.zeros(4)), "same class for all 4 samples"),
        (lambda: infoflow.ClassLabels().reduce(torch.rand(4)), "Cut a continuous Y into classes"),
        (lambda: infoflow.ClassLabels().reduce(torch.zeros(4, 3)), "one class for each"),
        (lambda: infoflow.KMeans(2).reduce(torch.full((4, 3), torch.nan)), "NaN or infinity in 4"),
        (lambda: infoflow.Coarsening((1, 1)).reduce(torch.full((4, 2, 2), torch.inf)), "be finite"),
        (lambda: infoflow.Coarsening().reduce(torch.zeros(2, 1, 30, 30)), "sides are multiples"),
        (lambda: GivenLabels(torch.tensor([0, 1])).reduce(torch.zeros(3)), "each of the 3 samples"),
    ],
)
def test_wrong_targets(reduce, message):
    with pytest.raises(TargetError, match=message):
        reduce()


@pytest.mark.parametrize(
    "make",
    [
        lambda: infoflow.KMeans(clusters=1),
        lambda: infoflow.KMeans(restarts=0),
        lambda: infoflow.Coarsening(blocks=(0, 4)),
        lambda: make_target(object(), None),
        lambda: make_target({"a": 1}, None),
    ],
)
def test_reducers_that_make_no_sense(make):
    with pytest.raises(ValueError, match=r"needs at least|must be an array with a class"):
        make()


def test_unknown_name():
    with pytest.raises(ValueError, match="target must be one of auto, none, labels"):
        make_target("cluster", None)


def test_no_target_is_written_none():
    with pytest.raises(ArgumentError, match="target='none'"):
        make_target(None, None)


@pytest.mark.parametrize("make", [infoflow.KMeans, infoflow.ClassLabels, infoflow.Coarsening])
def test_what_is_reduced_is_the_target_or_the_output(make):
    with pytest.raises(ArgumentError, match="of must be 'target' or 'output', got 'outputs'"):
        make(of="outputs")


def test_a_class_in_the_place_of_a_target():
    with pytest.raises(ArgumentTypeError, match=r"got the class KMeans\. Write KMeans\(\)"):
        make_target(infoflow.KMeans, None)


def test_whole_numbers_of_several_columns_are_no_clear_target():
    with pytest.raises(TargetError, match="token ids, or several labels for each sample"):
        make_target("auto", torch.randint(0, 9, (12, 5)))
    assert isinstance(make_target("auto", torch.eye(5).long().repeat(3, 1)), infoflow.ClassLabels)
    assert isinstance(make_target("auto", torch.rand(12, 5)), KMeans)
    assert isinstance(make_target("auto", torch.randint(0, 2, (12, 1, 8, 8))), KMeans)


@pytest.mark.parametrize(("samples", "clusters"), [(20, 2), (160, 10), (2000, 64)])
def test_masks_are_clustered_so_that_clusters_have_samples(samples, clusters):
    target = make_target("auto", torch.rand(samples, 1, 4, 4))
    assert target == infoflow.KMeans(clusters=clusters)
