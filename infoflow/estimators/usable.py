"""Usable information: how many bits a small probe gains about Y from a layer's values.

Y. Xu, S. Zhao, J. Song, R. Stewart and S. Ermon, "A Theory of Usable Information under
Computational Constraints", ICLR 2020; for the conditional form J. Hewitt, K. Ethayarajh, P. Liang
and C. D. Manning, "Conditional probing: measuring usable information beyond a baseline", EMNLP
2021.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from infoflow.estimators.classes import as_tensor
from infoflow.estimators.jackknife import students_t
from infoflow.estimators.probe_task import Family, ProbeTask, ask
from infoflow.estimators.void import IgnoreIndex
from infoflow.interface import ActivationError, ArgumentError


@dataclass(frozen=True)
class UsableInformation:
    """How many bits a family of probes gains about Y.

    Parameters
    ----------
    value
        H_V(Y) − H_V(Y|features), or with ``given`` H_V(Y|given) − H_V(Y|given, features): a mean of
        held-out losses, in ``unit``. As it came out: where there is nothing to gain it is near 0 on
        either side, and is not cut off there. More features are harder to fit, so that what adds
        nothing may come out slightly below 0.
    ci_low, ci_high
        95 % confidence interval of the mean over data sets of this size, from the spread of the
        held-out gains over samples (over images for maps), widened for the fits, which share most
        of their samples.
    entropy
        H_V(Y) with no input, the held-out loss of the shares of the classes, in ``unit``.
    remaining
        The held-out loss that is left with the features (and ``given``), in ``unit``.
    unit
        ``"bits per label"`` or ``"bits per pixel"``.
    family
        ``"linear"``, ``"conv3x3"`` or ``"mlp"``.
    kind
        What the number is of.
    samples
        Number of samples (images, for maps).
    """

    value: float
    ci_low: float
    ci_high: float
    entropy: float
    remaining: float
    unit: str
    family: Family
    kind: str
    samples: int

    def __str__(self) -> str:
        return (
            f"{self.value:.3f} {self.unit} (95 % interval {self.ci_low:.3f} to {self.ci_high:.3f}) "
            f"of {self.entropy:.3f}, {self.family} probe"
        )


def usable_information(
    features: ArrayLike | Tensor,
    target: ArrayLike | Tensor,
    *,
    given: ArrayLike | Tensor | None = None,
    family: Family = "linear",
    folds: int = 5,
    pixels: int = 64,
    seed: int = 0,
    ignore_index: IgnoreIndex = "usual",
) -> UsableInformation:
    """Measure how many bits about Y a family of probes gains from features, on held-out samples.

    The samples are cut into folds; each fold is predicted by a probe fitted on the others, whose
    regularisation or number of epochs is chosen by a fifth of those. What it gains is counted from
    the shares of the classes in training, which a probe without input would predict.

    Parameters
    ----------
    features
        Shape (N, ...); for a dense target and for ``"conv3x3"`` maps of shape (N, C, h, w).
    target
        Y: (N,) classes, or maps of classes such as masks, (N, H, W) or (N, 1, H, W). Of a map,
        ``pixels`` random pixels an image are predicted, each from the features at its place
        (the features are taken as upsampled to the map's size, by the nearest neighbour).
    given
        Features that are known already: the value is then what ``features`` add to them.
    family
        ``"linear"``: logistic regression, for maps from the channels at the pixel. ``"mlp"``: one
        hidden layer of 32 rectified units. ``"conv3x3"``: the hidden layer is a 3×3 convolution of
        the map in its own resolution; for classes its units are averaged over all positions.
    folds
        Number of folds, at least 2.
    pixels
        Pixels of each image that are fitted and predicted, where the target is dense.
    seed
        Seed of folds, pixels and probes. The global random state is left as it is.
    ignore_index
        The number, or several, that mark pixels without a label, which are left out. ``"usual"``
        recognises 255 and -100, with a warning.

    Returns
    -------
    UsableInformation
        ``.value``, ``.ci_low`` and ``.ci_high`` in bits per label, or per pixel.

    Raises
    ------
    ArgumentError
        For an unknown family, folds that the samples do not fill, or maps that are none.
    TargetError
        If the target holds no classes, or only one.
    ActivationError
        If features are not finite.

    References
    ----------
    .. [1] Y. Xu et al., "A Theory of Usable Information under Computational Constraints", ICLR
       2020, definition 2.
    .. [2] J. Hewitt et al., "Conditional probing", EMNLP 2021, equation 4.

    Examples
    --------
    An exclusive or is nothing to a linear probe, and a bit to one with a hidden layer:

    >>> import numpy as np
    >>> bits = np.random.default_rng(0).integers(0, 2, (400, 2))
    >>> parity = bits.sum(axis=1) % 2
    >>> abs(round(usable_information(bits, parity).value, 1))
    0.0
    >>> round(usable_information(bits, parity, family="mlp", folds=2).value, 1)
    1.0
    """
    question = ask(target, folds=folds, pixels=pixels, seed=seed, ignore_index=ignore_index)
    streams = [question.rows(_checked(features, "features", question), family)]
    if given is not None:
        streams.insert(0, question.rows(_checked(given, "given", question), family))
    known = list(range(len(streams) - 1))
    null, without, together = question.losses(streams, [(), known, [*known, len(known)]], family)
    return gain(question, null, without, together, family)


def gain(
    question: ProbeTask, null: Tensor, without: Tensor, with_them: Tensor, family: Family
) -> UsableInformation:
    """Return what is gained from one set of losses, in bits, to another of the same samples.

    ``null`` are the losses without any features.
    """
    gains = without - with_them
    value = float(gains.mean())
    margin = _margin(gains, question.folds)
    return UsableInformation(
        value=value,
        ci_low=value - margin,
        ci_high=value + margin,
        entropy=float(null.mean()),
        remaining=float(with_them.mean()),
        unit=question.unit,
        family=family,
        kind=question.kind(family),
        samples=len(gains),
    )


def _margin(gains: Tensor, folds: int) -> float:
    """Return half the width of the 95 % interval of a cross-fitted mean.

    The gains of one fold hang together by its fit, so Student's t has as many degrees of freedom as
    there are folds, less one; and each fit sees only (folds − 1) / folds of the samples. Chosen by
    ``examples/coverage/usable.py``: 1.96 standard errors cover 70 to 80 % with 100 samples, and the
    correction of Nadeau and Bengio (Machine Learning 52, 2003) all of 200 data sets of 400.
    """
    variance = float(gains.var(correction=1)) / len(gains) * folds / (folds - 1)
    return students_t(folds - 1) * math.sqrt(variance)


def _checked(values: ArrayLike | Tensor, name: str, question: ProbeTask) -> Tensor:
    features = as_tensor(values, name, ActivationError)
    samples = len(question.fold)
    if features.ndim == 0 or len(features) != samples:
        raise ArgumentError(
            f"{name} and target must have the same samples, got {name} of shape "
            f"{tuple(features.shape)} and {samples} targets. Select the same rows of both."
        )
    if features.is_complex():
        features = torch.view_as_real(features).flatten(-2)
    if not features.is_floating_point():
        features = features.to(torch.float32)
    if not bool(torch.isfinite(features).all()):
        raise ActivationError(f"{name} must be finite, got NaN or infinity.")
    return features[:, None] if features.ndim == 1 else features
