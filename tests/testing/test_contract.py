"""The contract: the built-in estimators keep it, and each check catches an estimator that does not.

The broken ones are a good estimator with one thing wrong.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import infoflow
from infoflow.estimators.registry import estimate
from infoflow.interface import ArgumentTypeError, InfoflowError
from infoflow.testing import ESTIMATOR_CHECKS, ContractError, check_estimator
from infoflow.testing import contract as checks

BUILT_IN = [
    infoflow.KDE(0.5),
    infoflow.KDE(0.5, "lower"),
    infoflow.KDE(infoflow.Relative(0.1)),
    infoflow.Binning(0.5),
    infoflow.EqualMassBinning(),
    infoflow.Renyi(),
    infoflow.KSG(),
]


@pytest.mark.parametrize("check", ESTIMATOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", BUILT_IN, ids=repr)
def test_built_in_estimators_keep_the_contract(estimator, check):
    check(estimator, 1e-6)


@dataclass(frozen=True)
class Broken:
    """Binning by the values themselves, with one thing wrong."""

    name = "broken"
    statistic = infoflow.Values()

    def estimate(self, statistic, labels):
        return self.wrong(self.good(statistic, labels), statistic, labels)

    def good(self, values, labels):
        codes = torch.unique(torch.floor(values / 0.5), dim=0, return_inverse=True)[1]
        return infoflow.Binning(0.5, permutations=0).estimate(codes, labels)

    def wrong(self, numbers, values, labels):
        return numbers


class InBits(Broken):
    def wrong(self, numbers, values, labels):
        return replace(numbers.to("bits"), unit="nats")


class SaysBits(Broken):
    def wrong(self, numbers, values, labels):
        return numbers.to("bits")


class WithoutKind(Broken):
    def wrong(self, numbers, values, labels):
        return replace(numbers, kind=" ")


class CeilingOfOne(Broken):
    def wrong(self, numbers, values, labels):
        return numbers if labels is None else replace(numbers, iym_ceiling=1.0)


class AboveCeiling(Broken):
    def wrong(self, numbers, values, labels):
        return replace(numbers, iym=1.5 * numbers.iym)


class BelowZero(Broken):
    def wrong(self, numbers, values, labels):
        return replace(numbers, ixm=-0.1)


class SaysNothing(Broken):
    def wrong(self, numbers, values, labels):
        return replace(numbers, ixm=math.nan, iym=math.nan)


class OrderMatters(Broken):
    def good(self, values, labels):
        return super().good(values[: len(values) // 2].repeat(2, 1), labels)


class NamesMatter(Broken):
    def wrong(self, numbers, values, labels):
        share = 0.0 if labels is None else float((labels * values[:, 0]).mean())
        return replace(numbers, iym=numbers.iym - 0.01 * share)


class ConstantIsUnknown(Broken):
    def wrong(self, numbers, values, labels):
        return replace(numbers, iym=numbers.iym * float(values.std() / values.std()))


class ConstantIsSomething(Broken):
    def wrong(self, numbers, values, labels):
        return replace(numbers, ixm=max(numbers.ixm, 0.01))


class NoDuplicates(Broken):
    def wrong(self, numbers, values, labels):
        if len(torch.unique(values, dim=0)) not in (1, len(values)):
            raise RuntimeError("duplicates")
        return numbers


class DuplicatesAreInfinite(Broken):
    def wrong(self, numbers, values, labels):
        nearest = torch.cdist(values, values).fill_diagonal_(math.inf).min()
        is_double = not nearest and values.std() > 0
        return replace(numbers, ixm=math.inf) if is_double else numbers


class KnowsWithoutLabels(Broken):
    def wrong(self, numbers, values, labels):
        return replace(numbers, iym=0.0) if labels is None else numbers


class LabelsChangeIxm(Broken):
    def wrong(self, numbers, values, labels):
        return replace(numbers, ixm=0.9 * numbers.ixm) if labels is None else numbers


class LikesDoubles(Broken):
    def wrong(self, numbers, values, labels):
        return replace(numbers, ixm=numbers.ixm * (1.0 if values.dtype == torch.float64 else 0.99))


class Moody(Broken):
    def wrong(self, numbers, values, labels):
        return replace(numbers, iym_null=float(torch.rand(1)))


class ChangesValues(Broken):
    def wrong(self, numbers, values, labels):
        values -= values.mean(0)
        return numbers


class ChangesLabels(Broken):
    def wrong(self, numbers, values, labels):
        if labels is not None:
            labels += 1
        return numbers


class SeedsTorch(Broken):
    def wrong(self, numbers, values, labels):
        torch.manual_seed(0)
        return numbers


class DrawsFromNumpy(Broken):
    def wrong(self, numbers, values, labels):
        np.random.rand()  # noqa: NPY002
        return numbers


class LastBatchOnly(infoflow.Values):
    """Values whose collector forgets all batches but the last one."""

    def collector(self, units, samples, *, dtype, device):
        own = super().collector(units, samples, dtype=dtype, device=device)

        class Forgetful:
            def add(self, start, values):
                own.result().zero_()
                own.add(start, values)

            def result(self):
                return own.result()

        return Forgetful()


class ForgetsBatches(Broken):
    statistic = LastBatchOnly()


class WrongPart(infoflow.Values):
    def select(self, statistic, keep):
        return statistic[: len(keep)]


class SelectsOthers(Broken):
    statistic = WrongPart()


class QuickButWrong(Broken):
    def values(self, statistic, labels):
        numbers = self.good(statistic, labels)
        return numbers.ixm, numbers.iym + 0.1


class ShufflesWrongly(Broken):
    def about_shuffled(self, statistic, orders):
        return torch.zeros(len(orders), dtype=torch.float64)


class ReadsOneBlock(infoflow.KDE):
    """A KDE that reads the first block of rows as if it were all."""

    def estimate(self, statistic, labels):
        if not isinstance(statistic, torch.Tensor):
            block = next(iter(statistic))
            statistic = block.repeat(4, 1)[: block.shape[1]]
            statistic = (statistic + statistic.T).fill_diagonal_(0.0) / 2
        return super().estimate(statistic, labels)


CAUGHT = [
    (checks.check_says_what_and_in_which_unit, InBits, "must be 4.094345 nats, got 5.9"),
    (checks.check_says_what_and_in_which_unit, SaysBits, "unit must be 'nats', got 'bits'"),
    (checks.check_says_what_and_in_which_unit, WithoutKind, "kind must say"),
    (checks.check_says_what_and_in_which_unit, CeilingOfOne, "iym_ceiling must be 1.386294"),
    (checks.check_is_within_its_range, AboveCeiling, "iym must be between 0 and 1.386294"),
    (checks.check_is_within_its_range, InBits, "must be between 0 and"),
    (checks.check_is_within_its_range, BelowZero, "ixm must be between 0 and 4.094345"),
    (checks.check_is_within_its_range, SaysNothing, "got NaN for both"),
    (checks.check_order_of_samples_does_not_matter, OrderMatters, "in another order"),
    (checks.check_names_of_classes_do_not_matter, NamesMatter, "with other numbers"),
    (checks.check_constant_layer_says_nothing, ConstantIsUnknown, "must be 0, got nan"),
    (checks.check_constant_layer_says_nothing, ConstantIsSomething, "must be 0, got 0.01"),
    (checks.check_duplicated_samples_are_measured, NoDuplicates, "must be measured, got Runtime"),
    (checks.check_duplicated_samples_are_measured, DuplicatesAreInfinite, "must be finite"),
    (checks.check_without_labels_iym_is_unknown, KnowsWithoutLabels, "iym must be NaN"),
    (checks.check_without_labels_iym_is_unknown, LabelsChangeIxm, "ixm must not depend"),
    (checks.check_precision_does_not_matter, LikesDoubles, "for float32"),
    (checks.check_is_deterministic, Moody, "must give the same estimate"),
    (checks.check_leaves_its_input_alone, ChangesValues, "must not change the statistic"),
    (checks.check_leaves_its_input_alone, ChangesLabels, "must not change the labels"),
    (checks.check_leaves_the_global_generators_alone, SeedsTorch, "must be left alone"),
    (checks.check_leaves_the_global_generators_alone, DrawsFromNumpy, "must be left alone"),
    (checks.check_statistic_does_not_depend_on_batches, ForgetsBatches, "in batches"),
    (checks.check_part_of_a_statistic_is_that_of_the_part, SelectsOthers, "for a part of"),
    (checks.check_quick_values_are_those_of_the_estimate, QuickButWrong, "iym of values"),
    (checks.check_blocks_of_rows_change_nothing, ReadsOneBlock, "in blocks of rows"),
    (checks.check_shuffles_are_estimates, ShufflesWrongly, "iym of about_shuffled"),
]


def test_the_broken_ones_are_good_but_for_one_thing():
    check_estimator(Broken())


@pytest.mark.parametrize(("check", "broken", "message"), CAUGHT)
def test_each_check_catches_what_it_is_for(check, broken, message):
    torch_state = torch.get_rng_state()
    with pytest.raises(ContractError, match=message):
        check(broken(), 1e-6)
    assert torch.equal(torch.get_rng_state(), torch_state) or broken is SeedsTorch
    with pytest.raises(ContractError):
        check_estimator(broken())


def test_every_check_catches_something():
    assert {check for check, _, _ in CAUGHT} == set(ESTIMATOR_CHECKS)


def test_an_estimator_may_know_one_of_the_two_only():
    class OnlyAboutClasses(Broken):
        def wrong(self, numbers, values, labels):
            return replace(numbers, ixm=math.nan, ixm_lower=math.nan, ixm_upper=math.nan)

    check_estimator(OnlyAboutClasses())


def test_values_of_the_contract_are_the_same_in_float32():
    values, labels = checks.samples_of_contract()
    assert torch.equal(values.float().double(), values)
    assert estimate(values, labels).iym > 0.1


@pytest.mark.parametrize("lacking", [object(), 3, "kd"])
def test_what_is_no_estimator_is_refused(lacking):
    with pytest.raises(InfoflowError, match="estimator must be"):
        check_estimator(lacking)


def test_an_estimate_of_another_type_is_refused():
    class Number(infoflow.Binning):
        def estimate(self, codes, labels):
            return 3.0

    with pytest.raises(ContractError, match=r"must return an infoflow.Estimate, got 3.0"):
        check_estimator(Number())
    with pytest.raises(ArgumentTypeError, match=r"must return an infoflow.Estimate, got 3.0"):
        infoflow.estimate([[0.0], [1.0]], estimator=Number())
