"""What the numbers of Y mean: numbers for "not labelled", class numbers."""

import numpy as np
import pytest
import torch

import infoflow
from infoflow.capture.batches import Samples
from infoflow.capture.cluster_points import cluster_points
from infoflow.capture.labels import RawClasses
from infoflow.estimators.probe_features import class_numbers
from infoflow.estimators.probe_task import ask
from infoflow.estimators.scores import count_overlaps, score
from infoflow.estimators.void import unlabelled
from infoflow.flow.probing import _held_out
from infoflow.interface import UnlabelledWarning
from tests.capture.labelled import N, images, loader, maps, net

# ---------------------------------------------------------------------- which numbers are void


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.int32, torch.float32])
def test_255_is_seen_among_classes_of_any_type(dtype):
    with pytest.warns(UnlabelledWarning, match="255 marks .* ignore_index=255"):
        found = unlabelled(maps(255, dtype=dtype))
    assert torch.equal(found, maps(255) == 255)


def test_minus_100_is_seen_beside_classes():
    with pytest.warns(UnlabelledWarning, match="-100 marks"):
        assert torch.equal(unlabelled(maps(-100)), maps(-100) == -100)


@pytest.mark.parametrize(
    "raw",
    [
        255 * (maps() > 0),  # black and white
        torch.arange(256).reshape(1, 16, 16).repeat(2, 1, 1),  # grey
        torch.arange(300),  # three hundred classes
        torch.tensor([[[-3.5, -100.0]]]),  # magnitudes
        torch.full((4, 2, 2), 156, dtype=torch.uint8),  # -100 as a byte
        maps() > 0,
    ],
)
def test_what_only_looks_like_a_void_number_keeps_its_meaning(raw):
    assert unlabelled(raw) is None


def test_several_numbers_may_be_named_and_none_at_all():
    masks = maps(7)
    masks[0, 0, 0] = 9
    assert torch.equal(unlabelled(masks, (7, 9)), (masks == 7) | (masks == 9))
    assert unlabelled(maps(255), None) is None


@pytest.mark.parametrize("wrong", ["void", 2.5, [1, "a"], True])
def test_wrong_ignore_index_is_refused(wrong):
    with pytest.raises(infoflow.TargetError, match="ignore_index must be a whole number"):
        infoflow.KMeans(ignore_index=wrong)


# ---------------------------------------------------------------------- clusters


@pytest.mark.filterwarnings("ignore::infoflow.interface.UnlabelledWarning")
@pytest.mark.parametrize("void", [255, -100])
def test_clusters_of_masks_with_void_pixels_are_those_of_whole_masks(void):
    whole = infoflow.KMeans(clusters=3).reduce(maps()).classes
    found = infoflow.KMeans(clusters=3).reduce(maps(void)).classes
    pairs = {(int(a), int(b)) for a, b in zip(whole, found, strict=True)}
    assert len(pairs) == 3


def test_class_numbers_are_categories_and_no_magnitudes():
    """Class 90 is as far from 1 as 2 is; by magnitude 1 and 2 would be one cluster."""
    points = cluster_points(torch.tensor([1, 2, 90]).reshape(3, 1, 1).expand(3, 2, 2))
    apart = torch.cdist(points, points)
    assert torch.allclose(apart[0, 1], apart[0, 2])
    assert torch.allclose(apart[0, 1], apart[1, 2])


def test_binary_and_grey_maps_are_compared_by_their_values():
    binary = (maps() > 0).float()
    assert torch.equal(cluster_points(binary), binary.flatten(1))
    grey = torch.rand(4, 1, 3, 3)
    assert torch.equal(cluster_points(grey), grey.flatten(1))


def test_gaps_count_as_the_mean_of_the_other_samples():
    raw = torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]], [[1.0, 255.0]]])
    assert cluster_points(raw, raw == 255)[2].tolist() == [1.0, 0.5]


def test_large_maps_are_compared_by_shares_in_blocks(monkeypatch):
    monkeypatch.setattr("infoflow.capture.cluster_points._MOST_BYTES", 4 * N * 16 * 4)
    points = cluster_points(maps())
    assert points.shape == (N, 4 * 16)
    assert points.reshape(N, 4, 16).sum(dim=1).allclose(torch.ones(N, 16))
    void = cluster_points(maps(255), maps(255) == 255)
    assert (void - points).abs().mean() < 0.05


