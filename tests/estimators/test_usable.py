"""Usable information against known truth: tables, a logistic channel, exclusive or, and nothing."""

import math

import numpy as np
import pytest
import torch

import infoflow
from infoflow import usable_information
from infoflow.estimators import hidden
from infoflow.estimators.probe_features import pixel_rows
from infoflow.estimators.probe_task import ask
from infoflow.estimators.probes import (
    Question,
    Split,
    mean_and_spread,
    moments_of,
    scalings_of,
    standardised,
)
from tests import tiers
from tests.estimators import twins


def random_bits(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 2, shape)


@pytest.mark.parametrize("family", ["linear", tiers.thorough("mlp")])
def test_a_discrete_table_gives_its_mutual_information(family):
    """One-hot features let any family reach I(X;Y), so V-information is Shannon's."""
    random = np.random.default_rng(0)
    table = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.25, 0.25, 0.5], [0.0, 0.1, 0.9]])
    x = random.integers(0, 4, 4000)
    y = np.array([random.choice(3, p=table[i]) for i in x])
    share = table.mean(axis=0)
    noise = np.mean([-sum(p * math.log2(p) for p in row if p > 0) for row in table])
    truth = -sum(p * math.log2(p) for p in share) - noise
    found = usable_information(np.eye(4)[x], y, family=family)
    assert found.ci_low - 0.01 < truth < found.ci_high + 0.01
    assert found.value == pytest.approx(truth, abs=0.04)
    assert found.entropy == pytest.approx(twins.entropy(y.tolist()) / math.log(2), abs=0.005)
    assert found.remaining == pytest.approx(found.entropy - found.value)


