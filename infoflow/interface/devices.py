"""Devices, and where they compute in float64."""

from __future__ import annotations

import torch

from infoflow.interface.errors import ArgumentError


def home_of_float64(device: torch.device) -> torch.device:
    """Return where float64 numbers of a device are computed: there, or on the CPU for Apple's MPS.

    Examples
    --------
    >>> home_of_float64(torch.device("mps")), home_of_float64(torch.device("cuda"))
    (device(type='cpu'), device(type='cuda'))
    """
    return torch.device("cpu") if device.type == "mps" else device


def check_float64(device: torch.device, caller: str) -> None:
    """Raise an ArgumentError where a device lacks the float64 that a caller computes in."""
    if home_of_float64(device) != device:
        raise ArgumentError(
            f"{caller} computes in float64, got a model on {device}, which has none. Pass "
            "device='cpu', or move the model with model.to('cpu')."
        )
