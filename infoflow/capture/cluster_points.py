"""Targets as points to cluster: values as they are, classes as shares, gaps filled."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from infoflow.interface import TargetError

#: Maps of whole numbers with more different ones are grey levels, not classes.
MOST_CLASSES = 200
#: Points of more bytes are made coarser.
_MOST_BYTES = 1 << 30


def cluster_points(raw: Tensor, void: Tensor | None = None) -> Tensor:
    """Return a point per sample, float32 of shape (N, d).

    Parameters
    ----------
    raw
        (N, ...) targets. Integers, and maps of whole floats, are classes where there are three or
        more.
    void
        Where there is no label, of the same shape; each such number counts as the mean of the other
        samples at its place.

    Examples
    --------
    >>> cluster_points(torch.tensor([[[0, 1]], [[2, 1]]])).tolist()
    [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]]
    """
    classes = _classes(raw if void is None else raw[~void], raw)
    known = None if void is None else ~void
    if classes is None:
        return _filled(raw.to(torch.float32), known).reshape(len(raw), -1)
    factor = _factor(raw, len(classes))
    shares = [_shares(raw == number, known, factor) for number in classes]
    return torch.cat([share.reshape(len(raw), -1) for share in shares], dim=1)


def _classes(labelled: Tensor, raw: Tensor) -> list[float] | None:
    """Return the numbers of three or more classes, else None."""
    is_map = raw.ndim == 3 or (raw.ndim > 3 and raw.shape[1] == 1)
    if raw.dtype is torch.bool or not (is_map or not raw.is_floating_point()):
        return None
    if labelled.is_floating_point() and not bool((labelled == labelled.round()).all()):
        return None
    found = torch.unique(labelled)
    if len(found) > MOST_CLASSES and raw.ndim <= 2:
        raise TargetError(
            f"K-means cannot compare {len(found)} different class numbers or token ids, at most "
            f"{MOST_CLASSES}. Pass an array with a class for each sample, or let unpack= return "
            "target.float() if they are magnitudes."
        )
    return found.tolist() if 3 <= len(found) <= MOST_CLASSES else None


def _factor(raw: Tensor, classes: int) -> int:
    """Return the side of the blocks whose shares, for all samples and classes, take 1 GB."""
    factor = 1
    if raw.ndim <= 2:
        return factor
    while 4 * raw.numel() * classes > _MOST_BYTES * factor**2 and factor < max(raw.shape[-2:]):
        factor *= 2
    return factor


def _shares(is_class: Tensor, known: Tensor | None, factor: int) -> Tensor:
    """Return the share of a class in each block of pixels that have a label."""
    here = is_class.to(torch.float32)
    if factor == 1:
        return _filled(here, known)
    if known is None:
        return _pooled(here, factor)
    labelled = _pooled(known.to(torch.float32), factor)
    return _filled(_pooled(here * known, factor) / labelled.clamp(min=1e-9), labelled > 0)


def _pooled(maps: Tensor, factor: int) -> Tensor:
    """Return means of blocks over the last two dimensions."""
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    small = F.avg_pool2d(flat, factor, ceil_mode=True, count_include_pad=False)
    return small.reshape(len(maps), -1)


def _filled(values: Tensor, known: Tensor | None) -> Tensor:
    """Put, where nothing is known, the mean of the other samples at the same place."""
    if known is None:
        return values
    total = (values * known).sum(dim=0) / known.sum(dim=0).clamp(min=1)
    return torch.where(known, values, total)
