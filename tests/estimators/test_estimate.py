"""``infoflow.estimate``: what it takes, what it refuses, what it says beside the number."""

import math

import numpy as np
import pytest
import torch

import infoflow
from infoflow.estimators import make_estimator
from infoflow.estimators.statistics import Distances
from infoflow.interface import ArgumentTypeError, Estimate, TargetError


def test_bits_are_nats_divided_by_log_2():
    values = np.random.default_rng(0).normal(size=(30, 2))
    bits, nats = infoflow.estimate(values), infoflow.estimate(values, unit="nats")
    assert bits.ixm == pytest.approx(nats.ixm / math.log(2))
    assert bits.to("nats").ixm == pytest.approx(nats.ixm)


def test_says_ceilings_singletons_saturation_and_kind():
    numbers = infoflow.estimate(100 * np.eye(6), [0, 0, 0, 1, 1, 2], noise=1.0)
    assert numbers.ixm_ceiling == pytest.approx(math.log2(6))
    entropy = -(3 / 6 * math.log2(3 / 6) + 2 / 6 * math.log2(2 / 6) + 1 / 6 * math.log2(1 / 6))
    assert numbers.iym_ceiling == pytest.approx(entropy)
    assert numbers.singleton_classes == 1
    assert numbers.ixm_saturated
    assert numbers.iym_saturated
    assert "Gaussian noise of variance 1" in numbers.kind


def test_without_labels_iym_is_unknown():
    numbers = infoflow.estimate(np.eye(4))
    assert math.isnan(numbers.iym)
    assert math.isnan(numbers.iym_ceiling)
    assert not numbers.iym_saturated


def test_takes_tensors_of_any_shape_and_dtype():
    values = torch.randn(10, 2, 3)
    expected = infoflow.estimate(values.reshape(10, 6).double().numpy()).ixm
    assert infoflow.estimate(values).ixm == pytest.approx(expected, abs=1e-12)
    assert infoflow.estimate(values.to(torch.bfloat16)).ixm == pytest.approx(expected, rel=0.05)
    assert infoflow.estimate(torch.arange(8)).ixm > 0


def test_complex_values_count_with_both_parts():
    values = 1j * torch.eye(8)
    numbers = infoflow.estimate(values, noise=0.1)
    assert numbers.ixm == infoflow.estimate(torch.view_as_real(values), noise=0.1).ixm > 0


