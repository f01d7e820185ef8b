"""Mutual information in a net with Gaussian noise inside, by sample propagation.

Z. Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, section 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from infoflow.estimators.classes import NOT_KNOWN, label_entropy, with_ceilings
from infoflow.estimators.mixture import integrate
from infoflow.estimators.noise import check_positive
from infoflow.estimators.noisy_channel import NoisyChannel
from infoflow.estimators.statistics import Draws
from infoflow.interface import ArgumentError, Estimate
from infoflow.interface.argument_checks import seed_number

#: The constant c of the paper's Theorem 1, see :func:`risk_bound`.
RISK_CONSTANT = 2.75


@dataclass(frozen=True)
class SamplePropagation:
    """I(X;T) and I(Y;T) of a net with Gaussian noise inside, for :class:`infoflow.NoisyNet`.

    Every input goes through the net ``draws`` times; the values before a layer's own noise are the
    centres of Gaussian mixtures, whose entropies are found by Monte Carlo integration. X is uniform
    over the N samples. See :func:`sample_propagation` for what the numbers are.

    Parameters
    ----------
    draws
        How often each input goes through the net, 2 or more. More draws bring the bounds closer to
        each other; time grows at most in proportion.
    standard_error
        Wanted standard error, in nats; with few inputs and draws, these may not allow it.
    most_points
        Stop the integration here at the latest.
    seed
        Seed of the net's noise and of the integration.

    Raises
    ------
    ArgumentError
        If a setting is out of its range.

    Examples
    --------
    >>> import infoflow, torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    >>> noisy = infoflow.NoisyNet(net, beta=0.5)
    >>> result = infoflow.analyze(
    ...     noisy, [torch.randn(64, 3)], estimator=infoflow.SamplePropagation(), progress=False
    ... )
    >>> result.layers, bool(0 < result.ixm.item() < 6)
    (['0'], True)
    """

    draws: int = 32
    standard_error: float = 0.01
    most_points: int = 200_000
    seed: int = 0

    def __post_init__(self) -> None:
        seed_number(self.seed)
        check_positive("standard_error", self.standard_error, "0.01 nats is usual.")
        if not isinstance(self.most_points, int) or self.most_points < 2:
            raise ArgumentError(
                f"most_points must be a whole number of 2 or more, got {self.most_points!r}. "
                "200,000 is usual."
            )
        if not isinstance(self.draws, int) or self.draws < 2:
            raise ArgumentError(
                f"draws must be a whole number of 2 or more, got {self.draws!r}. One draw of an "
                "input cannot show how far the noise carries it; 32 is usual."
            )

    @property
    def name(self) -> str:
        """``"sample-propagation"``."""
        return "sample-propagation"

    @property
    def is_propagated(self) -> bool:
        """True: the noise is the net's own, so that the data processing inequality holds."""
        return True

    @property
    def statistic(self) -> Draws:
        """Several draws of every layer's value before its own noise."""
        return Draws(self.draws, self.seed)

    def estimate(self, statistic: Tensor, labels: Tensor | None) -> Estimate:
        """Return the estimate in nats from (N, draws, units) values in units of the noise."""
        estimate = sample_propagation(
            statistic,
            1.0,
            labels,
            standard_error=self.standard_error,
            most_points=self.most_points,
            seed=self.seed,
        )
        return replace(
            estimate,
            kind=f"I(X;T) of the noisy net itself, by sample propagation with {self.draws} draws "
            "for each input; the bounds hold on average over draws",
        )


