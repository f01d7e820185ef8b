"""When a :class:`infoflow.Tracker` measures: epochs, and functions of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np

from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import function_of, shown, whole_number

Schedule = Callable[[int], bool] | Collection[int]


def paper_schedule(epoch: int) -> bool:
    """Tell whether Lee and Bajić's code measures at ``epoch``, counted from 0.

    All of the first 20 epochs, every 5th to 100, every 10th to 200, then every 100th.

    Examples
    --------
    >>> [epoch for epoch in range(15, 240) if paper_schedule(epoch)][:8]
    [15, 16, 17, 18, 19, 20, 25, 30]
    >>> sum(paper_schedule(epoch) for epoch in range(10_001))
    145
    """
    if epoch < 20:
        return True
    if epoch < 100:
        return epoch % 5 == 0
    if epoch < 200:
        return epoch % 10 == 0
    return epoch % 100 == 0


def epoch_number(epoch: Any) -> int:
    """Return an epoch as a whole number; some trainers count in floats.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For a part of an epoch, a number below 0, and for anything else.

    Examples
    --------
    >>> epoch_number(2.0)
    2
    """
    if isinstance(epoch, (float, np.floating)) and float(epoch).is_integer():
        epoch = int(epoch)
    return whole_number("epoch", epoch, hint="Count finished epochs, from 0 for the untrained net.")


def as_function(schedule: Schedule) -> Callable[[int], bool]:
    """Return a schedule as a function that answers with True or False, or says why it cannot."""
    if callable(schedule) and not isinstance(schedule, type):
        function_of("schedule", schedule, 1, "schedule(epoch), which returns True or False")
        return lambda epoch: _answer(schedule, epoch)
    if isinstance(schedule, (str, bytes, type)) or not isinstance(schedule, Iterable):
        raise ArgumentError(
            "schedule must be a function from the epoch to True or False, or the epochs to "
            f"measure, got {shown(schedule)}. infoflow.paper_schedule is such a function."
        )
    return frozenset(whole_number("An epoch of schedule", one) for one in schedule).__contains__


def _answer(schedule: Callable[[int], bool], epoch: int) -> bool:
    try:
        answer = schedule(epoch)
    except Exception as error:
        raise ArgumentError(
            f"schedule failed at epoch {epoch} with {type(error).__name__}: {error}. Expected a "
            "function from the epoch to True or False."
        ) from error
    if not isinstance(answer, (bool, np.bool_)):
        raise ArgumentTypeError(
            f"schedule must return True or False, got {shown(answer)} at epoch {epoch}. Compare, "
            "as in lambda epoch: epoch % 5 == 0."
        )
    return bool(answer)
