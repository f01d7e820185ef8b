"""What every estimator must do, as checks that a user's own can be run through."""

from __future__ import annotations

import torch

from infoflow.estimators.distances import DistanceRows
from infoflow.estimators.registry import make_estimator, statistic_of
from infoflow.interface import (
    ClassShuffles,
    Estimator,
    QuickValues,
    RowBlocks,
    Subsampled,
)
from infoflow.testing.contract_checks import (
    Check,
    _are_close,
    check_constant_layer_says_nothing,
    check_duplicated_samples_are_measured,
    check_is_deterministic,
    check_is_within_its_range,
    check_leaves_its_input_alone,
    check_leaves_the_global_generators_alone,
    check_names_of_classes_do_not_matter,
    check_order_of_samples_does_not_matter,
    check_precision_does_not_matter,
    check_says_what_and_in_which_unit,
    check_without_labels_iym_is_unknown,
    expect,
    expect_same,
    measured,
    samples_of_contract,
)


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
    ArgumentTypeError
        For what is no estimator: an object without a name, a statistic or ``estimate``.
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
    estimator = make_estimator(estimator)
    for check in ESTIMATOR_CHECKS:
        check(estimator, tolerance)


def check_statistic_does_not_depend_on_batches(estimator: Estimator, tolerance: float) -> None:
    """Expect the same numbers whether values are collected all at once or in batches."""
    values, labels = samples_of_contract()
    kind = estimator.statistic
    kept = kind.bytes_per_sample(values.shape[1], values.element_size())
    expect(kept >= 0, f"bytes_per_sample must be at least 0, got {kept}")
    collector = kind.collector(values.shape[1], 60, dtype=values.dtype, device=values.device)
    for start in range(0, 60, 25):
        collector.add(start, values[start : start + 25].clone())
    before = measured(estimator, values, labels)
    after = estimator.estimate(collector.result(), labels.clone())
    expect_same(before, after, tolerance, "for values that are collected in batches")


def check_part_of_a_statistic_is_that_of_the_part(estimator: Estimator, tolerance: float) -> None:
    """Expect ``select`` to give the statistic of some samples; :class:`Subsampled` only."""
    kind = estimator.statistic
    if not isinstance(kind, Subsampled):
        return
    values, labels = samples_of_contract()
    values = values / 4  # so that samples share bins
    keep = torch.arange(0, 60, 2)
    part = kind.select(statistic_of(values, estimator), keep)
    before = measured(estimator, values[keep], labels[keep])
    after = estimator.estimate(part, labels[keep])
    expect_same(before, after, tolerance, "for a part of the samples")


def check_quick_values_are_those_of_the_estimate(estimator: Estimator, tolerance: float) -> None:
    """Expect ``values`` to give what ``estimate`` gives; :class:`QuickValues` only."""
    if not isinstance(estimator, QuickValues):
        return
    values, labels = samples_of_contract()
    slow = measured(estimator, values, labels)
    quick = estimator.values(statistic_of(values, estimator), labels)
    for name, one, other in zip(("ixm", "iym"), quick, (slow.ixm, slow.iym), strict=True):
        message = f"{name} of values() must be that of estimate(), got {one} and {other}"
        expect(_are_close(one, other, tolerance), message)


def check_blocks_of_rows_change_nothing(estimator: Estimator, tolerance: float) -> None:
    """Expect the same numbers from distances in blocks of rows; :class:`RowBlocks` only."""
    if not isinstance(estimator, RowBlocks) or not estimator.takes_row_blocks:
        return
    values, labels = samples_of_contract()
    before = measured(estimator, values, labels)
    after = estimator.estimate(DistanceRows(values, 17), labels)
    expect_same(before, after, tolerance, "for distances in blocks of rows")


def check_shuffles_are_estimates(estimator: Estimator, tolerance: float) -> None:
    """Expect ``about_shuffled`` to give what ``estimate`` gives; :class:`ClassShuffles` only."""
    if not isinstance(estimator, ClassShuffles):
        return
    values, labels = samples_of_contract()
    orders = torch.stack([labels, labels.flip(0), labels.roll(7)])
    quick = estimator.about_shuffled(statistic_of(values, estimator), orders)
    slow = [measured(estimator, values, order).iym for order in orders]
    for one, other in zip(quick.tolist(), slow, strict=True):
        message = f"iym of about_shuffled() must be that of estimate(), got {one} and {other}"
        expect(_are_close(one, other, tolerance), message)


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