def test_coarsening_takes_no_void_pixel_for_foreground():
    coarse = infoflow.Coarsening(blocks=(2, 2), threshold=3, ignore_index=255)
    masks = torch.zeros(3, 4, 4, dtype=torch.int64)
    masks[0, :2, :2] = 1
    masks[1, 2:, 2:] = 255
    assert coarse.reduce(masks).classes.tolist() == [1, 0, 0]


# ---------------------------------------------------------------------- probes, usable bits, Dice


def test_probes_leave_void_pixels_out():
    with pytest.warns(UnlabelledWarning):
        question = ask(maps(255), pixels=16)
    assert int(question.classes.min()) == 0
    assert question.count == 4
    truth = maps().flatten(1).gather(1, question.places)
    assert torch.equal(question.classes, truth)


def test_where_few_pixels_have_a_label_they_are_taken_more_than_once():
    masks = maps()
    masks[0] = 255
    masks[0, 0, :2] = torch.tensor([1, 2])
    question = ask(masks, pixels=16, ignore_index=255)
    assert set(question.places[0].tolist()) == {0, 1}


def test_samples_without_any_label_are_named():
    masks = maps()
    masks[5] = 255
    with pytest.raises(infoflow.TargetError, match=r"1 of 48 samples .* first sample 5"):
        class_numbers(masks, 255)


def test_dice_counts_no_void_pixel():
    true, guess = torch.tensor([[0, 1, -1, 1]]), torch.tensor([[0, 1, 1, 0]])
    assert score("dice", count_overlaps(guess, true, 2)).item() == pytest.approx(2 / 3)
    assert score("accuracy", count_overlaps(guess, true, 2)).item() == pytest.approx(2 / 3)


@pytest.mark.thorough
def test_probe_and_usable_streams_see_the_classes_behind_the_void():
    masks, void = maps(), maps(255)
    target = infoflow.ClassLabels(ignore_index=255)
    found = [
        infoflow.probe(
            net(), loader(y), "accuracy", target=target, layers=["0"], folds=2, progress=False
        )
        for y in (masks, void)
    ]
    one, other = (float(result.dataset["accuracy"].mean()) for result in found)
    assert abs(one - other) < 0.05
    with pytest.warns(UnlabelledWarning):
        apart = infoflow.usable_information(images(), void, folds=2, pixels=8)
    whole = infoflow.usable_information(images(), masks, folds=2, pixels=8)
    assert abs(apart.value - whole.value) < 0.15


def test_evaluate_may_have_void_pixels_too():
    result = infoflow.probe(
        net(), loader(maps(255)), target=infoflow.ClassLabels(ignore_index=255),
        evaluate=loader(maps(255)), layers=["0"], progress=False,
    )  # fmt: skip
    assert float(result.dataset["dice"].mean()) > 0.3


@pytest.mark.parametrize(
    "target", [infoflow.KMeans(3, ignore_index=255), infoflow.Coarsening((2, 2), ignore_index=255)]
)
def test_a_sample_without_any_labelled_pixel_is_refused(target):
    masks = maps()
    masks[5] = 255
    with pytest.raises(infoflow.TargetError, match=r"1 of 48 samples .* first sample 5"):
        target.reduce(masks)


def test_ignore_index_may_be_a_number_of_numpy():
    target = infoflow.KMeans(3, ignore_index=np.int64(255))
    assert len(target.reduce(maps(255)).classes) == N


def test_usable_information_takes_ignore_index():
    given = [
        infoflow.usable_information(images(), y, folds=2, pixels=8, ignore_index=void).value
        for y, void in ((maps(7), 7), (maps(), None))
    ]
    assert given[0] == pytest.approx(given[1], abs=0.15)


@pytest.mark.filterwarnings("ignore::infoflow.interface.UnlabelledWarning")
def test_what_is_void_in_training_is_void_where_probes_are_judged():
    """Few images to judge on may show one class beside 255, which alone looks like white."""
    seen = RawClasses(maps(255))
    judged = Samples([(images()[:2], torch.tensor([0, 255]).repeat(2, 8, 4))])
    judges = _held_out(judged, judged, seen, "auto")
    assert judges.classes.unique().tolist() == [-1, 0]
