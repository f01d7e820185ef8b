"""Settings of torch that hold for the whole process, and would change what is measured."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from infoflow.graph.running.process_lock import alone

#: Settings of torch's newer interface to the precision of float32 products, outer ones first.
_PLACES = (
    *(("generic", "all"), ("cuda", "all"), ("mkldnn", "all")),
    *(("cuda", "matmul"), ("cuda", "conv"), ("cuda", "rnn")),
    *(("mkldnn", "matmul"), ("mkldnn", "conv"), ("mkldnn", "rnn")),
)
_GET: Any = getattr(torch._C, "_get_fp32_precision_getter", None)
_SET: Any = getattr(torch._C, "_set_fp32_precision_setter", None)


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute float32 products with float32, and let nothing stop at deterministic algorithms.

    TF32 and bfloat16 inside of products, which ``torch.set_float32_matmul_precision`` and the
    ``allow_tf32`` flags turn on, are off in the meantime. Where the caller demands deterministic
    algorithms, they are used wherever torch has them; operations without one run silently.
    """
    with alone(), _precision(), _determinism():
        yield


@contextmanager
def plain_numbers(*, gradients: bool = False) -> Iterator[None]:
    """Compute without autocast, and without gradients or with them, whatever a model turned on."""
    with ExitStack() as stack:
        if torch.is_grad_enabled() is not gradients:
            stack.enter_context(torch.set_grad_enabled(gradients))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


@contextmanager
def _precision() -> Iterator[None]:
    newer = None if _GET is None else {place: _GET(*place) for place in _PLACES}
    older = _older_flags()
    try:
        if older is not None:
            _set_older_flags("highest", False)
        elif newer is not None:
            for place in _PLACES:
                _SET(*place, "ieee")
        yield
    finally:
        if older is not None:
            _set_older_flags(*older)
        for place, value in (newer or {}).items():
            _restore(place, value)


def _older_flags() -> tuple[str, bool] | None:
    """Return the older flags; None where the caller has used the newer ones."""
    try:
        precision = torch.get_float32_matmul_precision()
        _ = torch.backends.cuda.matmul.allow_tf32
        return precision, bool(torch.backends.cudnn.allow_tf32)
    except RuntimeError:
        return None


def _set_older_flags(precision: str, allows_tf32: bool) -> None:
    if torch.get_float32_matmul_precision() != precision:
        torch.set_float32_matmul_precision(precision)
    if torch.backends.cudnn.allow_tf32 is not allows_tf32:
        torch.backends.cudnn.allow_tf32 = allows_tf32


def _restore(place: tuple[str, str], value: str) -> None:
    """Give a setting its value back; one that only followed an outer one follows it again."""
    if _GET(*place) == value:
        return
    _SET(*place, "none")
    if _GET(*place) != value:
        _SET(*place, value)


@contextmanager
def _determinism() -> Iterator[None]:
    is_strict = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    if not is_strict or only_warns:
        yield
        return
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*does not have a deterministic implementation.*")
            yield
    finally:
        torch.use_deterministic_algorithms(True)
