"""A batch's target as a tensor: numbers as they are, codes for names, masks stacked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from enum import Enum
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infoflow.estimators.label_reading import is_missing, plain_numbers, shown_type
from infoflow.interface import LoaderError
from infoflow.interface.errors import is_out_of_memory

_NAMES = (str, bytes, Enum, date, time, timedelta, np.generic)


@dataclass
class TargetReader:
    """Turns targets into tensors, and remembers what it met.

    Attributes
    ----------
    odd
        What targets are of which no tensor can be made, such as ``"a dict"``; or None.
    names
        The name behind each code.
    """

    odd: str | None = None
    names: dict[int, str] = field(default_factory=dict)

    def read(self, target: Any, size: int, start: int) -> Tensor | None:
        """Return a row per sample, on the CPU; None for no target, and for odd ones.

        Raises
        ------
        LoaderError
            For a target with another number of rows than ``size``.
        """
        if target is None:
            return None
        tensor = self._tensor(target, size, start)
        if tensor is not None and (tensor.ndim == 0 or len(tensor) != size):
            raise LoaderError(
                f"A batch has {size} samples but a target of shape {tuple(tensor.shape)}; expected "
                "one target per sample. Wrap a dataset in a torch.utils.data.DataLoader."
            )
        return tensor

    def _tensor(self, target: Any, size: int, start: int) -> Tensor | None:
        found = None if _are_heads(target, size) else _as_tensor(target)
        if found is None:
            found = _stacked(target, size)
        if found is None:
            found = self._coded(target, size, start)
        if found is None and self.odd is None:
            self.odd = shown_type(target)
        return found

    def _coded(self, target: Any, size: int, start: int) -> Tensor | None:
        """Return numbers for what each sample is named by."""
        members = _members(target)
        if len(members) != size:
            return None
        missing = [number for number, one in enumerate(members) if is_missing(one)]
        known = [one for one in members if not is_missing(one)]
        if not all(isinstance(one, (Number, *_NAMES)) for one in known):
            return None
        if missing:
            self.odd = f"{shown_type(target)} without a class for sample {start + missing[0]}"
            return None
        if all(isinstance(one, Number) for one in members):
            return _as_tensor(np.array(members))
        codes = [name_code(one) for one in members]
        self.names.update(zip(codes, map(_plain, members), strict=True))
        return torch.tensor(codes, dtype=torch.int64, device="cpu")


def name_code(name: Any) -> int:
    """Return a number for the name of a class, the same in every batch and loader.

    Examples
    --------
    >>> name_code("cat") == name_code("cat"), name_code("cat") == name_code("owl")
    (True, False)
    """
    digest = hashlib.blake2b(_plain(name).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 11


def _plain(name: Any) -> str:
    return str(name) if isinstance(name, str) else repr(name)


def _as_tensor(target: Any) -> Tensor | None:
    try:
        tensor = torch.as_tensor(target, device="cpu").detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        return None
    return plain_numbers(tensor if tensor.layout is torch.strided else tensor.to_dense())


def _are_heads(target: Any, size: int) -> bool:
    """Tell whether a list or tuple holds tensors of several targets, each with a row per sample."""
    is_list = isinstance(target, (list, tuple)) and len(target) > 0
    if not is_list or not all(isinstance(one, (Tensor, np.ndarray)) for one in target):
        return False
    return all(np.ndim(one) > 0 and len(one) == size for one in target)


def _stacked(target: Any, size: int) -> Tensor | None:
    """Return one tensor of a list with a tensor of one shape for each sample."""
    if not isinstance(target, (list, tuple)) or len(target) != size or _are_heads(target, size):
        return None
    if not all(isinstance(one, (Tensor, np.ndarray)) for one in target):
        return None
    tensors = [_as_tensor(one) for one in target]
    known = [one for one in tensors if one is not None]
    is_one_kind = len({(one.shape, one.dtype) for one in known}) == 1
    return torch.stack(known) if is_one_kind and len(known) == size else None


def _members(target: Any) -> list[Any]:
    """Return what a list, tuple or array holds for each sample; nothing for other targets."""
    if isinstance(target, (list, tuple)):
        return list(target)
    if isinstance(target, (dict, str, bytes)) or not hasattr(target, "__array__"):
        return []
    try:
        array = np.asarray(target)
    except (TypeError, ValueError, RuntimeError):
        return []
    return array.reshape(-1).tolist() if array.size == (len(array) if array.ndim else 0) else []
