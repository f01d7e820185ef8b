"""What every estimator must do: one check each, for ``check_estimator``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from infoflow.estimators.registry import statistic_of
from infoflow.interface import (
    Estimate,
    Estimator,
    InfoflowError,
    Statistic,
)
from infoflow.interface.argument_checks import shown

Check = Callable[[Estimator, float], None]


#: The numbers of an estimate that may not depend on the order of the samples.
_NUMBERS = ("ixm", "iym", "ixm_ceiling", "iym_ceiling")


class ContractError(InfoflowError, AssertionError):
    """An estimator does not do what every estimator must."""


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
    numbers = measured(estimator, values, labels)
    expect(bool(numbers.kind.strip()), "kind must say what the number is of, got an empty one")
    expect(numbers.unit == "nats", f"unit must be 'nats', got {numbers.unit!r}")
    expect(numbers.samples == 60, f"samples must be 60, got {numbers.samples}")
    for name, expected in (("ixm_ceiling", math.log(60)), ("iym_ceiling", math.log(4))):
        got = getattr(numbers, name)
        message = f"{name} must be {expected:.6f} nats, got {got}"
        expect(abs(got - expected) <= tolerance, message)


def check_is_within_its_range(estimator: Estimator, tolerance: float) -> None:
    """Expect numbers from 0 to their ceilings in nats, for mixed and for well-told classes."""
    values, labels = samples_of_contract()
    for apart in (0.0, 1.0, 1000.0):
        numbers = measured(estimator, values + apart * labels[:, None], labels)
        said = [name for name in ("ixm", "iym") if not math.isnan(getattr(numbers, name))]
        expect(bool(said), "ixm or iym must be a number, got NaN for both")
        for name, most in (("ixm", math.log(60)), ("iym", math.log(4))):
            got = getattr(numbers, name)
            message = f"{name} must be between 0 and {most:.6f} nats, got {got}"
            expect(name not in said or -tolerance <= got <= most + tolerance, message)


def check_order_of_samples_does_not_matter(estimator: Estimator, tolerance: float) -> None:
    """Expect the same numbers for the same samples in another order."""
    values, labels = samples_of_contract()
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    before = measured(estimator, values, labels)
    after = measured(estimator, values[order], labels[order])
    expect_same(before, after, tolerance, "for samples in another order")


def check_names_of_classes_do_not_matter(estimator: Estimator, tolerance: float) -> None:
    """Expect the same numbers when the classes change their numbers."""
    values, labels = samples_of_contract()
    before = measured(estimator, values, labels)
    after = measured(estimator, values, torch.tensor([2, 0, 3, 1])[labels])
    expect_same(before, after, tolerance, "for classes with other numbers")


def check_constant_layer_says_nothing(estimator: Estimator, tolerance: float) -> None:
    """Expect 0, and no NaN, where all samples have the same value."""
    values, labels = samples_of_contract()
    usual = measured(estimator, values, labels)
    numbers = measured(estimator, torch.full_like(values, 7.0), labels)
    for name in ("ixm", "iym"):
        is_said = not math.isnan(getattr(usual, name))
        got = getattr(numbers, name)
        message = f"{name} of a constant layer must be 0, got {got}"
        expect(not is_said or abs(got) <= tolerance, message)


def check_duplicated_samples_are_measured(estimator: Estimator, tolerance: float) -> None:
    """Expect numbers, and no error, where samples occur several times."""
    values, labels = samples_of_contract()
    usual = measured(estimator, values, labels)
    copies = (values[:20].repeat(3, 1), labels[:20].repeat(3))
    try:
        numbers = measured(estimator, *copies)
    except Exception as error:
        raise ContractError(f"duplicated samples must be measured, got {error!r}.") from error
    for name in ("ixm", "iym"):
        is_said = not math.isnan(getattr(usual, name))
        got = getattr(numbers, name)
        message = f"{name} must be finite for duplicated samples, got {got}"
        expect(not is_said or math.isfinite(got), message)


def check_without_labels_iym_is_unknown(estimator: Estimator, tolerance: float) -> None:
    """Expect NaN for I(Y;M) and its ceiling where there is no Y, and the same I(X;M)."""
    values, labels = samples_of_contract()
    numbers = measured(estimator, values, None)
    for name in ("iym", "iym_lower", "iym_upper", "iym_ceiling"):
        got = getattr(numbers, name)
        expect(math.isnan(got), f"{name} must be NaN without labels, got {got}")
    with_labels = measured(estimator, values, labels)
    same = _are_close(numbers.ixm, with_labels.ixm, tolerance)
    message = f"ixm must not depend on labels, got {numbers.ixm} and {with_labels.ixm}"
    expect(same, message)


def check_precision_does_not_matter(estimator: Estimator, tolerance: float) -> None:
    """Expect the same numbers for the same values in float32 and in float64."""
    values, labels = samples_of_contract()
    before = measured(estimator, values, labels)
    after = measured(estimator, values.float(), labels)
    expect_same(before, after, max(tolerance, 1e-5), "for float32")


def check_is_deterministic(estimator: Estimator, tolerance: float) -> None:
    """Expect every field to be equal, to the last digit, when the same is measured twice."""
    values, labels = samples_of_contract()
    with _restored_generators():
        before = measured(estimator, values, labels)
        torch.rand(3)
        np.random.rand(3)  # noqa: NPY002
        after = measured(estimator, values, labels)
    same = repr(before) == repr(after)
    expect(same, f"the same input must give the same estimate, got {before} and {after}")


def check_leaves_its_input_alone(estimator: Estimator, tolerance: float) -> None:
    """Expect the statistic and the labels to be as they were."""
    values, labels = samples_of_contract()
    measured(_Watched(estimator), values, labels)


def check_leaves_the_global_generators_alone(estimator: Estimator, tolerance: float) -> None:
    """Expect torch's and numpy's global random states to be as they were."""
    values, labels = samples_of_contract()
    with _restored_generators():
        # one step on, so that even seeding with the seed that was used shows
        torch.rand(1)
        np.random.rand()  # noqa: NPY002
        torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
        measured(estimator, values, labels)
        is_torch_same = torch.equal(torch.get_rng_state(), torch_state)
        is_numpy_same = repr(np.random.get_state()) == repr(numpy_state)  # noqa: NPY002
    message = "global random state must be left alone; use a generator of your own"
    expect(is_torch_same and is_numpy_same, message)


@contextmanager
def _restored_generators() -> Iterator[None]:
    """Leave torch's and numpy's global generators as they were."""
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


def measured(estimator: Estimator, values: Tensor, labels: Tensor | None) -> Estimate:
    """Return an estimate from copies of values and labels."""
    classes = None if labels is None else labels.clone()
    found = estimator.estimate(statistic_of(values.clone(), estimator), classes)
    expect(
        isinstance(found, Estimate),
        f"estimate() must return an infoflow.Estimate, got {shown(found)}",
    )
    return found


def expect(is_so: bool, message: str) -> None:
    """Raise a ContractError with the message unless it is so."""
    if not is_so:
        raise ContractError(f"{message}.")


def expect_same(before: Estimate, after: Estimate, tolerance: float, when: str) -> None:
    """Raise a ContractError where a number of an estimate changes by more than the tolerance."""
    for name in _NUMBERS:
        one, other = getattr(before, name), getattr(after, name)
        message = f"{name} must stay the same {when}, got {one} and {other}"
        expect(_are_close(one, other, tolerance), message)


def _are_close(one: float, other: float, tolerance: float) -> bool:
    return (math.isnan(one) and math.isnan(other)) or abs(one - other) <= tolerance


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
        expect(torch.equal(statistic, before[0]), "estimate() must not change the statistic")
        is_same = labels is None or before[1] is None or torch.equal(labels, before[1])
        expect(is_same, "estimate() must not change the labels")
        return numbers
