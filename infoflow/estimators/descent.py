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
_ROUNDING = 1e-7


def minimise(
    value: Callable[[Tensor], tuple[Tensor, Tensor]],
    start: Tensor,
    *,
    tolerance: float,
    steps: int,
) -> Tensor:
    """Return for each problem the point where its function is smallest.

    Parameters
    ----------
    value
        Takes (problems, d) points, and returns the (problems,) values there and their
        (problems, d) derivatives, float64. Each function is convex.
    start
        (problems, d) points to start from, float64.
    tolerance
        A problem ends where no derivative is larger; it then waits for the others.
    steps
        Most steps.

    References
    ----------
    .. [1] J. Nocedal and S. J. Wright, Numerical Optimization, 2nd edition, algorithm 7.4.

    Examples
    --------
    >>> import torch
    >>> centre = torch.tensor([[1.0, -2.0], [3.0, 0.5]], dtype=torch.float64)
    >>> curvature = torch.tensor([1.0, 30.0], dtype=torch.float64)
    >>> def value(points):
    ...     off = points - centre
    ...     return 0.5 * (curvature * off * off).sum(1), curvature * off
    >>> found = minimise(value, torch.zeros_like(centre), tolerance=1e-6, steps=50)
    >>> bool((found - centre).abs().max() < 1e-6)
    True
    """
    point = start
    level, slope = value(point)
    is_stuck = torch.zeros_like(level, dtype=torch.bool)
    memory: list[tuple[Tensor, Tensor]] = []
    for _ in range(steps):
        is_open = (slope.abs().amax(dim=1) > tolerance) & ~is_stuck
        if not bool(is_open.any()):
            break
        ahead = _direction(slope, memory)
        fall = (ahead * slope).sum(dim=1)
        length = is_open.to(point.dtype)
        for _ in range(_MOST_HALVINGS):
            new = point + length[:, None] * ahead
            new_level, new_slope = value(new)
            most = level + _LEAST_FALL * length * fall + _ROUNDING * level.abs()
            is_high = ~(new_level <= most)
            if not bool(is_high.any()):
                break
            length = torch.where(is_high, 0.5 * length, length)
        else:
            is_stuck = is_stuck | is_high
            new, new_slope = (
                torch.where(is_high[:, None], old, found)
                for old, found in ((point, new), (slope, new_slope))
            )
            new_level = torch.where(is_high, level, new_level)
        memory = [*memory[1 - _REMEMBERED :], (new - point, new_slope - slope)]
        point, level, slope = new, new_level, new_slope
    return point


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
