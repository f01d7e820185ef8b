"""A layer's value as one row of units per sample."""

from __future__ import annotations

import torch
from torch import Tensor

from infoflow.interface import ActivationError, Layer
from infoflow.interface.devices import home_of_float64


def flat_rows(layer: Layer, value: Tensor, size: int) -> Tensor:
    """Return a batch's value as (size, units); an ActivationError for another number of units.

    It comes where float64 is.
    """
    flat = value.reshape(size, -1).to(home_of_float64(value.device))
    if flat.shape[1] != layer.units:
        raise ActivationError(
            f"Layer {layer.name} has {flat.shape[1]} units for this batch and {layer.units} for "
            "the example; expected one number for all samples. Bring the inputs to one shape."
        )
    return flat


def not_finite(layer: Layer, values: Tensor) -> ActivationError:
    """Return the error for a layer whose (N, units) values are not all finite."""
    bad = (~torch.isfinite(values)).any(dim=1).nonzero().flatten().tolist()
    where = f"first in sample {bad[0]}" if bad else "in an overflowing product"
    return ActivationError(
        f"Layer {layer.name} ({layer.index}) has NaN or infinite values, {where}, {len(bad)} of "
        f"{len(values)} samples in all. Expected finite activations: check the weights, the inputs "
        "and the learning rate."
    )
