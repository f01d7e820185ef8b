"""Intervals of paired rises, against scipy, closed forms and simulated coverage."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from infoflow.interface import ArgumentError
from infoflow.pruning.ablation.betting import betting_lower, betting_upper
from infoflow.pruning.ablation.bounds import (
    Paired,
    bits_interval,
    default_tolerance,
    paired,
    samples_needed,
    student_interval,
    verdict,
    weighted_mean,
)
from infoflow.pruning.ablation.losses import SampleBits, resolve_loss
from infoflow.pruning.ablation.worst_sample import worst_sample_lower, worst_sample_upper
from tests import tiers


def pairs_of(values):
    values = np.asarray(values, dtype=float)
    return Paired(values, np.ones(len(values)))


def test_with_equal_weights_the_interval_is_scipys():
    values = np.random.default_rng(0).normal(0.1, 0.3, 80)
    found = student_interval(pairs_of(values))
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert np.allclose(found, (wanted.low, wanted.high))


def test_weights_that_are_all_the_same_change_nothing():
    values = np.random.default_rng(0).normal(0.1, 0.3, 80)
    heavy = Paired(values * 7, np.full(80, 7.0))
    assert np.allclose(student_interval(heavy), student_interval(pairs_of(values)))
    assert math.isclose(betting_upper(heavy, 0.025, 2.0), betting_upper(pairs_of(values), 0.025, 2))


def test_the_value_is_all_bits_over_all_labels():
    bits, labels = torch.tensor([1.0, 3.0]), torch.tensor([10.0, 30.0])
    whole = SampleBits(torch.zeros(2), labels)
    loss = resolve_loss("auto", output=torch.zeros(2, 3), target=torch.tensor([0, 1]))
    assert weighted_mean(paired(loss, whole, SampleBits(bits, labels))) == (10 + 90) / 40


def test_samples_without_labels_do_not_count():
    values = np.random.default_rng(0).normal(0.1, 0.3, 80)
    with_void = Paired(np.append(values, 0.0), np.append(np.ones(80), 0.0))
    assert with_void.samples == 80
    assert np.allclose(student_interval(with_void), student_interval(pairs_of(values)))


def test_a_regression_is_half_the_logarithm_of_the_ratio_of_mean_squared_errors():
    draw = torch.Generator().manual_seed(0)
    truth = torch.randn(200, 3, generator=draw)
    near = truth + 0.5 * torch.randn(200, 3, generator=draw)
    far = truth + 0.7 * torch.randn(200, 3, generator=draw)
    loss = resolve_loss("regression", output=near[:10], target=truth[:10])
    interval = bits_interval(paired(loss, loss(near, truth), loss(far, truth)))
    ratio = float((far - truth).square().mean() / (near - truth).square().mean())
    assert math.isclose(interval.value, 0.5 * math.log2(ratio), rel_tol=1e-6)
    assert interval.low < 0.5 * math.log2(0.49 / 0.25) < interval.high


def test_betting_without_any_spread_is_nearly_the_rule_of_three():
    # a largest loss of 1 in a share p of the samples is not seen with (1 - p)^n = 0.025
    for count in (64, 256, 1024):
        exact = 1 - 0.025 ** (1 / count)
        found = betting_upper(pairs_of(np.zeros(count)), 0.025, 1.0)
        assert exact < found < 1.3 * exact


def test_betting_is_mirrored():
    values = np.random.default_rng(1).normal(0.1, 0.3, 80)
    assert math.isclose(
        betting_lower(pairs_of(values), 0.025, 3.0), -betting_upper(pairs_of(-values), 0.025, 3.0)
    )


@given(
    st.lists(st.floats(-1, 1), min_size=5, max_size=60),
    st.floats(1.0, 10.0),
    st.floats(0.001, 0.2),
    st.floats(0.1, 10.0),
)
def test_betting_bounds_are_in_order(values, largest, error, factor):
    pairs = pairs_of(values)
    upper = betting_upper(pairs, error, largest)
    assert weighted_mean(pairs) <= upper + 1e-9
    assert upper <= largest + 1e-9
    assert betting_upper(pairs, error / 2, largest) >= upper - 1e-9
    scaled = betting_upper(pairs_of(np.asarray(values) * factor), error, largest * factor)
    assert math.isclose(scaled, upper * factor, rel_tol=1e-6, abs_tol=1e-8)


@given(st.lists(st.floats(-1, 1), min_size=5, max_size=60), st.randoms())
def test_the_order_of_samples_does_not_matter(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    found = betting_upper(pairs_of(values), 0.025, 2.0)
    assert math.isclose(found, betting_upper(pairs_of(shuffled), 0.025, 2.0), rel_tol=1e-9)


def test_betting_holds_with_rare_large_losses():
    """The case of 1.2 % of samples that lose 5 bits, of which t intervals say too little."""
    draw, misses = np.random.default_rng(0), {"t": 0, "betting": 0}
    for _ in range(400):
        pairs = pairs_of(5.0 * (draw.random(128) < 0.012))
        misses["t"] += student_interval(pairs)[1] < 0.06
        misses["betting"] += betting_upper(pairs, 0.025, 5.0) < 0.06
    assert misses["t"] > 60
    assert misses["betting"] <= 10 + 3 * math.sqrt(10)


def test_an_interval_of_few_samples_is_refused():
    with pytest.raises(
        ArgumentError, match="at least 64 samples with a label to judge with, got 63"
    ):
        bits_interval(pairs_of(np.zeros(63)))


def test_the_default_tolerance_is_a_share_of_what_the_net_knows():
    assert default_tolerance(0.1, known=3.2) == pytest.approx(0.08)
    assert default_tolerance(0.1, known=0.1) == 0.005
    assert default_tolerance(0.1, known=0.02) == pytest.approx(0.002)  # a tenth of what it knows
    assert default_tolerance(0.1, known=-1.0) == 0.005
    assert default_tolerance(1.0) == 0.05
    assert default_tolerance(0.01) == 0.005
    assert math.isclose(default_tolerance(9.0, is_ratio=True), 0.5 * math.log2(1.05))


@given(st.floats(0, 20), st.floats(0, 20))
def test_the_default_tolerance_grows_with_what_is_known_and_is_a_tenth_of_it_at_most(one, other):
    low, high = sorted((one, other))
    assert default_tolerance(1.0, known=low) <= default_tolerance(1.0, known=high) or low == 0
    assert default_tolerance(1.0, known=high) <= 0.1 * high + 1e-12 or high == 0


def interval_of(mean, spread, count, seed=0, **options):
    values = np.random.default_rng(seed).normal(0, 1, count)
    values = mean + spread * (values - values.mean()) / values.std(ddof=1)
    return bits_interval(pairs_of(values), **options)


def test_verdicts_need_the_whole_interval_on_one_side():
    assert verdict(interval_of(0.0, 0.01, 256), 0.05) == "prune"
    assert verdict(interval_of(0.2, 0.01, 256), 0.05) == "keep"
    assert verdict(interval_of(0.049, 0.1, 256), 0.05) == "cannot tell"


def test_few_samples_never_say_prune_unless_the_largest_loss_is_known():
    few = interval_of(0.0, 0.01, 235)
    assert few.high < 0.05
    assert verdict(few, 0.05) == "cannot tell"
    assert samples_needed(few, 0.05) == 1
    assert verdict(interval_of(0.0, 0.01, 236), 0.05) == "prune"
    assert verdict(interval_of(0.0, 0.01, 235, largest_rise=1.0), 0.05) == "prune"
    assert verdict(interval_of(0.2, 0.01, 64), 0.05) == "keep"
    # one sample in 64 is missed by 236 samples in 2.5 % of cases
    assert (1 - 1 / 64) ** 236 < 0.025 < (1 - 1 / 64) ** 233


def test_the_largest_rise_that_the_caller_gives_covers_what_was_not_seen():
    nothing = np.zeros(256)
    assert verdict(bits_interval(pairs_of(nothing)), 0.05) == "prune"
    assert verdict(bits_interval(pairs_of(nothing), largest_rise=5.0), 0.05) == "cannot tell"
    found = bits_interval(pairs_of(nothing), largest_rise=5.0)
    assert found.is_guarded
    assert found.robust_high > 5 * found.unseen_share
    with pytest.raises(ArgumentError, match="bits above 0, got 0"):
        bits_interval(pairs_of(nothing), largest_rise=0)


def test_a_worst_sample_widens_the_interval_only_where_few_samples_lose_nearly_all():
    values = np.random.default_rng(0).normal(0, 0.01, 256)
    light = bits_interval(pairs_of(values))
    assert (light.low, light.high) == student_interval(pairs_of(values))
    rare = np.zeros(256)
    rare[7] = 3.0
    heavy = bits_interval(pairs_of(rare))
    assert heavy.low == student_interval(pairs_of(rare))[0]
    assert heavy.high > student_interval(pairs_of(rare))[1]
    assert (heavy.low, heavy.high) == (heavy.robust_low, heavy.robust_high)


@tiers.examples(12)
@given(st.lists(st.floats(-1, 1), min_size=64, max_size=80), st.floats(0.1, 5.0))
def test_intervals_are_mirrored_hold_the_value_and_are_inside_the_guarded_ones(values, largest):
    found, mirrored = bits_interval(pairs_of(values)), bits_interval(pairs_of(-np.array(values)))
    assert found.low <= found.value <= found.high
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-9)
    guarded = bits_interval(pairs_of(values), largest_rise=largest)
    assert (guarded.low, guarded.high) == (found.low, found.high)
    assert guarded.robust_low <= found.low
    assert guarded.robust_high >= found.high


def test_as_many_samples_as_needed_tell_and_half_of_them_do_not():
    before = interval_of(0.04, 0.1, 300)
    more = samples_needed(before, 0.05)
    assert more is not None
    assert verdict(interval_of(0.04, 0.1, 300 + int(1.3 * more)), 0.05) == "prune"
    assert verdict(interval_of(0.04, 0.1, 300 + more // 2), 0.05) == "cannot tell"
    assert samples_needed(interval_of(0.0, 0.01, 256), 0.05) == 0
    assert samples_needed(interval_of(0.05, 0.1, 128), 0.05) is None


# ---------------------------------------------------------------------------- a worst sample


def bayesian_bootstrap(values, largest, error, draws=20_000):
    """The slow twin: exponential weights drawn, and the quantile of the weighted means."""
    weights = np.random.default_rng(3).exponential(size=(draws, len(values) + 1))
    means = weights @ np.append(values, largest) / weights.sum(axis=1)
    return np.quantile(means, 1 - error)


@pytest.mark.parametrize("kind", ["normal", "log-normal", "rare"])
def test_the_worst_sample_bound_is_the_quantile_of_drawn_weights(kind):
    draw = np.random.default_rng(0)
    values = {
        "normal": draw.normal(0, 1, 150),
        "log-normal": np.exp(1.5 * draw.normal(size=150)),
        "rare": 5.0 * (draw.random(150) < 0.03),
    }[kind]
    largest = float(np.abs(values).max())
    slow = bayesian_bootstrap(values, largest, 0.025)
    found = worst_sample_upper(pairs_of(values), 0.025, largest)
    spread = slow - values.mean()
    assert abs(found - slow) < 0.04 * spread


def test_without_spread_the_worst_sample_bound_is_the_rule_of_three():
    for count in (64, 256, 1024):
        exact = 1 - 0.025 ** (1 / count)
        found = worst_sample_upper(pairs_of(np.zeros(count)), 0.025, 1.0)
        assert math.isclose(found, exact, rel_tol=0.02)


@tiers.examples(15)
@given(st.lists(st.floats(-1, 1), min_size=5, max_size=40), st.floats(1.0, 10.0))
def test_worst_sample_bounds_are_in_order(values, largest):
    pairs = pairs_of(values)
    upper = worst_sample_upper(pairs, 0.025, largest)
    assert weighted_mean(pairs) - 1e-9 <= upper <= largest + 1e-9
    assert worst_sample_upper(pairs, 0.025, 2 * largest) >= upper - 1e-6
    assert worst_sample_upper(pairs, 0.1, largest) <= upper + 1e-6
    assert math.isclose(
        worst_sample_lower(pairs_of(-np.asarray(values)), 0.025, largest), -upper, rel_tol=1e-9
    )
    shifted = worst_sample_upper(pairs_of(np.asarray(values) + 3), 0.025, largest + 3)
    assert math.isclose(shifted, upper + 3, rel_tol=1e-6, abs_tol=1e-6)


@pytest.mark.parametrize(("kind", "error"), [("rare", 0.025), ("log-normal", 0.05)])
def test_verdicts_on_a_rise_above_the_tolerance_are_rarely_prune(kind, error):
    """Rises with a mean of 1.2 tolerances: of log-normal ones, t prunes 5 to 8 %."""
    draw, wrong = np.random.default_rng(0), {"t": 0, "verdict": 0}
    for _ in range(60):
        values = 0.06 * np.exp(2 * draw.standard_normal(256) - 2)
        if kind == "rare":
            values = 0.06 + np.where(draw.random(256) < 0.05, 1.0, 0.02) * draw.normal(size=256)
        pairs = pairs_of(values)
        wrong["t"] += student_interval(pairs)[1] < 0.05
        wrong["verdict"] += verdict(bits_interval(pairs), 0.05) == "prune"
    assert wrong["verdict"] < wrong["t"] or kind == "rare"
    assert wrong["verdict"] <= 60 * error + 3 * math.sqrt(60 * error)


def test_no_number_of_samples_is_named_where_the_rise_is_next_to_the_tolerance():
    interval = bits_interval(pairs_of(np.random.default_rng(0).normal(0.1, 0.3, 256)))
    assert samples_needed(interval, interval.value + 1e-6) is None
    assert 0 < samples_needed(interval, interval.value + 0.02) < 100 * 256


# ------------------------------------------------------------------ regressions


def regression(samples, values, seed, spread=0.5):
    """Return pairs of a regression whose mean squared error rises by 4 %."""
    rng = np.random.default_rng(seed)
    scales = np.exp(spread * rng.normal(size=(samples, 1)))
    whole = scales * rng.normal(size=(samples, values))
    other = whole + 0.2 * scales * rng.normal(size=(samples, values))
    losses = (whole**2).mean(1)
    return Paired((other**2).mean(1) - losses, losses, is_ratio=True)


@pytest.mark.parametrize("values", [1, 10])
def test_the_interval_of_a_regression_covers_and_is_not_much_wider_than_students(values):
    truth = 0.5 * math.log2(1.04)
    held, widths, students = 0, [], []
    for seed in range(60):
        pairs = regression(256, values, seed)
        found = bits_interval(pairs)
        held += found.low <= truth <= found.high
        widths.append(found.high - found.low)
        students.append(np.subtract(*map(pairs.to_bits, student_interval(pairs)[::-1])))
    assert held >= 52  # with a coverage of 95 %, fewer have a probability of 0.3 %
    assert np.median(widths) < 1.2 * np.median(students)


def test_a_sample_that_is_predicted_exactly_counts_in_a_regression():
    pairs = regression(80, 1, 0)
    exact = Paired(np.append(pairs.rises, 5.0), np.append(pairs.weights, 0.0), is_ratio=True)
    assert exact.samples == 81
    assert weighted_mean(exact) > weighted_mean(pairs)
    found = bits_interval(exact)
    assert found.low <= exact.to_bits(weighted_mean(exact)) <= found.high
    assert found.high > bits_interval(pairs).high


def test_values_without_labels_do_not_count_in_a_regression():
    loss = resolve_loss("regression", output=torch.zeros(3, 1), target=torch.ones(3, 1))
    whole = SampleBits(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([1.0, 1.0, 0.0]))
    assert paired(loss, whole, whole).samples == 2


def test_a_regression_in_which_nothing_changes_loses_nothing():
    pairs = Paired(np.zeros(80), np.linspace(0, 1, 80), is_ratio=True)
    found = bits_interval(pairs, largest_rise=1.0)
    assert found.value == found.low == found.high == 0


def test_what_a_sample_of_a_regression_can_lose_widens_the_robust_ends():
    pairs = regression(256, 10, 0)
    found = bits_interval(pairs, largest_rise=1.0)
    assert found.robust_low < found.low
    assert found.robust_high > found.high