def logistic_channel(samples, slope=2.0, seed=1):
    """Y given X is Bernoulli of a logistic function of X, and X is normal: linear is the truth."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(samples, 1))
    return x, (random.random(samples) < 1 / (1 + np.exp(-slope * x[:, 0]))).astype(int)


def logistic_truth(slope=2.0):
    grid = np.linspace(-9, 9, 100_001)
    density = np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi)
    p = 1 / (1 + np.exp(-slope * grid))
    entropy = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    return 1.0 - np.trapezoid(density * entropy, grid)


@pytest.mark.parametrize("family", ["linear", tiers.thorough("mlp")])
def test_a_logistic_channel_against_numerical_integration(family):
    x, y = logistic_channel(4000)
    found = usable_information(x, y, family=family)
    assert found.value == pytest.approx(logistic_truth(), abs=0.03)
    assert found.ci_low < found.value < found.ci_high
    assert found.unit == "bits per label"


@pytest.mark.parametrize(("seeds", "least"), [(6, 5), tiers.thorough(40, 34)])
def test_the_interval_covers_the_truth_of_a_logistic_channel(seeds, least):
    """Nominal 95 %; 40 seeds leave no room for an interval of half the width."""
    truth, hits = logistic_truth(), 0
    for seed in range(seeds):
        found = usable_information(*logistic_channel(400, seed=seed))
        hits += found.ci_low <= truth <= found.ci_high
    assert hits >= least


def test_one_bit_of_two_tells_their_sum_only_given_the_other():
    """X₂ is nothing of X₁, and of X₁ + X₂, given X₁, all that is left: a line sees it."""
    bits = random_bits(400, 2)
    first, other = bits[:, :1], bits[:, 1:]
    assert abs(usable_information(other, bits[:, 0]).value) < 0.01
    added = usable_information(other, bits.sum(axis=1), given=first)
    assert added.value == pytest.approx(1.0, abs=0.05)


def test_exclusive_or_is_nothing_to_a_line_and_a_bit_to_a_hidden_layer():
    bits = random_bits(200, 2)
    parity = bits.sum(axis=1) % 2
    assert abs(usable_information(bits, parity).value) < 0.01
    learnt = usable_information(bits, parity, family="mlp", folds=2)
    assert learnt.value == pytest.approx(1.0, abs=0.02)


@pytest.mark.thorough
def test_synergy_shows_only_given_the_other_stream():
    bits = random_bits(400, 2)
    parity = bits.sum(axis=1) % 2
    alone = usable_information(bits[:, :1], parity, family="mlp")
    added = usable_information(bits[:, :1], parity, given=bits[:, 1:], family="mlp")
    assert abs(alone.value) < 0.01
    assert added.value == pytest.approx(1.0, abs=0.02)
    assert added.entropy == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("family", ["linear", tiers.thorough("mlp")])
def test_a_duplicated_stream_adds_nothing(family):
    x, y = logistic_channel(1000)
    assert abs(usable_information(x, y, given=x, family=family).value) < 0.01


@pytest.mark.parametrize("family", ["linear", tiers.thorough("mlp")])
@pytest.mark.parametrize("width", [5, 50, 2000])
def test_random_features_tell_nothing_however_many(family, width):
    features = np.random.default_rng(0).normal(size=(300, width))
    value = usable_information(features, random_bits(300, seed=1), family=family).value
    assert -0.03 < value <= 0.01


def test_repeated_units_are_the_same_fit_also_where_they_outnumber_the_samples():
    """The penalised fit lies in the span of the samples, whose rotation keeps it."""
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 100)
    narrow = random.normal(size=(100, 20)) + y[:, None]
    once, often = (usable_information(np.tile(narrow, times), y).value for times in (1, 10))
    assert often == pytest.approx(once, abs=1e-3)
    assert once > 0.5


def test_masks_are_known_from_themselves_and_not_from_noise():
    masks = random_bits(20, 12, 12)
    noise = np.random.default_rng(1).normal(size=(20, 3, 12, 12))
    options = {"pixels": 50, "folds": 2}
    for family in ("linear", "conv3x3"):
        same = usable_information(masks[:, None], masks, family=family, **options)
        assert same.value == pytest.approx(1.0, abs=0.02)
        assert same.unit == "bits per pixel"
        assert -0.02 < usable_information(noise, masks, family=family, **options).value <= 0.01


def test_neighbours_of_a_pixel_are_seen_by_the_convolution_only():
    """The mask is the image moved by one pixel to the right."""
    image = random_bits(20, 1, 12, 12)
    moved = np.roll(image[:, 0], 1, axis=2)
    options = {"pixels": 50, "folds": 2}
    assert abs(usable_information(image, moved, **options).value) < 0.02
    assert usable_information(image, moved, family="conv3x3", **options).value > 0.8


@pytest.mark.parametrize("family", ["linear", "conv3x3", tiers.thorough("mlp")])
def test_small_maps_are_looked_up_at_the_pixels_place(family):
    """A mask of 4×4 blocks is known from a map a quarter of its size, whatever the family."""
    small = random_bits(20, 1, 3, 3)
    mask = small[:, 0].repeat(4, axis=1).repeat(4, axis=2)
    found = usable_information(small, mask, family=family, pixels=50, folds=2)
    assert found.value == pytest.approx(1, abs=0.02)


def test_pixel_rows_equal_a_plain_loop():
    values = torch.randn(2, 3, 4, 6)
    places = torch.randint(0, 8 * 12, (2, 5))
    rows = pixel_rows(values, places, (8, 12), 1)
    for n in range(2):
        for p in range(5):
            r, c = int(places[n, p]) // 12 // 2, int(places[n, p]) % 12 // 2
            for k, (i, j) in enumerate((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
                inside = 0 <= r + i < 4 and 0 <= c + j < 6
                expected = values[n, :, r + i, c + j] if inside else torch.zeros(3)
                assert torch.equal(rows[n, p, 3 * k : 3 * k + 3], expected)


def test_classes_of_textures_are_seen_by_a_convolution_of_the_map():
    """Stripes across or along: the channel's values are the same, their order is not."""
    y = random_bits(60)
    stripes = np.tile([1.0, -1.0], 4)[None, :] * np.ones((8, 1))
    maps = np.stack([stripes if label else stripes.T for label in y])[:, None]
    maps = maps + 0.1 * np.random.default_rng(0).normal(size=maps.shape)
    assert usable_information(maps, y, family="conv3x3", folds=2).value > 0.9


def test_maps_of_two_sizes_are_brought_to_the_larger_one():
    y = random_bits(40)
    small = y[:, None, None, None] * np.ones((1, 1, 2, 2))
    noise = np.random.default_rng(0).normal(size=(40, 2, 4, 4))
    assert usable_information(small, y, given=noise, family="conv3x3", folds=2).value > 0.8


def test_is_the_same_for_the_same_seed_and_leaves_the_random_state():
    x, y = logistic_channel(60)
    state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    options = {"family": "mlp", "folds": 2}
    one, other = (usable_information(x, y, seed=3, **options) for _ in range(2))
    assert one == other
    assert one != usable_information(x, y, seed=4, **options)
    assert torch.equal(state[0], torch.get_rng_state())
    assert np.array_equal(state[1], np.random.get_state()[1])  # noqa: NPY002


