"""Smooth functions of their own, minimised side by side: L-BFGS with a batch of problems."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: Steps that the curvature is guessed from.
_REMEMBERED = 10
#: Halvings of a step that does not descend, before a problem ends where it is.
_MOST_HALVINGS = 30
#: Share of the first-order fall that a step must reach.
_LEAST_FALL = 1e-4
#: A rise of the value that may be rounding of float32 losses, as a share of it.
_ROUNDING = 1e-6


#: Takes (problems, d) points, and returns the values there, (problems,), and their derivatives.
Objective = Callable[[Tensor], tuple[Tensor, Tensor]]


def minimise(
    among: Callable[[Tensor], Objective], start: Tensor, *, tolerance: float, steps: int
) -> Tensor:
    """Return for each problem the point where its convex function is smallest.

    Parameters
    ----------
    among
        Returns the functions of some problems, whose numbers it takes; values and derivatives are
        float64.
    start
        (problems, d) points to start from, float64.
    tolerance
        A problem ends where no derivative is larger.
    steps
        Most steps.

    References
    ----------
    .. [1] J. Nocedal and S. J. Wright, Numerical Optimization, 2nd edition, algorithm 7.4.
    .. [2] W. W. Hager and H. Zhang, SIAM Journal on Optimization 16(1), 170-192 (2005), equation
       4.1, for steps whose fall rounding hides.

    Examples
    --------
    >>> import torch
    >>> centre = torch.tensor([[1.0, -2.0], [3.0, 0.5]], dtype=torch.float64)
    >>> curvature = torch.tensor([1.0, 30.0], dtype=torch.float64)
    >>> def among(problems):
    ...     def value(points):
    ...         off = points - centre[problems]
    ...         return 0.5 * (curvature * off * off).sum(1), curvature * off
    ...
    ...     return value
    >>> found = minimise(among, torch.zeros_like(centre), tolerance=1e-6, steps=50)
    >>> bool((found - centre).abs().max() < 1e-6)
    True
    """
    found = start.clone()
    live = torch.arange(len(start), dtype=torch.int64, device=start.device)
    value, point = among(live), start
    memory: list[tuple[Tensor, Tensor]] = []
    level, slope = value(point)
    is_stuck = torch.zeros_like(level, dtype=torch.bool)
    for _ in range(steps):
        is_open = (slope.abs().amax(dim=1) > tolerance) & ~is_stuck
        if not bool(is_open.all()):
            found[live] = point
            live = live[is_open]
            point, level, slope, is_stuck = (
                part[is_open] for part in (point, level, slope, is_stuck)
            )
            memory = [(step[is_open], change[is_open]) for step, change in memory]
            if not len(live):
                break
            value = among(live)
        ahead = _direction(slope, memory)
        new, new_level, new_slope, is_stuck = _searched(value, point, level, slope, ahead)
        memory = [*memory[1 - _REMEMBERED :], (new - point, new_slope - slope)]
        point, level, slope = new, new_level, new_slope
    found[live] = point
    return found


def _searched(
    value: Objective, point: Tensor, level: Tensor, slope: Tensor, ahead: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return points ahead that are lower, values and derivatives there, and where there is none."""
    fall = (ahead * slope).sum(dim=1)
    length = torch.ones_like(level)
    for _ in range(_MOST_HALVINGS):
        new = point + length[:, None] * ahead
        new_level, new_slope = value(new)
        is_lower = new_level <= level + _LEAST_FALL * length * fall
        # where rounding hides the fall, the derivative along the step shows it
        is_flat = new_level <= level + _ROUNDING * level.abs()
        is_flat &= (ahead * new_slope).sum(dim=1) <= (2 * _LEAST_FALL - 1) * fall
        is_high = ~(is_lower | is_flat)
        if not bool(is_high.any()):
            return new, new_level, new_slope, is_high
        length = torch.where(is_high, 0.5 * length, length)
    stay = is_high[:, None]
    return (
        torch.where(stay, point, new),
        torch.where(is_high, level, new_level),
        torch.where(stay, slope, new_slope),
        is_high,
    )


def _direction(slope: Tensor, memory: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return where to go: the derivative against the curvature that the last steps have shown."""
    ahead, weights = -slope, []
    for step, change in reversed(memory):
        product = (step * change).sum(dim=1, keepdim=True)
        # what has not moved has no curvature to show
        inverse = torch.where(product > 0, 1 / product, 0.0)
        weight = inverse * (step * ahead).sum(dim=1, keepdim=True)
        ahead = ahead - weight * change
        weights.append((inverse, weight))
    if memory:
        step, change = memory[-1]
        ratio = (step * change).sum(dim=1, keepdim=True) / change.square().sum(dim=1, keepdim=True)
        ahead = ahead * torch.where(ratio > 0, ratio, 1.0)
    for (step, change), (inverse, weight) in zip(memory, reversed(weights), strict=True):
        ahead = ahead + step * (weight - inverse * (change * ahead).sum(dim=1, keepdim=True))
    return ahead
