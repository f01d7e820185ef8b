"""How far two learning rates agree at equal learning rate × steps."""

from __future__ import annotations

import numpy as np

from reproduction.study import Curve, Seed, Study


def compare_clocks(study: Study) -> dict[str, float | str]:
    """Return how Model 1 differs between two learning rates at equal clock.

    The factor is how much more clock the larger rate takes to the same loss, as the median over
    losses that both reach.
    """
    pair = study.two_rates()
    if pair is None:
        return {}
    fast, slow = pair
    one, other = fast.curves[1], slow.curves[1]
    both = min(one.clock[-1], other.clock[-1])
    at = one.clock[(one.clock > 0) & (one.clock <= both)]
    difference = np.abs(np.interp(at, one.clock, one.smooth()) - _at(other, at))
    pairs = common_looks(fast, slow)
    layers, slower = fast.read()[[a for a, _ in pairs]], slow.read()[[b for _, b in pairs]]
    return {
        "rates": f"{fast.rate:g} and {slow.rate:g} of the paper's epochs in one",
        "compared up to": float(both),
        "factor at equal loss": _factor(one, other),
        "mean difference of validation Dice": float(difference.mean()),
        "mean difference of I(Y;M) in bits": float(np.abs(layers - slower).mean()),
        "looks that both have": float(len(pairs)),
    }


def common_looks(one: Seed, other: Seed) -> list[tuple[int, int]]:
    """Return the rows of looks at clocks within a tenth of each other."""
    nearest = [(row, int(np.abs(other.clock - at).argmin())) for row, at in enumerate(one.clock)]
    return [(a, b) for a, b in nearest if abs(other.clock[b] - one.clock[a]) <= 0.1 * one.clock[a]]


def _at(curve: Curve, clock: np.ndarray) -> np.ndarray:
    return np.interp(clock, curve.clock, curve.smooth())


def _factor(fast: Curve, slow: Curve) -> float:
    """Return the median ratio of the clocks at which both come to the same loss."""
    lows = [np.minimum.accumulate(curve.loss[1:]) for curve in (fast, slow)]
    bottom, top = max(low[-1] for low in lows), min(low[0] for low in lows)
    if bottom >= top:
        return float("nan")
    levels = np.linspace(top, bottom, 22)[1:-1]
    clocks = [
        curve.loss_clock[1:][(low[None, :] <= levels[:, None]).argmax(axis=1)]
        for curve, low in zip((fast, slow), lows, strict=True)
    ]
    return float(np.median(clocks[0] / clocks[1]))
