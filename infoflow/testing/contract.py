"""What every estimator must do, as checks that a user's own can be run through."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from infoflow.estimators.distances import DistanceRows
from infoflow.estimators.registry import statistic_of
from infoflow.interface import (
    ClassShuffles,
    Estimate,
    Estimator,
    InfoflowError,
    QuickValues,
    RowBlocks,
    Statistic,
    Subsampled,
)

Check = Callable[[Estimator, float], None]

#: The numbers of an estimate that may not depend on the order of the samples.
_NUMBERS = ("ixm", "iym", "ixm_ceiling", "iym_ceiling")


class ContractError(InfoflowError, AssertionError):
    """An estimator does not do what every estimator must."""


def check_estimator(estimator: Estimator, *, tolerance: float = 1e-6) -> None:
    """Run an estimator through every check of :data:`ESTIMATOR_CHECKS`.

    Parameters
    ----------
    estimator
        Any object that follows :class:`infoflow.Estimator`.
    tolerance
        What two numbers that must be equal may differ by, and by how much one may leave its range,
        in nats.

    Raises
    ------
    ContractError
        For the first check that fails, with what was expected and what came.

    Examples
    --------
    In a test of your own, all at once, or one test per check:

    >>> import infoflow
    >>> check_estimator(infoflow.KDE(noise=0.5))
    >>> # @pytest.mark.parametrize("check", ESTIMATOR_CHECKS)
    >>> for check in ESTIMATOR_CHECKS:
    ...     check(infoflow.Binning(0.5), 1e-6)
    """
    for check in ESTIMATOR_CHECKS:
        check(estimator, tolerance)


def samples_of_contract() -> tuple[Tensor, Tensor]:
    """Return (60, 3) float64 values and (60,) classes that the checks use.

    The values are multiples of 2⁻¹⁰, so that they are the same numbers in float32.
    """
    random = np.random.default_rng(0)
    classes = np.arange(60) % 4
    values = random.normal(size=(60, 3)) + classes[:, None]
    return torch.from_numpy(np.round(values * 1024) / 1024), torch.from_numpy(classes)


def check_says_what_and_in_which_unit(estimator: Estimator, tolerance: float) -> None:
    """Expect nats, ceilings in nats, the number of samples, and a ``kind`` that is not empty."""
    values, labels = samples_of_contract()
    numbers = _measure(estimator, values, labels)
    _expect(bool(numbers.kind.strip()), "kind must say what the number is of, got an empty one")
    _expect(numbers.unit == "nats", f"unit must be 'nats', got {numbers.unit!r}")
    _expect(numbers.samples == 60, f"samples must be 60, got {numbers.samples}")
    for name, expected in (("ixm_ceiling", math.log(60)), ("iym_ceiling", math.log(4))):
        got = getattr(numbers, name)
        message = f"{name} must be {expected:.6f} nats, got {got}"
        _expect(abs(got - expected) <= tolerance, message)


def check_is_within_its_range(estimator: Estimator, tolerance: float) -> None:
    """Expect numbers from 0 to their ceilings in nats, for mixed and for well-told classes."""
    values, labels = samples_of_contract()
    for apart in (0.0, 1.0, 1000.0):
        numbers = _measure(estimator, values + apart * labels[:, None], labels)
        said = [name for name in ("ixm", "iym") if not math.isnan(getattr(numbers, name))]
        _expect(bool(said), "ixm or iym must be a number, got NaN for both")
        for name, most in (("ixm", math.log(60)), ("iym", math.log(4))):
            got = getattr(numbers, name)
            message = f"{name} must be between 0 and {most:.6f} nats, got {got}"
            _expect(name not in said or -tolerance <= got <= most + tolerance, message)


def check_order_of_samples_does_not_matter(estimator: Estimator, tolerance: float) -> None:
    """Expect the same numbers for the same samples in another order."""
    values, labels = samples_of_contract()
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    before = _measure(estimator, values, labels)
    after = _measure(estimator, values[order], labels[order])
    _expect_same(before, after, tolerance, "for samples in another order")


def check_names_of_classes_do_not_matter(estimator: Estimator, tolerance: float) -> None:
    """Expect the same numbers when the classes change their numbers."""
    values, labels = samples_of_contract()
    before = _measure(estimator, values, labels)
    after = _measure(estimator, values, torch.tensor([2, 0, 3, 1])[labels])
    _expect_same(before, after, tolerance, "for classes with other numbers")


def check_constant_layer_says_nothing(estimator: Estimator, tolerance: float) -> None:
    """Expect 0, and no NaN, where all samples have the same value."""
    values, labels = samples_of_contract()
    usual = _measure(estimator, values, labels)
    numbers = _measure(estimator, torch.full_like(values, 7.0), labels)
    for name in ("ixm", "iym"):
        is_said = not math.isnan(getattr(usual, name))
        got = getattr(numbers, name)
        message = f"{name} of a constant layer must be 0, got {got}"
        _expect(not is_said or abs(got) <= tolerance, message)


def check_duplicated_samples_are_measured(estimator: Estimator, tolerance: float) -> None:
    """Expect numbers, and no error, where samples occur several times."""
    values, labels = samples_of_contract()
    usual = _measure(estimator, values, labels)
    copies = (values[:20].repeat(3, 1), labels[:20].repeat(3))
    try:
        numbers = _measure(estimator, *copies)
    except Exception as error:
        raise ContractError(f"duplicated samples must be measured, got {error!r}.") from error
    for name in ("ixm", "iym"):
        is_said = not math.isnan(getattr(usual, name))
        got = getattr(numbers, name)
        message = f"{name} must be finite for duplicated samples, got {got}"
        _expect(not is_said or math.isfinite(got), message)


def check_without_labels_iym_is_unknown(estimator: Estimator, tolerance: float) -> None:
    """Expect NaN for I(Y;M) and its ceiling where there is no Y, and the same I(X;M)."""
    values, labels = samples_of_contract()
    numbers = _measure(estimator, values, None)
    for name in ("iym", "iym_lower", "iym_upper", "iym_ceiling"):
        got = getattr(numbers, name)
        _expect(math.isnan(got), f"{name} must be NaN without labels, got {got}")
    with_labels = _measure(estimator, values, labels)
    same = _are_close(numbers.ixm, with_labels.ixm, tolerance)
    message = f"ixm must not depend on labels, got {numbers.ixm} and {with_labels.ixm}"
    _expect(same, message)


def check_precision_does_not_matter(estimator: Estimator, tolerance: float) -> None:
    """Expect the same numbers for the same values in float32 and in float64."""
    values, labels = samples_of_contract()
    before = _measure(estimator, values, labels)
    after = _measure(estimator, values.float(), labels)
    _expect_same(before, after, max(tolerance, 1e-5), "for float32")


def check_is_deterministic(estimator: Estimator, tolerance: float) -> None:
    """Expect every field to be equal, to the last digit, when the same is measured twice."""
    values, labels = samples_of_contract()
    with _restored_generators():
        before = _measure(estimator, values, labels)
        torch.rand(3)
        np.random.rand(3)  # noqa: NPY002
        after = _measure(estimator, values, labels)
    same = repr(before) == repr(after)
    _expect(same, f"the same input must give the same estimate, got {before} and {after}")


def check_leaves_its_input_alone(estimator: Estimator, tolerance: float) -> None:
    """Expect the statistic and the labels to be as they were."""
    values, labels = samples_of_contract()
    _measure(_Watched(estimator), values, labels)


def check_leaves_the_global_generators_alone(estimator: Estimator, tolerance: float) -> None:
    """Expect torch's and numpy's global random states to be as they were."""
    values, labels = samples_of_contract()
    with _restored_generators():
        # one step on, so that even seeding with the seed that was used shows
        torch.rand(1)
        np.random.rand()  # noqa: NPY002
        torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
        _measure(estimator, values, labels)
        is_torch_same = torch.equal(torch.get_rng_state(), torch_state)
        is_numpy_same = repr(np.random.get_state()) == repr(numpy_state)  # noqa: NPY002
    message = "global random state must be left alone; use a generator of your own"
    _expect(is_torch_same and is_numpy_same, message)


def check_statistic_does_not_depend_on_batches(estimator: Estimator, tolerance: float) -> None:
    """Expect the same numbers whether values are collected all at once or in batches."""
    values, labels = samples_of_contract()
    kind = estimator.statistic
    kept = kind.bytes_per_sample(values.shape[1], values.element_size())
    _expect(kept >= 0, f"bytes_per_sample must be at least 0, got {kept}")
    collector = kind.collector(values.shape[1], 60, dtype=values.dtype, device=values.device)
    for start in range(0, 60, 25):
        collector.add(start, values[start : start + 25].clone())
    before = _measure(estimator, values, labels)
    after = estimator.estimate(collector.result(), labels.clone())
    _expect_same(before, after, tolerance, "for values that are collected in batches")


def check_part_of_a_statistic_is_that_of_the_part(estimator: Estimator, tolerance: float) -> None:
    """Expect ``select`` to give the statistic of some samples; :class:`Subsampled` only."""
    kind = estimator.statistic
    if not isinstance(kind, Subsampled):
        return
    values, labels = samples_of_contract()
    values = values / 4  # so that samples share bins
    keep = torch.arange(0, 60, 2)
    part = kind.select(statistic_of(values, estimator), keep)
    before = _measure(estimator, values[keep], labels[keep])
    after = estimator.estimate(part, labels[keep])
    _expect_same(before, after, tolerance, "for a part of the samples")


def check_quick_values_are_those_of_the_estimate(estimator: Estimator, tolerance: float) -> None:
    """Expect ``values`` to give what ``estimate`` gives; :class:`QuickValues` only."""
    if not isinstance(estimator, QuickValues):
        return
    values, labels = samples_of_contract()
    slow = _measure(estimator, values, labels)
    quick = estimator.values(statistic_of(values, estimator), labels)
    for name, one, other in zip(("ixm", "iym"), quick, (slow.ixm, slow.iym), strict=True):
        message = f"{name} of values() must be that of estimate(), got {one} and {other}"
        _expect(_are_close(one, other, tolerance), message)


def check_blocks_of_rows_change_nothing(estimator: Estimator, tolerance: float) -> None:
    """Expect the same numbers from distances in blocks of rows; :class:`RowBlocks` only."""
    if not isinstance(estimator, RowBlocks) or not estimator.takes_row_blocks:
        return
    values, labels = samples_of_contract()
    before = _measure(estimator, values, labels)
    after = estimator.estimate(DistanceRows(values, 17), labels)
    _expect_same(before, after, tolerance, "for distances in blocks of rows")


def check_shuffles_are_estimates(estimator: Estimator, tolerance: float) -> None:
    """Expect ``about_shuffled`` to give what ``estimate`` gives; :class:`ClassShuffles` only."""
    if not isinstance(estimator, ClassShuffles):
        return
    values, labels = samples_of_contract()
    orders = torch.stack([labels, labels.flip(0), labels.roll(7)])
    quick = estimator.about_shuffled(statistic_of(values, estimator), orders)
    slow = [_measure(estimator, values, order).iym for order in orders]
    for one, other in zip(quick.tolist(), slow, strict=True):
        message = f"iym of about_shuffled() must be that of estimate(), got {one} and {other}"
        _expect(_are_close(one, other, tolerance), message)


#: Every check: takes an estimator and a tolerance in nats, raises a ContractError.
ESTIMATOR_CHECKS: tuple[Check, ...] = (
    check_says_what_and_in_which_unit,
    check_is_within_its_range,
    check_order_of_samples_does_not_matter,
    check_names_of_classes_do_not_matter,
    check_constant_layer_says_nothing,
    check_duplicated_samples_are_measured,
    check_without_labels_iym_is_unknown,
    check_precision_does_not_matter,
    check_is_deterministic,
    check_leaves_its_input_alone,
    check_leaves_the_global_generators_alone,
    check_statistic_does_not_depend_on_batches,
    check_part_of_a_statistic_is_that_of_the_part,
    check_quick_values_are_those_of_the_estimate,
    check_blocks_of_rows_change_nothing,
    check_shuffles_are_estimates,
)


@dataclass(frozen=True)
class _Watched:
    """An estimator whose input is looked at before and after."""

    estimator: Estimator

    @property
    def name(self) -> str:
        return self.estimator.name

    @property
    def statistic(self) -> Statistic:
        return self.estimator.statistic

    def estimate(self, statistic: Tensor, labels: Tensor | None) -> Estimate:
        before = statistic.clone(), None if labels is None else labels.clone()
        numbers = self.estimator.estimate(statistic, labels)
        _expect(torch.equal(statistic, before[0]), "estimate() must not change the statistic")
        is_same = labels is None or before[1] is None or torch.equal(labels, before[1])
        _expect(is_same, "estimate() must not change the labels")
        return numbers


@contextmanager
def _restored_generators() -> Iterator[None]:
    """Leave torch's and numpy's global generators as they were."""
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


def _measure(estimator: Estimator, values: Tensor, labels: Tensor | None) -> Estimate:
    classes = None if labels is None else labels.clone()
    return estimator.estimate(statistic_of(values.clone(), estimator), classes)


def _expect(is_so: bool, message: str) -> None:
    if not is_so:
        raise ContractError(f"{message}.")


def _expect_same(before: Estimate, after: Estimate, tolerance: float, when: str) -> None:
    for name in _NUMBERS:
        one, other = getattr(before, name), getattr(after, name)
        message = f"{name} must stay the same {when}, got {one} and {other}"
        _expect(_are_close(one, other, tolerance), message)


def _are_close(one: float, other: float, tolerance: float) -> bool:
    return (math.isnan(one) and math.isnan(other)) or abs(one - other) <= tolerance
