"""What a model and everything that it can reach is, and how to make it so again."""

from __future__ import annotations

import operator
import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from infoflow.graph.running.members import is_scripted, is_training, set_training, store, tensors_of
from infoflow.graph.running.reachable import Reachable, reachable_from
from infoflow.graph.running.references import MUTABLE, PLAIN, attributes_of
from infoflow.graph.running.tensor_bits import TensorBits

#: Undoes one thing.
Undo = Callable[[], None]
#: NumPy arrays that are copied, at most, in bytes.
_ARRAYS = 16 * 2**20


class Snapshot:
    """What a model and everything that it can reach is, to the bit.

    Parts and parameters that a forward makes for good stay: those of lazy modules, and those that a
    module makes of itself the first time.

    Parameters
    ----------
    model
        The model.
    *others
        Modules that it runs and that no way leads to.

    Attributes
    ----------
    found
        What the model can reach.
    """

    def __init__(self, model: nn.Module, *others: nn.Module) -> None:
        self.bits = TensorBits()
        self._undo: list[Undo] = []
        self._known: set[int] = set()
        self.found = reachable_from(model, *others)
        self._keep(self.found)

    def include(self, module: nn.Module) -> None:
        """Keep the state of one more module, that nothing has led to."""
        self._keep(reachable_from(module))

    def restore(self) -> None:
        """Make everything what it was; what fails leaves the rest undone by nothing."""
        first: BaseException | None = None
        for undo in (*self._undo, self.bits.restore):
            try:
                undo()
            except Exception as error:  # one odd object must not keep the weights from coming back
                first = first or error
        if first is not None:
            raise first

    def _keep(self, found: Reachable) -> None:
        modules = [m for m in found.modules.values() if self._is_new(m)]
        for module in modules:
            values = [v for v in module.__dict__.values() if type(v) not in PLAIN]
            own = [v for v in values if isinstance(v, MUTABLE) and id(v) not in self._known]
            self._known.update(map(id, own))
            self._undo.append(_module(module, own))
        for keep, values in (
            (_container, found.containers),
            (_object, found.objects),
            (_generator, found.generators),
        ):
            self._undo += [keep(value) for value in values if self._is_new(value)]
        self._undo += list(_arrays(array for array in found.arrays if self._is_new(array)))
        self.bits.add(t for t in found.tensors.values() if id(t) not in found.loose)
        for module in modules:
            if is_scripted(module):
                self.bits.add(tensors_of(module))

    def _is_new(self, value: Any) -> bool:
        is_new = id(value) not in self._known
        self._known.add(id(value))
        return is_new


def _module(module: nn.Module, containers: list[Any]) -> Undo:
    kind, training, before = type(module), is_training(module), dict(module.__dict__)
    parts = _parts(module)
    empty = [value for value in containers if not len(value)]
    contents = [_container(value) for value in containers if len(value)]

    def undo() -> None:
        set_training(module, training)
        if is_scripted(module) or type(module) is not kind:
            return  # scripted: it keeps itself elsewhere; lazy: it has become another
        if not _parts(module) <= parts:
            return  # it has made parts of itself, and must not do so again
        _set_attributes(vars(module), before)
        for restore in contents:
            restore()
        for value in empty:
            if len(value):
                _container_base(value).clear(value)

    return undo


def _parts(module: nn.Module) -> set[str]:
    return {*store(module, "_parameters"), *store(module, "_modules")}


def _object(value: Any) -> Undo:
    before = attributes_of(value)

    def undo() -> None:
        now = attributes_of(value)
        for name in [name for name in now if name not in before]:
            object.__delattr__(value, name)
        for name, part in before.items():
            if name not in now or now[name] is not part:
                object.__setattr__(value, name, part)

    return undo


def _set_attributes(own: dict[str, Any], before: dict[str, Any]) -> None:
    if _is_same(own, before):
        return
    for name in [name for name in own if name not in before]:
        del own[name]
    for name, part in before.items():
        if name not in own or own[name] is not part:
            own[name] = part


def _container(value: Any) -> Undo:
    if isinstance(value, dict):
        return _dictionary(value)
    before = list(value)

    def undo() -> None:
        now = list(value)
        if len(now) == len(before) and all(map(operator.is_, now, before)):
            return
        if isinstance(value, list):
            list.__setitem__(value, slice(None), before)
        elif isinstance(value, deque):
            deque.clear(value)
            deque.extend(value, before)
        else:
            set.clear(value)
            set.update(value, before)

    return undo


def _dictionary(value: dict[Any, Any]) -> Undo:
    before = dict(dict.items(value))

    def undo() -> None:
        if not _is_same(value, before):
            _refill(value, before)

    return undo


def _is_same(now: dict[Any, Any], before: dict[Any, Any]) -> bool:
    """Tell whether a dictionary has the same objects as before, in the same order."""
    if len(now) != len(before):
        return False
    names, values = dict.keys(now), dict.values(now)
    same = map(operator.is_, values, before.values())
    return all(map(operator.is_, names, before)) and all(same)


def _refill(value: dict[Any, Any], before: dict[Any, Any]) -> None:
    """Empty and fill again, so that the order comes back, too."""
    base = _container_base(value)
    base.clear(value)
    base.update(value, before)


def _container_base(value: Any) -> Any:
    """Return the class whose methods empty and fill a container, whatever it overrides."""
    kind: Any = type(value)
    if isinstance(value, dict):
        return kind if kind.__module__ == "collections" else dict
    return next(base for base in MUTABLE if isinstance(value, base))


def _generator(value: Any) -> Undo:
    if isinstance(value, torch.Generator):
        state = value.get_state()
        return lambda: _set_state(value, state)
    if isinstance(value, random.Random):
        numbers = value.getstate()
        return lambda: value.setstate(numbers)
    if isinstance(value, np.random.RandomState):
        older = value.get_state()
        return lambda: value.set_state(older)
    bits = value.bit_generator.state

    def undo() -> None:
        value.bit_generator.state = bits

    return undo


def _set_state(generator: torch.Generator, state: torch.Tensor) -> None:
    generator.set_state(state)


def _arrays(arrays: Iterable[Any]) -> Iterable[Undo]:
    left = _ARRAYS
    for array in sorted(arrays, key=lambda array: array.nbytes):
        if array.nbytes > left or array.dtype.hasobject or not array.flags.writeable:
            continue
        left -= array.nbytes
        yield _array(array, array.copy())


def _array(array: Any, before: Any) -> Undo:
    def undo() -> None:
        if array.tobytes() != before.tobytes():
            array[...] = before

    return undo
