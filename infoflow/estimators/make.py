"""``infoflow.estimate`` on plain arrays, and estimators by name."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from infoflow.estimators.binning import Binning, bin_digests, number_digests
from infoflow.estimators.classes import as_classes, as_tensor
from infoflow.estimators.distances import squared_distances
from infoflow.estimators.equal_mass import EqualMassBinning
from infoflow.estimators.kde import KDE
from infoflow.estimators.ksg import KSG
from infoflow.estimators.renyi import Renyi
from infoflow.interface import (
    ActivationError,
    ArgumentError,
    Codes,
    Distances,
    Estimate,
    Estimator,
    TargetError,
    Unit,
    Values,
    nats_per,
)


def make_estimator(
    estimator: str | Estimator,
    *,
    noise_variance: float | None = None,
    bin_size: float | None = None,
) -> Estimator:
    """Return the estimator that a name and its setting stand for; objects pass through.

    Raises
    ------
    ArgumentError
        For an unknown name, or a setting that belongs to another estimator.
    """
    settings = {"noise_variance": noise_variance, "bin_size": bin_size}
    given = {name: value for name, value in settings.items() if value is not None}
    if not isinstance(estimator, str):
        return _checked_object(estimator, given)
    known: dict[str, tuple[Any, str]] = {
        "kde": (KDE, "noise_variance"),
        "binning": (Binning, "bin_size"),
        "equal-mass": (EqualMassBinning, ""),
        "renyi": (Renyi, ""),
        "ksg": (KSG, ""),
    }
    if estimator not in known:
        raise ArgumentError(f"estimator must be one of {', '.join(known)}, got {estimator!r}.")
    kind, setting = known[estimator]
    if set(given) - {setting}:
        raise ArgumentError(
            f"estimator {estimator!r} takes {setting or 'no setting by name'}, got "
            f"{', '.join(given)}. Leave out the other setting, or choose the estimator that it "
            "belongs to."
        )
    chosen: Estimator = kind(**given)
    return chosen


def _checked_object(estimator: Any, given: dict[str, float]) -> Estimator:
    if not isinstance(estimator, Estimator):
        raise TypeError(
            f"estimator must be a name or an object with .name, .statistic and .estimate, got "
            f"{type(estimator).__name__}. infoflow.KDE() is one."
        )
    if given:
        raise ArgumentError(
            f"{', '.join(given)} must be set on the estimator itself, got it beside "
            f"{estimator!r}. Write for example infoflow.KDE(noise_variance=0.1)."
        )
    return estimator


def estimate(
    activations: ArrayLike | Tensor,
    labels: ArrayLike | Tensor | None = None,
    *,
    estimator: str | Estimator = "kde",
    noise_variance: float | None = None,
    bin_size: float | None = None,
    unit: Unit = "bits",
) -> Estimate:
    """Estimate I(X;M) and I(Y;M) of one layer from its values for N samples.

    Parameters
    ----------
    activations
        Array or tensor of shape (N, ...), one row per sample, N at least 2.
    labels
        (N,) class of each sample, any integers; without them I(Y;M) is NaN.
    estimator
        ``"kde"``, ``"binning"``, ``"equal-mass"``, ``"renyi"``, ``"ksg"``, or an object such as
        ``infoflow.KDE(noise_variance=0.1)``.
    noise_variance
        Variance of the KDE's measurement noise, in squared units of the activations; default 1.0.
    bin_size
        Bin size of the binning estimator, in units of the activations; default 0.2.
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
    chosen = make_estimator(estimator, noise_variance=noise_variance, bin_size=bin_size)
    values = _as_rows(activations)
    classes = None if labels is None else as_classes(labels, len(values)).to(values.device)
    if classes is not None and len(torch.unique(classes)) < 2:
        raise TargetError(
            f"labels must hold at least 2 classes, got one for all {len(values)} samples. Leave "
            "labels out to estimate I(X;M) alone."
        )
    return chosen.estimate(_statistic(values, chosen), classes).to(unit)


def _statistic(values: Tensor, estimator: Estimator) -> Tensor:
    wanted = estimator.statistic
    if isinstance(wanted, Distances):
        return squared_distances(values)
    if isinstance(wanted, Codes):
        return number_digests(bin_digests(values, wanted.bin_size)).to(values.device)
    if isinstance(wanted, Values):
        return values
    raise TypeError(
        f"estimator.statistic must be Distances(), Codes(bin_size) or Values(), got {wanted!r}."
    )


def _as_rows(activations: ArrayLike | Tensor) -> Tensor:
    values = as_tensor(activations, "activations", ActivationError)
    if values.ndim == 0 or len(values) < 2:
        raise ActivationError(
            f"activations must hold at least 2 samples, one per row, got shape "
            f"{tuple(values.shape)}."
        )
    if values.is_complex():
        values = torch.view_as_real(values)
    rows = values.reshape(len(values), -1)
    if not rows.is_floating_point():
        rows = rows.to(torch.float64)
    bad = (~torch.isfinite(rows)).any(dim=1).nonzero()
    if len(bad):
        raise ActivationError(
            f"activations must be finite, got NaN or infinity in sample {int(bad[0])}"
            f"{f' and {len(bad) - 1} more' if len(bad) > 1 else ''}."
        )
    return rows