def sample_propagation(
    draws: Tensor,
    noise_std: float,
    labels: Tensor | None = None,
    *,
    standard_error: float = 0.01,
    most_points: int = 200_000,
    seed: int = 0,
) -> Estimate:
    """Estimate I(X;T) and I(Y;T) of T = S + Z from draws of S for each of N equally likely inputs.

    I(X;T) = h(p̂_S ∗ φ_β) − mean_x h(p̂_S⁽ˣ⁾ ∗ φ_β), equation 1 of the paper, with all draws of
    all inputs as p̂_S. Both entropies are integrated over the same points, so their common noise
    cancels. I(Y;T) has the draws of a class in the place of those of an input.

    The value is the information of a channel that is an average of draws, so on average it is at
    or above the true one, and never above log N; ``ixm_upper`` is the value. For ``ixm_lower``
    points are judged by mixtures that were made without their own quarter of the draws. How well
    any fixed densities tell the inputs apart is a lower bound on average (D. Barber and F. Agakov,
    "The IM algorithm", NIPS 2003). The two meet when the draws fill what they stand for.

    Parameters
    ----------
    draws
        Shape (N, draws, units): values before the layer's own noise.
    noise_std
        β of the noise Z, in the units of the draws.
    labels
        (N,) classes of Y, or None.
    standard_error
        Wanted standard error of the integration, in nats.
    most_points
        Stop the integration here at the latest.
    seed
        Seed of a generator of its own.

    Returns
    -------
    Estimate
        In nats. ``ixm_standard_error`` and ``iym_standard_error`` are of the integration and of the
        chance in the draws, for the values and the bounds alike; what is systematic shows in the
        distance of the bounds. ``ixm_risk_bound`` is the paper's equation 2, see
        :func:`risk_bound`.

    Raises
    ------
    ArgumentError
        If the draws have another shape, or a setting is not positive.

    Examples
    --------
    >>> import torch
    >>> far_apart = torch.tensor([[0.0], [100.0], [200.0], [300.0]])[:, None, :]
    >>> numbers = sample_propagation(far_apart, 1.0, torch.tensor([0, 0, 1, 1])).to("bits")
    >>> round(numbers.ixm, 3), round(numbers.iym, 3)
    (2.0, 1.0)
    """
    check_positive("noise_std", noise_std, "It is the standard deviation β of the layer's noise.")
    check_positive("standard_error", standard_error, "0.01 nats is usual.")
    if draws.ndim != 3 or len(draws) < 2 or 0 in draws.shape:
        raise ArgumentError(
            f"draws must have shape (inputs, draws, units) with 2 inputs or more, got "
            f"{tuple(draws.shape)}. Reshape them with draws.flatten(2)."
        )
    is_known = bool((draws == draws[:, :1]).all())
    centres = (draws[:, :1] if is_known else draws).to(torch.float64) / noise_std
    channel = NoisyChannel(centres, labels, seed)
    inputs, count, units = centres.shape
    sample = math.inf if is_known else inputs * count
    means, errors, _ = integrate(channel.information, standard_error, most_points, sample)
    estimate = with_ceilings(
        _within(means[0], means[2], math.log(inputs)),
        NOT_KNOWN if labels is None else _within(means[1], means[3], label_entropy(labels)),
        inputs,
        labels,
        "I(X;T) by sample propagation",
    )
    loudness = float(centres.abs().max())
    return replace(
        estimate,
        ixm_standard_error=float(errors[0]),
        iym_standard_error=math.nan if labels is None else float(errors[1]),
        ixm_risk_bound=risk_bound(inputs if is_known else min(inputs, count), units, loudness),
    )


def risk_bound(draws: int, units: int, loudness: float, constant: float = RISK_CONSTANT) -> float:
    """Return the paper's bound on the expected error of sample propagation, in nats.

    (8 cᵈ + d · log(1 + 1/σ²)) / 4√n: Theorem 1, equation 2, for n inputs with n draws each and
    values between −1 and 1. It is for the worst net and the worst distribution of X, and above any
    information there is until n is beyond reach: the paper computes n = 4·10⁹ for 0.8 nats.

    Parameters
    ----------
    draws
        n: number of draws for each input, or of inputs, whichever is smaller.
    units
        d: number of units of the layer.
    loudness
        1/σ: largest absolute value over the noise's standard deviation.
    constant
        c, a number that the paper leaves to an appendix of its extended version. The default is
        the one that gives the paper's own example for its widest layer, of 10 units.

    Examples
    --------
    >>> round(risk_bound(4 * 10**9, units=10, loudness=200.0), 1)
    0.8
    """
    try:
        worst = 8.0 * constant**units
    except OverflowError:
        return math.inf
    return (worst + units * math.log1p(loudness**2)) / (4.0 * math.sqrt(draws))


def _within(value: Tensor, lower: Tensor, ceiling: float) -> tuple[float, float, float]:
    """Return value, lower and upper bound between 0 and the ceiling, which points can overstep."""
    clipped = min(max(float(value), 0.0), ceiling)
    return clipped, min(max(float(lower), 0.0), clipped), clipped
