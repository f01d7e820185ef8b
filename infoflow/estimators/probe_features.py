"""Features and classes that a probe reads, from values of layers."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import functional as F

from infoflow.estimators.label_reading import check_whole, label_tensor, one_column
from infoflow.estimators.void import IgnoreIndex, labelled_somewhere
from infoflow.interface import ArgumentError, TargetError


def class_numbers(
    target: ArrayLike | Tensor, ignore_index: IgnoreIndex = "usual"
) -> tuple[Tensor, Tensor]:
    """Return the values that stand for classes, ascending, and (N,) or (N, H, W) numbers of them.

    Pixels without a label have the number -1. A TargetError for what holds no classes, or one only,
    and for samples without any label.
    """
    values = class_maps(label_tensor(target, "target").cpu())
    void = labelled_somewhere(values, ignore_index)
    found = torch.unique(values if void is None else values[~void])
    if len(found) < 2:
        raise TargetError(f"target must hold at least 2 classes, got {found.tolist()}.")
    classes = torch.searchsorted(found, values.contiguous())
    return found, classes if void is None else classes.masked_fill(void, -1)


def class_maps(target: Tensor) -> Tensor:
    """Return (N,) or (N, H, W) class numbers; a TargetError for what holds none.

    Examples
    --------
    >>> class_maps(torch.zeros(2, 1, 4, 4)).shape, class_maps(torch.eye(3)).tolist()
    (torch.Size([2, 4, 4]), [0, 1, 2])
    """
    values = one_column(target)
    if values.ndim == 4 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 3):
        raise TargetError(
            "target must hold a class per sample, shape (N,), or a class per pixel, (N, H, W) or "
            f"(N, 1, H, W), got shape {tuple(values.shape)}. Pass target.argmax(1) of shares of "
            "classes, one of several labels at a time, or infoflow.KMeans() to cluster maps."
        )
    check_whole(values, "target")
    return values.to(torch.uint8) if values.dtype is torch.bool else values


def pixel_rows(values: Tensor, places: Tensor, size: tuple[int, int], reach: int) -> Tensor:
    """Return the features around pixels of a larger or smaller map.

    Parameters
    ----------
    values
        Maps (N, C, h, w).
    places
        (N, P) flat indices into a map of ``size``.
    size
        Height and width of that map.
    reach
        0 for the features at the place alone, 1 for the 3×3 around it, with zeros beyond the edge.

    Returns
    -------
    Tensor
        Shape (N, P, C · (2 reach + 1)²).
    """
    height, width = values.shape[2:]
    rows = (places // size[1]) * height // size[0]
    columns = (places % size[1]) * width // size[1]
    padded = F.pad(values, (reach,) * 4)
    samples = torch.arange(len(values), device=values.device, dtype=torch.int64)[:, None]
    steps = range(2 * reach + 1)
    around = [padded[samples, :, rows + i, columns + j] for i in steps for j in steps]
    return torch.cat(around, dim=2)


def _as_maps(values: Tensor) -> Tensor:
    if values.ndim == 2:
        return values[:, :, None, None]
    if values.ndim == 3:
        return values[:, :, None, :]
    if values.ndim != 4:
        raise ArgumentError(
            "Features must be maps of shape (N, C, h, w) for this target and family, got shape "
            f"{tuple(values.shape)}. Use family='linear' or 'mlp' with one class per sample."
        )
    return values


def as_features(values: Tensor) -> Tensor:
    """Return values in float64 where they are, else in float32."""
    return values if values.dtype == torch.float64 else values.to(torch.float32)