def test_own_estimator_is_used():
    class Count:
        name = "count"
        statistic = Distances()

        def estimate(self, statistic, labels):
            number = float(statistic.shape[0])
            return Estimate(*[number] * 8, samples=3, singleton_classes=0, kind="a count")

    assert infoflow.estimate(np.eye(3), estimator=Count(), unit="nats").ixm == 3.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activations": [[1.0], [math.nan], [math.inf]]}, "in sample 1 and 1 more"),
        ({"activations": [[1.0]]}, "at least 2 samples"),
        ({"activations": 3.0}, "at least 2 samples"),
        ({"labels": [0, 1]}, "one class for each of the 3 samples, got shape"),
        ({"labels": [[0, 1], [1, 0], [1, 1]]}, "one class for each of the 3 samples"),
        ({"labels": [0.5, 1.2, 2.0]}, "Cut a continuous Y into classes"),
        ({"labels": [1, 1, 1]}, "at least 2 classes, got one for all 3 samples"),
        ({"labels": [{}, {}, {}]}, "labels must be an array with a class .* a list of dict"),
        ({"labels": [0, -100, 1]}, "1 of 3 samples have no label"),
        ({"activations": None}, "activations must be an array or a tensor of numbers"),
        (
            {"activations": np.ma.array(np.eye(3), mask=np.eye(3) > 0)},
            "activations must be numbers, got an array of which 3 are masked",
        ),
        ({"estimator": "mine"}, "estimator must be one of kde, binning, .*ksg, sample"),
        ({"estimator": "binning", "noise": 0.1}, "noise of estimator='kde', got noise=0.1 for"),
        ({"estimator": infoflow.KDE(), "noise": 0.1}, "must be set on the estimator"),
        ({"unit": "bytes"}, "unit must be 'bits' or 'nats', got 'bytes'"),
    ],
)
def test_wrong_input_gets_one_clear_sentence(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        infoflow.estimate(**{"activations": np.eye(3), **arguments})
    assert "\n" not in str(caught.value)


def test_object_that_is_no_estimator():
    with pytest.raises(TypeError, match=r"object with \.name, \.statistic and \.estimate, got int"):
        make_estimator(3)


@pytest.mark.parametrize("wrong", [infoflow.KDE, infoflow.Binning])
def test_a_class_in_the_place_of_an_object(wrong):
    with pytest.raises(ArgumentTypeError, match=rf"got the class {wrong.__name__}. Write"):
        infoflow.estimate(np.zeros((4, 1)), estimator=wrong)


@pytest.mark.parametrize("labels", [[0, 1, math.inf, 1], [0, 1j, 1, 0]])
def test_labels_that_are_no_classes(labels):
    with pytest.raises(TargetError, match="labels must be classes"):
        infoflow.estimate(np.arange(4.0)[:, None], labels)


def test_sparse_activations_are_what_they_are():
    values = torch.eye(4)
    assert infoflow.estimate(values.to_sparse()).ixm == infoflow.estimate(values).ixm


def test_learned_classes_are_separated_and_not_saturated():
    """Two classes far apart: H(Y) of them is known, and shuffled classes show almost nothing."""
    classes = np.arange(200) % 2
    values = np.random.default_rng(0).normal(size=(200, 1)) * 0.01 + 10 * classes[:, None]
    for estimator in ("kde", "binning"):
        numbers = infoflow.estimate(values, classes, estimator=estimator)
        assert numbers.iym == pytest.approx(1.0, abs=1e-3)
        assert numbers.iym_null_high < 0.1
        assert (numbers.iym_saturated, numbers.iym_separated) == (False, True)


def test_classes_of_samples_far_apart_are_saturated_whatever_they_are():
    random = np.random.default_rng(0)
    values = 100 * random.normal(size=(64, 20))
    for classes in (random.integers(0, 4, 64), values[:, 0] > 0):
        numbers = infoflow.estimate(values, classes, noise=1.0)
        assert numbers.iym_null_high == pytest.approx(numbers.iym_ceiling)
        assert (numbers.iym_saturated, numbers.iym_separated) == (True, False)


def test_two_samples_and_one_class_are_never_separated():
    two = infoflow.estimate(np.array([[0.0], [100.0]]), [0, 1])
    assert two.iym == pytest.approx(1.0)
    assert (two.iym_saturated, two.iym_separated) == (True, False)
    values = torch.eye(6, dtype=torch.float64)
    one = infoflow.KDE().estimate(1e4 * (1 - values), torch.zeros(6, dtype=torch.int64))
    assert one.iym_ceiling == 0.0
    assert (one.iym_saturated, one.iym_separated) == (False, False)


def test_an_unknown_null_leaves_the_doubt():
    classes = np.arange(60) % 2
    quick = infoflow.KDE(permutations=0)
    numbers = infoflow.estimate(10.0 * classes[:, None], classes, estimator=quick)
    assert math.isnan(numbers.iym_null_high)
    assert (numbers.iym_saturated, numbers.iym_separated) == (True, False)


def test_a_data_frame_is_its_numbers():
    pd = pytest.importorskip("pandas")
    rows, labels = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    rows.flags.writeable = False
    frame = pd.DataFrame(rows, index=range(7, 27), columns=["a", "b", "c"])
    ours, theirs = infoflow.estimate(rows, labels), infoflow.estimate(frame, pd.Series(labels))
    assert (theirs.ixm, theirs.iym) == (ours.ixm, ours.iym)
