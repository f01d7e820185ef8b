"""``infoflow.estimate`` on plain arrays, and estimators by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from infoflow.estimators.binning import Binning, bin_digests, number_digests
from infoflow.estimators.classes import as_classes, as_tensor
from infoflow.estimators.distances import finite_distances
from infoflow.estimators.equal_mass import EqualMassBinning
from infoflow.estimators.kde import KDE
from infoflow.estimators.ksg import KSG
from infoflow.estimators.noise import Noise, NoiseLike, noises_of
from infoflow.estimators.propagation import SamplePropagation
from infoflow.estimators.renyi import Renyi
from infoflow.estimators.uncertainty import complete_estimate
from infoflow.interface import (
    ActivationError,
    ArgumentError,
    ArgumentTypeError,
    Codes,
    Distances,
    Draws,
    Estimate,
    Estimator,
    TargetError,
    Unit,
    Values,
    nats_per,
)

#: Estimators that take no setting by name.
_PLAIN: Mapping[str, Callable[[], Estimator]] = {
    "equal-mass": EqualMassBinning,
    "renyi": Renyi,
    "ksg": KSG,
    "sample-propagation": SamplePropagation,
}


def make_estimator(
    estimator: str | Estimator,
    *,
    noise: NoiseLike | None = None,
    noise_variance: float | None = None,
    bin_size: float | None = None,
) -> Estimator:
    """Return the estimator that a name and its setting stand for; objects pass through.

    Raises
    ------
    ArgumentError
        For an unknown name, or a setting that belongs to another estimator.
    """
    if noise is not None:
        if noise_variance is not None:
            raise ArgumentError(
                f"noise and noise_variance say the same thing, got {noise!r} and "
                f"{noise_variance!r}. Pass one of them."
            )
        noises = noises_of(noise)
        if len(noises) > 1:
            raise ArgumentError(
                f"This takes one noise, got a sweep of {len(noises)}. Sweep with infoflow.analyze "
                "or infoflow.Tracker."
            )
    settings = {"noise": noise, "noise_variance": noise_variance, "bin_size": bin_size}
    given = {name: value for name, value in settings.items() if value is not None}
    if not isinstance(estimator, str):
        return _checked_object(estimator, given)
    known: dict[str, tuple[str, ...]] = {
        "kde": ("noise_variance", "noise"),
        "binning": ("bin_size",),
        **dict.fromkeys(_PLAIN, ()),
    }
    if estimator not in known:
        raise ArgumentError(f"estimator must be one of {', '.join(known)}, got {estimator!r}.")
    foreign = [name for name in given if name not in known[estimator]]
    if foreign:
        own = (*known[estimator], "no setting by name")[0]
        raise ArgumentError(
            f"estimator {estimator!r} takes {own}, got {', '.join(foreign)}. "
            f"Leave out the other setting, or choose the estimator that it belongs to."
        )
    if estimator in _PLAIN:
        return _PLAIN[estimator]()
    if estimator == "binning":
        return Binning() if bin_size is None else Binning(bin_size)
    if noise is not None:
        return KDE(noises_of(noise)[0])
    return KDE() if noise_variance is None else KDE(noise_variance)


def make_estimators(
    estimator: str | Estimator,
    *,
    noise: NoiseLike | None = None,
    noise_variance: float | None = None,
    bin_size: float | None = None,
) -> tuple[Estimator, tuple[KDE, ...]]:
    """Return the estimator, and those of a sweep of noise: the middle one is the estimator itself.

    Raises
    ------
    ArgumentError
        As for :func:`make_estimator`; and for a sweep of another estimator than ``"kde"``.
    """
    if noise is None or isinstance(noise, str) or not isinstance(noise, Sequence):
        single = make_estimator(
            estimator, noise=noise, noise_variance=noise_variance, bin_size=bin_size
        )
        return single, ()
    if estimator != "kde" or noise_variance is not None or bin_size is not None:
        raise ArgumentError(
            f"A sweep of noise needs estimator='kde' and no other setting, got {estimator!r}. "
            "Leave out the sweep or the other settings."
        )
    sweep = tuple(KDE(point) for point in noises_of(noise))
    return sweep[len(sweep) // 2], sweep


def _checked_object(estimator: Any, given: Mapping[str, object]) -> Estimator:
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
    noise: Noise | str | None = None,
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
    noise
        Measurement noise of the KDE: a variance in squared units of the activations, or
        ``"relative"`` or an :class:`infoflow.Relative` for a share of the layer's own variance.
    noise_variance
        The same as a number; default 1.0.
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
    chosen = make_estimator(
        estimator, noise=noise, noise_variance=noise_variance, bin_size=bin_size
    )
    values = _as_rows(activations)
    classes = None if labels is None else as_classes(labels, len(values)).to(values.device)
    if classes is not None and len(torch.unique(classes)) < 2:
        raise TargetError(
            f"labels must hold at least 2 classes, got one for all {len(values)} samples. Leave "
            "labels out to estimate I(X;M) alone."
        )
    return complete_estimate(chosen, statistic_of(values, chosen), classes).to(unit)


def statistic_of(values: Tensor, estimator: Estimator) -> Tensor:
    """Return what an estimator asks for, from (N, units) values of a layer."""
    wanted = estimator.statistic
    if isinstance(wanted, Distances):
        return finite_distances(values)
    if isinstance(wanted, Codes):
        return number_digests(bin_digests(values, wanted.bin_size)).to(values.device)
    if isinstance(wanted, Values):
        return values
    if isinstance(wanted, Draws):
        raise ArgumentError(
            f"estimator {estimator.name!r} needs Gaussian noise inside a net, got plain values. "
            "Use infoflow.analyze(infoflow.NoisyNet(model, beta=0.1), loader, estimator=...), or "
            "estimator='kde', whose noise is added for the measurement only."
        )
    raise ArgumentTypeError(
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