def test_folds_have_their_share_of_every_class_and_hold_each_sample_out_once():
    labels = np.repeat([0, 1, 2], [50, 25, 10])
    question = ask(labels, folds=5)
    for number in range(5):
        held_out = torch.from_numpy(labels)[question.fold == number]
        assert torch.bincount(held_out).tolist() == [10, 5, 2]


def test_a_class_that_training_has_not_seen_costs_no_infinity():
    labels = np.append(np.repeat([0, 1], 20), 2)
    features = np.append(np.repeat([0.0, 1.0], 20), 5.0)[:, None]
    for family in ("linear", "mlp"):
        found = usable_information(features, labels, family=family, folds=2)
        assert math.isfinite(found.value)


@pytest.mark.parametrize("family", ["linear", "mlp"])
@pytest.mark.parametrize("width", [3, 300])
def test_constant_features_tell_nothing(family, width):
    value = usable_information(np.full((60, width), 0.1), random_bits(60), family=family).value
    assert value == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": np.linspace(0, 1, 40)}, "Cut a continuous Y into classes first"),
        ({"target": np.full((40, 8, 8), 0.5)}, "target > 0.5 for soft masks"),
        ({"target": np.zeros(40)}, "at least 2 classes, got"),
        ({"target": np.zeros((40, 3))}, r"got shape \(40, 3\)"),
        ({"features": np.zeros((39, 2))}, r"must have the same samples.*and 40 targets"),
        ({"given": np.zeros((39, 2))}, "given and target must have"),
        ({"features": np.full((40, 2), math.nan)}, "features must be finite"),
        ({"family": "tree"}, "family must be one of linear, conv3x3, mlp, got 'tree'"),
        ({"folds": 1}, "folds must be a whole number of at least 2, got 1"),
        ({"folds": 30}, "30 folds for 40 samples"),
        ({"pixels": 0}, "pixels must be a whole number of at least 1"),
        ({"features": np.zeros((40, 1, 2, 2, 2)), "family": "conv3x3"}, "Features must be maps"),
    ],
)
def test_wrong_input_gets_one_clear_sentence(arguments, message):
    usual = {"features": np.zeros((40, 2)), "target": random_bits(40)}
    with pytest.raises(ValueError, match=message):
        usable_information(**{**usual, **arguments})


def test_a_result_prints_in_one_line():
    text = str(usable_information(*logistic_channel(200)))
    assert "bits per label (95 % interval" in text
    assert infoflow.UsableInformation.__name__ == "UsableInformation"


@pytest.mark.parametrize("family", ["linear", tiers.thorough("mlp")])
@pytest.mark.parametrize(
    ("scale", "offset"),
    [tiers.thorough(1e25, 0.0), tiers.thorough(1e-25, 0.0), (1e40, 0.0), tiers.thorough(1.0, 1e9)],
)
def test_neither_scale_nor_offset_matters(family, scale, offset):
    labels = np.arange(120) % 3
    values = np.random.default_rng(0).normal(size=(120, 2)) + 5.0 * np.eye(3)[labels][:, :2]
    plain = usable_information(values, labels, family=family).value
    moved = usable_information(scale * values + offset, labels, family=family).value
    assert plain > 1.0
    assert moved == pytest.approx(plain, abs=0.02)


@pytest.mark.parametrize("width", [3, 90])
def test_float64_features_are_left_as_they_were(width):
    features, labels = np.random.default_rng(0).normal(size=(60, width)), random_bits(60)
    before = features.copy()
    usable_information(features, labels, folds=2)
    np.testing.assert_array_equal(features, before)


def test_no_features_and_rounding_alone_give_nothing():
    labels = np.arange(60) % 2
    nothing = usable_information(np.zeros((60, 0)), labels)
    assert nothing.value == pytest.approx(0.0)
    rounding = 1.0 + 6e-8 * np.random.default_rng(0).integers(-1, 2, size=(60, 3))
    found = usable_information(rounding.astype(np.float32), labels)
    assert found.value == pytest.approx(0.0)


