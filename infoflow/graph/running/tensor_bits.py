"""The numbers of a model's tensors, put back to the bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import Buffer, Parameter, is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

#: Bytes that are copied beforehand, the smallest tensors first. What is larger is copied when the
#: first write to it is seen.
COPIED = 32 * 2**20


@dataclass(frozen=True, eq=False)
class _Tensor:
    """A tensor, the memory that it had, and what autograd knew of it."""

    tensor: Tensor
    alias: Tensor
    requires_grad: bool
    grad: Tensor | None
    is_leaf: bool

    @classmethod
    def of(cls, tensor: Tensor) -> _Tensor:
        grad = tensor.grad if tensor.is_leaf else None
        return cls(tensor, tensor.detach(), tensor.requires_grad, grad, tensor.is_leaf)

    def restore(self) -> None:
        own = self.tensor
        if not _same_place(own, self.alias):
            own.data = self.alias
        if self.is_leaf and not own.is_leaf:
            with suppress(RuntimeError):  # a view of another tensor, which is restored itself
                own.detach_()
        if own.is_leaf and own.requires_grad is not self.requires_grad:
            own.requires_grad_(self.requires_grad)
        if own.is_leaf and own.grad is not self.grad:
            own.grad = self.grad


@dataclass(eq=False)
class _Memory:
    """The bytes of one storage, and a copy of them once there is one."""

    storage: torch.UntypedStorage
    flat: Tensor
    size: int
    copy: Tensor | None = None

    def keep(self) -> None:
        if self.copy is None:
            self.copy = self.flat.clone()

    def restore(self) -> None:
        if self.copy is None:
            return
        if self.storage.nbytes() < self.size:
            self.storage.resize_(self.size)
        if not torch.equal(self.flat, self.copy):
            self.flat.copy_(self.copy)


def _keep_together(memories: list[_Memory]) -> None:
    """Copy several memories of one device and type at once."""
    whole = torch.cat([memory.flat for memory in memories])
    sizes = [memory.flat.numel() for memory in memories]
    for memory, copy in zip(memories, whole.split(sizes), strict=True):
        memory.copy = copy


class TensorBits:
    """What some tensors are, to the bit.

    Each storage is taken once, so that tied weights and views cost nothing. The smallest are copied
    at once, until the copies take :data:`COPIED` bytes. The others are only watched: under
    :meth:`watching` the first operation that is about to write to one makes the copy.
    """

    def __init__(self, tensors: Iterable[Tensor] = (), *, limit: int | None = None) -> None:
        self._left = COPIED if limit is None else limit
        self._tensors: dict[int, _Tensor] = {}
        self._memories: dict[int, _Memory] = {}
        self.add(tensors)

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Take more tensors; those that are known already stay as they were found."""
        new: dict[int, _Memory] = {}
        for tensor in tensors:
            if id(tensor) in self._tensors or not _has_bits(tensor):
                continue
            kept = self._tensors[id(tensor)] = _Tensor.of(tensor)
            for one in (kept.alias, kept.grad):
                memory = None if one is None or not _has_bits(one) else _memory(one)
                if memory is not None and memory.storage._cdata not in self._memories:
                    new.setdefault(memory.storage._cdata, memory)
        groups: dict[tuple[torch.device, torch.dtype], list[_Memory]] = {}
        for memory in sorted(new.values(), key=lambda memory: memory.size):
            if memory.size <= self._left:
                self._left -= memory.size
                groups.setdefault((memory.flat.device, memory.flat.dtype), []).append(memory)
        for group in groups.values():
            _keep_together(group)
        self._memories |= new

    @property
    def is_watched(self) -> bool:
        """Whether there is something too large to be copied beforehand."""
        return any(memory.copy is None for memory in self._memories.values())

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Copy what is too large to be copied beforehand, before the first write to it."""
        if not self.is_watched:
            yield
            return
        with _CopyBeforeWrite(self._memories):
            yield

    def restore(self) -> None:
        """Give all tensors back their memory, and all memory its bytes."""
        with torch.no_grad():
            for kept in self._tensors.values():
                kept.restore()
            for memory in self._memories.values():
                memory.restore()


class _CopyBeforeWrite(TorchDispatchMode):
    """Copies a watched memory before an operation that torch says writes to it."""

    supports_higher_order_operators = True

    def __init__(self, memories: dict[int, _Memory]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._memories = memories
        self._written: dict[Any, tuple[tuple[int, str], ...]] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        places = self._written.get(function)
        if places is None:
            places = self._written[function] = _written_arguments(function)
        for position, name in places:
            value = args[position] if position < len(args) else kwargs.get(name)
            for tensor in value if isinstance(value, (list, tuple)) else (value,):
                self._about_to_write(tensor)
        return function(*args, **kwargs)

    def _about_to_write(self, tensor: Any) -> None:
        if isinstance(tensor, Tensor) and tensor.layout is torch.strided and _is_plain(tensor):
            memory = self._memories.get(tensor.untyped_storage()._cdata)
            if memory is not None:
                memory.keep()


def _written_arguments(function: Any) -> tuple[tuple[int, str], ...]:
    """Return which arguments an operation writes to, by position and name."""
    schema = getattr(function, "_schema", None)
    if schema is None:
        return ()
    return tuple(
        (position, argument.name)
        for position, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )


def _is_plain(tensor: Tensor) -> bool:
    return type(tensor) in (Tensor, Parameter, Buffer)


def _has_bits(tensor: Tensor) -> bool:
    """Tell whether a tensor is a block of numbers in memory, and not a wrapper of others."""
    if is_lazy(tensor) or not _is_plain(tensor) or tensor.layout is not torch.strided:
        return False
    return not tensor.is_meta and not tensor.is_nested


def _memory(tensor: Tensor) -> _Memory | None:
    storage = tensor.untyped_storage()
    size = storage.nbytes()
    if size == 0:
        return None
    kind = torch.int64 if size % 8 == 0 else torch.uint8
    flat = torch.empty(0, dtype=kind, device=tensor.device)
    flat.set_(storage, 0, (size // kind.itemsize,), (1,))
    return _Memory(storage, flat, size)


def _same_place(one: Tensor, other: Tensor) -> bool:
    return (
        one.data_ptr() == other.data_ptr()
        and one.dtype == other.dtype
        and one.device == other.device
        and one.shape == other.shape
        and one.stride() == other.stride()
    )
