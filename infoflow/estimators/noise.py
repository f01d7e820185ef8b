"""How much measurement noise a layer gets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

from infoflow.interface import ArgumentError
from infoflow.interface.argument_checks import did_you_mean


@dataclass(frozen=True)
class Relative:
    """Noise whose variance is a share of the layer's own: what matters is shape, not scale.

    The noise variance in every unit is ``share`` times the sum over units of the variance of M. A
    layer and the same layer times ten then give the same numbers. The variance is that of all the
    samples, also where they come by anchors, by sketches or from several processes.

    Parameters
    ----------
    share
        Noise variance over the layer's total variance.

    Raises
    ------
    ArgumentError
        If the share is not a positive number.

    Examples
    --------
    >>> import infoflow, numpy as np
    >>> values = np.random.default_rng(0).normal(size=(50, 3))
    >>> kde = infoflow.KDE(noise=infoflow.Relative(0.1))
    >>> small, large = (infoflow.estimate(s * values, estimator=kde).ixm for s in (0.01, 100))
    >>> abs(small - large) < 1e-9
    True
    """

    share: float = 0.1

    def __post_init__(self) -> None:
        check_positive("share", self.share, "0.1 is a good start.")

    def __str__(self) -> str:
        return f"{self.share:g} of the layer's total variance"


Noise = float | Relative
NoiseLike = Noise | str | Sequence[Noise | str]


def is_positive(value: object) -> bool:
    """Tell whether ``value`` is a positive finite number."""
    is_number = isinstance(value, Real) and type(value).__name__ != "bool"
    return is_number and 0 < value < math.inf  # type: ignore[operator]


def check_positive(name: str, value: object, hint: str) -> None:
    """Raise an ArgumentError where ``value`` is no positive finite number."""
    if not is_positive(value):
        raise ArgumentError(f"{name} must be a number greater than 0, got {value!r}. {hint}")


def check_count(name: str, value: object) -> None:
    """Raise an ArgumentError where ``value`` is no whole number of at least 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ArgumentError(f"{name} must be a whole number of at least 0, got {value!r}.")


def noises_of(noise: NoiseLike) -> tuple[Noise, ...]:
    """Return what ``noise=`` was given as one or several noises, in its order.

    Raises
    ------
    ArgumentError
        For another word than ``"relative"``, no number, or a sweep with fewer than two points.
    """
    if isinstance(noise, Sequence) and not isinstance(noise, str):
        several = tuple(_single(point) for point in noise)
        if len(several) < 2:
            raise ArgumentError(
                f"A sweep of noise needs at least 2 points, got {list(several)!r}. Pass the number "
                "itself for a single one."
            )
        if len(set(several)) < len(several):
            raise ArgumentError(f"A sweep of noise needs points that differ, got {list(several)}.")
        return several
    return (_single(noise),)


def _single(noise: Noise | str) -> Noise:
    if isinstance(noise, (Real, Relative)):
        return noise
    if not isinstance(noise, str) or noise != "relative":
        is_array = hasattr(noise, "shape")
        got = f"a {type(noise).__name__} {noise!r}" if is_array else repr(noise)
        hint = " Of an array or a tensor, pass .tolist()." if is_array else ""
        hint = hint or did_you_mean(noise, ["relative"])
        raise ArgumentError(
            "noise must be a variance, 'relative', an infoflow.Relative, or a list or tuple of "
            f"these, got {got}.{hint}"
        )
    return Relative()
