"""``infoflow.estimate`` on plain arrays, and estimators by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from infoflow.estimators.binning import Binning
from infoflow.estimators.classes import as_tensor
from infoflow.estimators.equal_mass import EqualMassBinning
from infoflow.estimators.kde import KDE
from infoflow.estimators.ksg import KSG
from infoflow.estimators.label_reading import as_classes, label_tensor, one_column
from infoflow.estimators.noise import Noise, NoiseLike, noises_of
from infoflow.estimators.propagation import SamplePropagation
from infoflow.estimators.renyi import Renyi
from infoflow.estimators.uncertainty import complete_estimate
from infoflow.estimators.void import check_labelled
from infoflow.interface import (
    ActivationError,
    ArgumentError,
    ArgumentTypeError,
    Estimate,
    Estimator,
    Statistic,
    TargetError,
    Unit,
    nats_per,
)
from infoflow.interface.argument_checks import did_you_mean
from infoflow.interface.devices import home_of_float64

#: Estimators by name.
ESTIMATORS: Mapping[str, Callable[[], Estimator]] = {
    "kde": KDE,
    "binning": Binning,
    "equal-mass": EqualMassBinning,
    "renyi": Renyi,
    "ksg": KSG,
    "sample-propagation": SamplePropagation,
}


def make_estimator(estimator: str | Estimator, noise: NoiseLike | None = None) -> Estimator:
    """Return the estimator that a name stands for, with its noise; objects pass through.

    Raises
    ------
    ArgumentError
        For an unknown name, noise for another estimator than ``"kde"``, or a sweep of noise.
    """
    chosen, sweep = make_estimators(estimator, noise)
    if sweep:
        raise ArgumentError(
            f"This takes one noise, got a sweep of {len(sweep)}. Sweep with infoflow.analyze or "
            "infoflow.Tracker."
        )
    return chosen


def make_estimators(
    estimator: str | Estimator, noise: NoiseLike | None = None
) -> tuple[Estimator, tuple[KDE, ...]]:
    """Return the estimator, and those of a sweep of noise: the middle one is the estimator itself.

    Raises
    ------
    ArgumentError
        For an unknown name, or noise for another estimator than ``"kde"``.
    """
    if not isinstance(estimator, str):
        return _checked_object(estimator, noise), ()
    if estimator not in ESTIMATORS:
        raise ArgumentError(
            f"estimator must be one of {', '.join(ESTIMATORS)}, got {estimator!r}."
            f"{did_you_mean(estimator, ESTIMATORS)}"
        )
    if noise is None:
        return ESTIMATORS[estimator](), ()
    if estimator != "kde":
        raise ArgumentError(
            f"noise is the measurement noise of estimator='kde', got noise={noise!r} for "
            f"{estimator!r}. Leave noise out, or choose estimator='kde'."
        )
    sweep = tuple(KDE(point) for point in noises_of(noise))
    is_sweep = isinstance(noise, Sequence) and not isinstance(noise, str)
    return sweep[len(sweep) // 2], sweep if is_sweep else ()


def _checked_object(estimator: Any, noise: NoiseLike | None) -> Estimator:
    if isinstance(estimator, type):
        raise ArgumentTypeError(
            f"estimator must be an object, got the class {estimator.__name__}. Write "
            f"{estimator.__name__}()."
        )
    if not isinstance(estimator, Estimator):
        raise ArgumentTypeError(
            f"estimator must be a name or an object with .name, .statistic and .estimate, got "
            f"{type(estimator).__name__}. infoflow.KDE() is one."
        )
    if noise is not None:
        raise ArgumentError(
            f"noise must be set on the estimator itself, got it beside {estimator!r}. Write for "
            "example infoflow.KDE(noise=0.1)."
        )
    return estimator


def estimate(
    activations: ArrayLike | Tensor,
    labels: ArrayLike | Tensor | None = None,
    *,
    estimator: str | Estimator = "kde",
    noise: Noise | str | None = None,
    unit: Unit = "bits",
) -> Estimate:
    """Estimate I(X;M) and I(Y;M) of one layer from its values for N samples.

    Parameters
    ----------
    activations
        Array or tensor of shape (N, ...), one row per sample, N at least 2.
    labels
        (N,) class of each sample: whole numbers in any order, or names; without them I(Y;M) is NaN.
    estimator
        ``"kde"``, ``"binning"``, ``"equal-mass"``, ``"renyi"``, ``"ksg"``, or an object such as
        ``infoflow.KDE(noise=0.1, bound="lower")`` or ``infoflow.Binning(0.1)``.
    noise
        Measurement noise of the KDE: a variance in squared units of the activations, or
        ``"relative"`` or an :class:`infoflow.Relative` for a share of the layer's own variance;
        1.0 where None.
    unit
        ``"bits"`` or ``"nats"``.

    Returns
    -------
    Estimate
        With ``.ixm``, ``.iym``, their bounds, their ceilings, and the ``.kind`` of quantity.

    Raises
    ------
    ActivationError
        If a value is NaN or infinite, or there are fewer than two samples.
    TargetError
        If the labels are not one class per sample.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.repeat([[0.0], [50.0]], 4, axis=0)
    >>> numbers = estimate(values, [0, 0, 0, 0, 1, 1, 1, 1])
    >>> round(numbers.ixm, 3), round(numbers.iym, 3), round(numbers.ixm_ceiling, 3)
    (1.0, 1.0, 3.0)
    """
    nats_per(unit)
    chosen = make_estimator(estimator, noise)
    values = _as_rows(activations)
    classes = None
    if labels is not None:
        check_labelled(one_column(label_tensor(labels)))
        classes = as_classes(labels, len(values)).to(values.device)
    if classes is not None and len(torch.unique(classes)) < 2:
        raise TargetError(
            f"labels must hold at least 2 classes, got one for all {len(values)} samples. Leave "
            "labels out to estimate I(X;M) alone."
        )
    return complete_estimate(chosen, statistic_of(values, chosen), classes).to(unit)


def statistic_of(values: Tensor, estimator: Estimator) -> Any:
    """Return what an estimator asks for, from (N, units) values of a layer."""
    wanted = estimator.statistic
    if not isinstance(wanted, Statistic):
        raise ArgumentTypeError(
            f"estimator.statistic must be infoflow.Distances(), Codes(bin_size), Values(), or an "
            f"object with bytes_per_sample and collector, got {wanted!r}."
        )
    samples, units = values.shape
    collector = wanted.collector(units, samples, dtype=values.dtype, device=values.device)
    collector.add(0, values)
    return collector.result()


def _as_rows(activations: ArrayLike | Tensor) -> Tensor:
    values = as_tensor(activations, "activations", ActivationError)
    if values.ndim == 0 or len(values) < 2:
        raise ActivationError(
            f"activations must hold at least 2 samples, one per row, got shape "
            f"{tuple(values.shape)}."
        )
    if values.is_complex():
        values = torch.view_as_real(values)
    rows = values.reshape(len(values), -1).to(home_of_float64(values.device))
    if not rows.is_floating_point():
        rows = rows.to(torch.float64)
    bad = (~torch.isfinite(rows)).any(dim=1).nonzero()
    if len(bad):
        raise ActivationError(
            f"activations must be finite, got NaN or infinity in sample {int(bad[0])}"
            f"{f' and {len(bad) - 1} more' if len(bad) > 1 else ''}."
        )
    return rows
