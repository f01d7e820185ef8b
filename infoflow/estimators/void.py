"""Labels that mean "not labelled": which numbers they are, and where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Literal

import torch
from torch import Tensor

from infoflow.interface import TargetError, UnlabelledWarning, warn
from infoflow.interface.argument_checks import shown

#: Numbers that mark, in the usual data sets and libraries, what has no label.
USUAL_VOID = (-100, 255)

#: What 255 becomes in a byte with a sign.
_SIGNED_255 = -1

#: Which numbers mark what has no label: one, several, none, or the usual ones where they are seen.
IgnoreIndex = int | Sequence[int] | Literal["usual"] | None

#: With classes above this, 255 is taken for a grey level or one more class.
_LARGEST_CLASS = 199


def check_ignore_index(ignore_index: IgnoreIndex) -> None:
    """Raise a TargetError for what names no numbers.

    Examples
    --------
    >>> check_ignore_index("void")
    Traceback (most recent call last):
    infoflow.interface.errors.TargetError: ignore_index must be a whole number such as 255, \
several of them, 'usual', or None for none, got 'void'.
    """
    if ignore_index is None or (isinstance(ignore_index, str) and ignore_index == "usual"):
        return
    given = ignore_index if isinstance(ignore_index, (list, tuple)) else (ignore_index,)
    if not all(isinstance(one, Integral) and not isinstance(one, bool) for one in given):
        raise TargetError(
            "ignore_index must be a whole number such as 255, several of them, 'usual', or None "
            f"for none, got {shown(ignore_index)}."
        )


def unlabelled(raw: Tensor, ignore_index: IgnoreIndex = "usual") -> Tensor | None:
    """Return where a target has no label, of the target's shape; None where it has all.

    Parameters
    ----------
    raw
        (N,) classes or (N, ...) maps, of whole numbers.
    ignore_index
        ``"usual"`` takes -100 for "not labelled" where all other numbers are at least 0, and 255 in
        maps where two or more other classes are there and none is above 199, so that masks of 0
        and 255 and grey images keep their meaning; in maps of int8 also -1, which 255 becomes
        there. A warning says so.

    Warns
    -----
    UnlabelledWarning
        Where a usual number is taken for "not labelled".

    Examples
    --------
    >>> unlabelled(torch.tensor([[[0, 1], [2, 255]]]), ignore_index=255).tolist()
    [[[False, False], [False, True]]]
    """
    check_ignore_index(ignore_index)
    if ignore_index is None:
        return None
    if ignore_index != "usual":
        given = ignore_index if isinstance(ignore_index, (list, tuple)) else (ignore_index,)
        numbers = [int(one) for one in given]
        found = marked(raw, numbers)
        return found if bool(found.any()) else None
    seen = tuple(number for number in usual_void(raw) if _is_void(raw, number))
    if not seen:
        return None
    found = marked(raw, seen)
    names = " and ".join(map(str, seen))
    warn(
        f"{names} marks {_percent(found)} of the target's numbers and is taken for 'not "
        f"labelled': they are left out. Pass ignore_index={seen[0]} to say so, or "
        "ignore_index=None if it is a class, for example target=infoflow.KMeans(ignore_index=255) "
        "or infoflow.ClassLabels(ignore_index=255).",
        UnlabelledWarning,
    )
    return found


def check_labelled(classes: Tensor, ignore_index: IgnoreIndex = "usual") -> None:
    """Raise a TargetError where one class per sample, (N,), is asked for and samples have none."""
    check_ignore_index(ignore_index)
    if ignore_index == "usual":
        ignore_index = -100 if _is_void(classes, -100) else None
    void = unlabelled(classes, ignore_index)
    if void is None:
        return
    bad = void.reshape(len(void), -1).any(dim=1).nonzero().flatten()
    number = classes.reshape(len(void), -1)[int(bad[0]), 0].item()
    raise TargetError(
        f"{len(bad)} of {len(classes)} samples have no label ({number:g} marks 'not labelled'), "
        f"first sample {int(bad[0])}. Leave these samples out. If it is a class, give it another "
        "number, or let the loader give Y and pass target=infoflow.ClassLabels(ignore_index=None)."
    )


def labelled_somewhere(raw: Tensor, ignore_index: IgnoreIndex = "usual") -> Tensor | None:
    """Return :func:`unlabelled` of a target; a TargetError for samples that have no label at all.

    Examples
    --------
    >>> labelled_somewhere(torch.tensor([[[0, 1]], [[255, 255]]]), 255)
    Traceback (most recent call last):
    infoflow.interface.errors.TargetError: 1 of 2 samples have no labelled pixel, first sample 1. \
Leave these samples out of the loader.
    """
    if raw.numel() == len(raw):
        check_labelled(raw, ignore_index)
        return None
    void = unlabelled(raw, ignore_index)
    empty = [] if void is None else void.flatten(1).all(dim=1).nonzero().flatten().tolist()
    if empty:
        raise TargetError(
            f"{len(empty)} of {len(raw)} samples have no labelled pixel, first sample {empty[0]}. "
            "Leave these samples out of the loader."
        )
    return void


def usual_void(raw: Tensor) -> tuple[int, ...]:
    """Return the numbers that usually mark what has no label, in a tensor of this type.

    Examples
    --------
    >>> usual_void(torch.tensor([255])), usual_void(torch.tensor([255], dtype=torch.uint8).char())
    ((-100, 255), (-100, 255, -1))
    """
    return (*USUAL_VOID, _SIGNED_255) if raw.dtype is torch.int8 else USUAL_VOID


def _is_void(raw: Tensor, number: int) -> bool:
    """Tell whether a usual number means "not labelled" here, by the other numbers."""
    if raw.is_complex() or raw.dtype is torch.bool or (number != -100 and raw.ndim < 2):
        return False
    if not bool(_equals(raw, number).any()):
        return False
    others = torch.unique(raw[~marked(raw, (number, -100))])
    if not len(others) or bool((others != others.round()).any()) or bool((others < 0).any()):
        return False
    return number == -100 or (len(others) >= 2 and float(others.max()) <= _LARGEST_CLASS)


def marked(raw: Tensor, numbers: Sequence[int]) -> Tensor:
    """Tell where a tensor holds one of some numbers, such as those that mark no label."""
    found = torch.zeros_like(raw, dtype=torch.bool)
    for number in numbers:
        found |= _equals(raw, number)
    return found


def _equals(raw: Tensor, number: int) -> Tensor:
    """Compare, where the type holds the number: torch would wrap -100 to 156 in a byte."""
    if not raw.is_floating_point() and raw.dtype is not torch.bool:
        limits = torch.iinfo(raw.dtype)
        if not limits.min <= number <= limits.max:
            return torch.zeros_like(raw, dtype=torch.bool)
    return raw == number


def _percent(found: Tensor) -> str:
    return f"{100 * float(found.double().mean()):.3g} %"
