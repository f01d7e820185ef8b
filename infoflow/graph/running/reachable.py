"""Everything that a model can reach: what its modules hold, and what their code refers to.

``nn.Module`` knows of modules in attributes only. A model may also hold them in lists, helper
objects, partial functions and closures, and use those of its class or of its file.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, nn

from infoflow.graph.running.members import STORES, is_scripted, named_modules, store
from infoflow.graph.running.references import (
    BOUND,
    CODE,
    CONTAINERS,
    GENERATORS,
    MUTABLE,
    PLAIN,
    SIMPLE,
    attributes_of,
    content_of,
    globals_in,
    is_foreign,
    is_own_object,
    join_names,
    leads_nowhere,
    names_in,
    parts_of_container,
    parts_of_file,
)

#: Objects that are looked at, at most: a model may hold its trainer, and that the whole program.
_MOST = 200_000


@dataclass(eq=False)
class Reachable:
    """What was found, each once.

    Parameters
    ----------
    modules
        Modules with their names, the model's own first; others have the way to them for a name.
    tensors
        Tensors with their names, those of modules among them.
    containers, objects, generators, arrays
        Lists, dictionaries, sets and queues; objects of the model's own code; generators of random
        numbers; NumPy's arrays. Only those that attributes lead to: what functions alone refer to,
        such as the list that a hook fills, is not the model's own.
    loose
        Identities of plain tensors that functions alone refer to.
    """

    modules: dict[str, nn.Module] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    containers: list[Any] = field(default_factory=list)
    objects: list[Any] = field(default_factory=list)
    generators: list[Any] = field(default_factory=list)
    arrays: list[Any] = field(default_factory=list)
    loose: set[int] = field(default_factory=set)


def reachable_from(*roots: nn.Module) -> Reachable:
    """Return everything that one model, or several, can reach.

    Examples
    --------
    >>> from torch import nn
    >>> net, hidden = nn.Linear(2, 2), nn.Linear(2, 2)
    >>> net.held = {"elsewhere": [hidden]}
    >>> list(reachable_from(net).modules)
    ['', 'held.elsewhere.0']
    """
    search = _Search()
    for root in roots:
        search.start(root)
    return search.found


#: A name, a value, and whether it is a function that refers to it.
_Step = tuple[str, Any, bool]


class _Search:
    """A walk, breadth first, so that everything has the shortest name that leads to it."""

    def __init__(self) -> None:
        self.found = Reachable()
        self._seen: dict[int, Any] = {}
        self._kinds: set[int] = set()
        self._waiting: deque[_Step] = deque()
        self._later: deque[_Step] = deque()
        self._called = {"forward", "__call__"}
        self._methods: dict[tuple[type, str], Any] = {}

    def start(self, root: nn.Module) -> None:
        modules = list(named_modules(root))
        for name, module in modules:
            self._seen[id(module)] = module
            self.found.modules.setdefault(self._free(name, self.found.modules), module)
        for name, module in modules:
            self._waiting += self._parts_of_module(name, module)
        while len(self._seen) < _MOST:
            if not self._waiting:  # what attributes lead to comes first
                self._waiting, self._later = self._later, deque()
            if not self._waiting:
                self._waiting += self._methods_that_are_called()
            if not self._waiting:
                return
            self._take(*self._waiting.popleft())

    def _take(self, name: str, value: Any, is_of_code: bool) -> None:
        if type(value) in PLAIN or id(value) in self._seen or isinstance(value, SIMPLE):
            return
        self._seen[id(value)] = value  # kept alive, so that no other gets its number
        if isinstance(value, nn.Module):
            self.found.modules[self._free(name, self.found.modules)] = value
            self._waiting += self._parts_of_module(name, value)
            return
        self._keep(name, value, is_of_code)
        parts, is_code = self._parts(name, value)
        waiting = self._later if is_of_code or is_code else self._waiting
        waiting += [(*step, is_of_code or is_code) for step in parts]

    def _methods_that_are_called(self) -> list[_Step]:
        """Return the methods that have the name of something that other code uses."""
        found = [key for key in self._methods if key[1] in self._called]
        return [("", self._methods.pop(key), True) for key in found]

    def _keep(self, name: str, value: Any, is_of_code: bool) -> None:
        found = self.found
        if isinstance(value, Tensor):
            found.tensors[self._free(name, found.tensors)] = value
            if is_of_code and not isinstance(value, nn.Parameter):
                found.loose.add(id(value))
        elif is_of_code:
            return
        elif isinstance(value, MUTABLE):
            found.containers.append(value)
        elif isinstance(value, GENERATORS):
            found.generators.append(value)
        elif isinstance(value, np.ndarray):
            found.arrays.append(value)
        elif is_own_object(value):
            found.objects.append(value)

    def _parts(self, name: str, value: Any) -> tuple[Iterable[tuple[str, Any]], bool]:
        """Return the parts of a value, and whether it is code that refers to them."""
        if isinstance(value, CONTAINERS):
            return parts_of_container(name, value), False
        if isinstance(value, functools.partial):
            return [(name, value.func), (name, value.args), (name, value.keywords)], False
        if isinstance(value, weakref.ref):
            return [(name, value())], False
        if isinstance(value, types.FunctionType):
            return self._parts_of_function(name, value), True
        if isinstance(value, BOUND):
            function = getattr(value, "__func__", None)
            return [(name, getattr(value, "__self__", None)), (name, function)], False
        if isinstance(value, (staticmethod, classmethod, functools._lru_cache_wrapper)):
            return [(name, value.__wrapped__)], True
        if isinstance(value, property):
            return [(name, value.fget)], True
        if isinstance(value, type):
            return self._parts_of_class(name, value), True
        return (self._parts_of_object(name, value) if is_own_object(value) else ()), False

    def _parts_of_module(self, name: str, module: nn.Module) -> Iterator[_Step]:
        for place in STORES:
            for key, part in store(module, place).items():
                if part is not None and id(part) not in self._seen:
                    yield join_names(name, key), part, False
        if is_scripted(module):
            return
        for key, value in module.__dict__.items():
            if type(value) in PLAIN or isinstance(value, SIMPLE):
                continue
            if key not in STORES and not leads_nowhere(value):
                yield join_names(name, key), value, False
        self._add_class(name, type(module))

    def _add_class(self, name: str, kind: type) -> None:
        if id(kind) not in self._kinds:
            self._kinds.add(id(kind))
            self._later.append((name, kind, True))

    def _parts_of_function(
        self, name: str, function: types.FunctionType
    ) -> Iterator[tuple[str, Any]]:
        if is_foreign(function):
            return
        variables = function.__code__.co_freevars
        for variable, cell in zip(variables, function.__closure__ or (), strict=False):
            yield join_names(name, variable), content_of(cell)
        yield name, function.__defaults__
        yield name, function.__kwdefaults__
        yield name, vars(function)
        self._called.update(names_in(function.__code__))
        for key in globals_in(function.__code__):
            value = function.__globals__.get(key)
            if isinstance(value, types.ModuleType):
                yield from parts_of_file(key, value, function.__code__)
            else:
                yield key, value

    def _parts_of_class(self, name: str, kind: type) -> Iterator[tuple[str, Any]]:
        for base in kind.__mro__:
            if is_foreign(base):
                continue
            if base is not kind:
                yield name, base
                continue
            for key, value in vars(base).items():
                if isinstance(value, CODE):
                    self._methods[base, key] = value
                elif key[:2] != "__" and not isinstance(value, type):
                    yield join_names(name, key), value

    def _parts_of_object(self, name: str, value: Any) -> Iterator[tuple[str, Any]]:
        for key, part in attributes_of(value).items():
            yield join_names(name, key), part
        self._add_class(name, type(value))

    @staticmethod
    def _free(name: str, taken: Mapping[str, Any]) -> str:
        number, candidate = 1, name
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        return candidate
