"""Which tensors a write in place has changed: those that share memory with what was written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, fx

from infoflow.graph.running.memory import memory_of, version_of

#: Steps that NumPy may take to decide whether two strided views overlap; beyond, they are taken to.
_EFFORT = 10_000


@dataclass(frozen=True)
class Write:
    """One write: the node that did it, the version of the memory after it, and the place."""

    node: fx.Node
    version: int
    place: Any


class Writes:
    """The writes of a recording, by the memory that they went to."""

    def __init__(self) -> None:
        self._writes: dict[int, list[Write]] = defaultdict(list)

    def add(self, node: fx.Node, written: Tensor, region: Tensor | None = None) -> None:
        """Note that ``node`` has written to ``written``, or to a ``region`` of it only."""
        memory = memory_of(written)
        if memory is not None:
            place = _place(written if region is None else region)
            self._writes[memory].append(Write(node, version_of(written), place))

    def since(self, version: int, tensor: Tensor) -> list[tuple[fx.Node, bool]]:
        """Return what has changed ``tensor`` since its memory had ``version``.

        Each node comes with whether it has written all of the tensor.
        """
        memory = memory_of(tensor)
        if memory is None:
            return []
        own = _place(tensor)
        is_whole = tensor.is_contiguous()
        return [
            (write.node, is_whole and _covers(write.place, own))
            for write in self._writes.get(memory, ())
            if write.version > version and _overlap(own, write.place)
        ]

    def forget_reused(self, made: Iterable[Tensor], read: Iterable[Tensor]) -> None:
        """Forget what was written to memory that now belongs to a tensor that a call has made.

        ``read`` are the arguments of the call, of which the result may be a view.
        """
        if not self._writes:
            return
        kept = {memory_of(tensor) for tensor in read}
        for memory in map(memory_of, made):
            if memory is not None and memory not in kept:
                self._writes.pop(memory, None)


#: Where the storage of a tensor without data is said to begin.
_SOMEWHERE = 64


class _Place:
    """A strided view, as NumPy's array interface describes one; never read."""

    def __init__(self, tensor: Tensor) -> None:
        size = tensor.element_size()
        start = _SOMEWHERE + tensor.storage_offset() * size if tensor.is_meta else tensor.data_ptr()
        self.__array_interface__ = {
            "data": (start, True),
            "shape": tuple(tensor.shape),
            "strides": tuple(step * size for step in tensor.stride()),
            "typestr": f"|V{size}",
            "version": 3,
        }


def _place(tensor: Tensor) -> Any:
    return np.asarray(_Place(tensor))


def _covers(written: Any, own: Any) -> bool:
    """Tell whether a write went to all of a place that has no gaps."""
    first = own.__array_interface__["data"][0]
    start = written.__array_interface__["data"][0]
    is_dense = bool(written.flags.c_contiguous)
    return is_dense and start <= first and start + written.nbytes >= first + own.nbytes


def _overlap(one: Any, other: Any) -> bool:
    try:
        return bool(np.shares_memory(one, other, max_work=_EFFORT))  # type: ignore[arg-type]
    except Exception as error:  # NumPy's TooHardError is no public name in all of its versions
        if type(error).__name__ != "TooHardError":
            raise
        return True