def asked(rows=60, count=3):
    classes = torch.randint(0, count, (rows,))
    parts = torch.arange(rows).split([rows // 2, rows // 4, rows - rows // 2 - rows // 4])
    return Question(classes, count, Split(*parts), 0)


@pytest.mark.parametrize("shape", [(5,), (2, 4, 4)])
def test_derivatives_of_all_sets_at_once_are_those_of_autograd(shape):
    question = asked()
    streams = [torch.randn(60, *shape) for _ in range(3)]
    sets = [(0,), (0, 2), (0, 1, 2)]
    fits = hidden._Together(streams, sets, question)
    for weight in fits.outer:
        weight.add_(torch.randn_like(weight))
    fits._slopes(question.split.fit)
    rows = [x[question.split.fit] for x in streams]
    if len(shape) == 3:
        rows = [torch.nn.functional.unfold(x, 3, padding=1).mT for x in rows]
    weights = {s: w.clone().requires_grad_() for s, w in fits.inner.items()}
    outer = [w.clone().requires_grad_() for w in fits.outer]
    for number, members in enumerate(sets):
        units = outer[0][number]
        for s in members:
            place = [n for n, others in enumerate(sets) if s in others].index(number) * 32
            units = units + rows[s] @ weights[s][place : place + 32].T
        units = units.relu()
        units = units.mean(1) if len(shape) == 3 else units
        logits = units @ outer[1][number] + outer[2][number]
        torch.nn.functional.cross_entropy(logits, question.classes[question.split.fit]).backward()
    for s, weight in weights.items():
        torch.testing.assert_close(fits.inner_slopes[s], weight.grad)
    for mine, theirs in zip(fits.outer_slopes, outer, strict=True):
        torch.testing.assert_close(mine, theirs.grad)


def test_a_fit_does_not_depend_on_the_sets_beside_it():
    """Sets end at epochs of their own, and what they leave behind goes on as it was."""
    question = asked(count=2)
    noise, known = torch.randn(60, 4), torch.randn(60, 4)
    known[:, 0] += 3.0 * question.classes
    sets = [(0,), (1,), (0, 1)]
    together = hidden.hidden_probes([noise, known], sets, question)
    for members, found in zip(sets, together, strict=True):
        alone = hidden.hidden_probes([noise, known], [members], question)[0]
        torch.testing.assert_close(found, alone, atol=1e-4, rtol=1e-4)
    assert together[1].argmax(1).eq(question.classes[question.split.held_out]).double().mean() > 0.8


@pytest.mark.parametrize("shape", [(6,), (2, 3, 3)])
def test_folds_that_are_fitted_together_are_each_fitted_as_alone(shape):
    """Standardised each by its own training rows, from streams that are kept once."""
    torch.manual_seed(1)
    classes, rows = torch.randint(0, 2, (300,)), torch.randperm(300)
    stream = 3.0 * torch.randn(300, *shape) + 1.0
    stream[:, 0] += 9.0 * classes.view(-1, *[1] * (len(shape) - 1))
    stream[rows[0]] *= 50.0
    splits = [Split(*part.split([180, 60, 60])) for part in (rows, rows.roll(60))]
    moments = [
        mean_and_spread(moments_of(stream, [split.training]), torch.float32) for split in splits
    ]
    common, scalings = scalings_of(moments)
    questions = [
        Question(classes, 2, split, seed, [scaling])
        for seed, (split, scaling) in enumerate(zip(splits, scalings, strict=True))
    ]
    together = hidden.hidden_probes([standardised(stream, *common)], [(0,)], *questions)
    for found, split, (mean, spread), question in zip(
        together, splits, moments, questions, strict=True
    ):
        own = Question(classes, 2, split, question.seed)
        alone = hidden.hidden_probes([standardised(stream, mean, spread)], [(0,)], own)[0]
        torch.testing.assert_close(found, alone, atol=1e-3, rtol=1e-3)
        assert found.argmax(1).eq(classes[split.held_out]).double().mean() > 0.8


def test_a_channel_that_one_fold_alone_does_not_see_tells_nothing_there():
    mean, spread = torch.zeros(1, 2).double(), torch.tensor([[1.0, math.inf]]).double()
    _, scalings = scalings_of([(mean, spread), (mean + 1.0, torch.ones(1, 2).double())])
    values = torch.tensor([[2.0, 5.0]])
    assert scalings[0].of_all(values)[0, 1] == 0.0
    assert scalings[1].of_all(values)[0, 1] == pytest.approx(5.0)


def test_moments_of_parts_are_those_of_the_whole():
    values = torch.randn(30, 4) * torch.tensor([1e-30, 1.0, 1e20, 0.0])
    values[:, 1:] += 5.0
    parts = torch.arange(30).split([7, 1, 22, 0])
    mean, spread = mean_and_spread(moments_of(values, parts), torch.float32)
    exact = values.double()
    torch.testing.assert_close(mean[0], exact.mean(0))
    torch.testing.assert_close(spread[0, :3], exact.std(0, correction=0)[:3])
    assert spread[0, 3] == math.inf
