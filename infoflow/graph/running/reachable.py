"""Everything that a model can reach: what its modules hold, and what their code refers to.

``nn.Module`` knows of modules in attributes only. A model may also hold them in lists, helper
objects, partial functions and closures, and use those of its class or of its file.
"""

from __future__ import annotations

import argparse
import dis
import functools
import random
import sys
import types
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from infoflow.graph.running.members import STORES, named_modules, store

#: Objects that are looked at, at most: a model may hold its trainer, and that the whole program.
_MOST = 200_000
#: Packages whose objects and functions are not looked into.
_FOREIGN = frozenset(
    sys.stdlib_module_names
    | {"torch", "numpy", "scipy", "pandas", "matplotlib", "tqdm", "infoflow", "triton", "sympy"}
    | {"lightning", "lightning_fabric", "pytorch_lightning", "ignite", "accelerate", "deepspeed"}
    | {"wandb", "mlflow", "tensorboard", "ray", "dask", "pytest", "_pytest", "IPython", "typing"}
)
_SIMPLE = (int, float, str, bytes, bool, complex, type(None), torch.dtype, torch.device, torch.Size)
MUTABLE = (list, dict, set, deque)
_CONTAINERS = (*MUTABLE, tuple, frozenset)
#: Classes of Python's own that hold what the model's code puts there.
_HOLDERS = (types.SimpleNamespace, argparse.Namespace)
_CODE = (types.FunctionType, staticmethod, classmethod, property)
_BOUND = (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)
_GENERATORS = (torch.Generator, random.Random, np.random.Generator, np.random.RandomState)


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
        self._waiting: deque[_Step] = deque()
        self._later: deque[_Step] = deque()
        self._called = {"forward", "__call__"}
        self._methods: dict[tuple[type, str], Any] = {}

    def start(self, root: nn.Module) -> None:
        for name, module in named_modules(root):
            self._seen[id(module)] = module
            self.found.modules.setdefault(self._free(name, self.found.modules), module)
        for name, module in named_modules(root):
            self._waiting += self._parts_of_module(name, module)
        while self._waiting and len(self._seen) < _MOST:
            self._take(*self._waiting.popleft())
            if not self._waiting:  # what attributes lead to comes first
                self._waiting, self._later = self._later, deque()
            if not self._waiting:
                self._waiting += self._methods_that_are_called()

    def _take(self, name: str, value: Any, is_of_code: bool) -> None:
        if isinstance(value, _SIMPLE) or id(value) in self._seen:
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
        elif isinstance(value, _GENERATORS):
            found.generators.append(value)
        elif isinstance(value, np.ndarray):
            found.arrays.append(value)
        elif _is_own_object(value):
            found.objects.append(value)

    def _parts(self, name: str, value: Any) -> tuple[Iterable[tuple[str, Any]], bool]:
        """Return the parts of a value, and whether it is code that refers to them."""
        if isinstance(value, _CONTAINERS):
            return _parts_of_container(name, value), False
        if isinstance(value, functools.partial):
            return [(name, value.func), (name, value.args), (name, value.keywords)], False
        if isinstance(value, weakref.ref):
            return [(name, value())], False
        if isinstance(value, types.FunctionType):
            return self._parts_of_function(name, value), True
        if isinstance(value, _BOUND):
            function = getattr(value, "__func__", None)
            return [(name, getattr(value, "__self__", None)), (name, function)], False
        if isinstance(value, (staticmethod, classmethod, functools._lru_cache_wrapper)):
            return [(name, value.__wrapped__)], True
        if isinstance(value, property):
            return [(name, value.fget)], True
        if isinstance(value, type):
            return self._parts_of_class(name, value), True
        return (self._parts_of_object(name, value) if _is_own_object(value) else ()), False

    def _parts_of_module(self, name: str, module: nn.Module) -> Iterator[_Step]:
        for place in STORES:
            for key, part in store(module, place).items():
                yield _join(name, key), part, False
        if isinstance(module, torch.jit.ScriptModule):
            return
        for key, value in vars(module).items():
            if key not in STORES and not isinstance(value, _SIMPLE) and not _is_empty(value):
                yield _join(name, key), value, False
        self._later.append((name, type(module), True))

    def _parts_of_function(
        self, name: str, function: types.FunctionType
    ) -> Iterator[tuple[str, Any]]:
        if _is_foreign(function):
            return
        variables = function.__code__.co_freevars
        for variable, cell in zip(variables, function.__closure__ or (), strict=False):
            yield _join(name, variable), _content(cell)
        yield name, function.__defaults__
        yield name, function.__kwdefaults__
        yield name, vars(function)
        self._called.update(_names_in(function.__code__))
        for key in _globals_in(function.__code__):
            value = function.__globals__.get(key)
            if isinstance(value, types.ModuleType):
                yield from _parts_of_file(key, value, function.__code__)
            else:
                yield key, value

    def _parts_of_class(self, name: str, kind: type) -> Iterator[tuple[str, Any]]:
        for base in kind.__mro__:
            if _is_foreign(base):
                continue
            if base is not kind:
                yield name, base
                continue
            for key, value in vars(base).items():
                if isinstance(value, _CODE):
                    self._methods[base, key] = value
                elif key[:2] != "__" and not isinstance(value, type):
                    yield _join(name, key), value

    def _parts_of_object(self, name: str, value: Any) -> Iterator[tuple[str, Any]]:
        for key, part in attributes_of(value).items():
            yield _join(name, key), part
        self._later.append((name, type(value), True))

    @staticmethod
    def _free(name: str, taken: Mapping[str, Any]) -> str:
        number, candidate = 1, name
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        return candidate


def attributes_of(value: Any) -> dict[str, Any]:
    """Return an object's attributes, those in slots among them."""
    found: dict[str, Any] = dict(getattr(value, "__dict__", None) or {})
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for key in (slots,) if isinstance(slots, str) else slots:
            member = vars(kind).get(key)
            if isinstance(member, types.MemberDescriptorType):
                try:
                    found[key] = member.__get__(value, kind)
                except AttributeError:
                    continue
    return found


def _parts_of_container(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in dict.items(value):
            yield _join(name, key if isinstance(key, (str, int)) else "key"), part
            if not isinstance(key, _SIMPLE):
                yield name, key
        return
    for position, part in enumerate(list(value)):
        yield _join(name, position), part


def _parts_of_file(
    name: str, file: types.ModuleType, code: types.CodeType
) -> Iterator[tuple[str, Any]]:
    """Yield what some code uses of a Python file that it has imported."""
    if file.__name__.partition(".")[0] in _FOREIGN:
        return
    for key in _names_in(code):
        if key in vars(file):
            yield _join(name, key), vars(file)[key]


@functools.lru_cache(maxsize=4096)
def _names_in(code: types.CodeType) -> tuple[str, ...]:
    """Return the names of globals and attributes in some code, and in functions inside of it."""
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return tuple(dict.fromkeys((*code.co_names, *(n for part in inner for n in _names_in(part)))))


@functools.lru_cache(maxsize=4096)
def _globals_in(code: types.CodeType) -> tuple[str, ...]:
    """Return the names of the globals that some code reads, and functions inside of it."""
    own = [step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"]
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return tuple(dict.fromkeys((*own, *(n for part in inner for n in _globals_in(part)))))


def _is_empty(value: Any) -> bool:
    return isinstance(value, MUTABLE) and len(value) == 0


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _is_own_object(value: Any) -> bool:
    """Tell whether a value is an object of the model's own code, with attributes."""
    others = (*_CONTAINERS, *_GENERATORS, *_CODE, *_BOUND, type, types.ModuleType, Tensor)
    if isinstance(value, _HOLDERS):
        return True
    return not isinstance(value, others) and not _is_foreign(type(value))


def _is_foreign(value: Any) -> bool:
    home = getattr(value, "__module__", None)
    if isinstance(value, type) and issubclass(value, nn.Module) and str(home)[:9] == "infoflow.":
        return False
    return home is None or str(home).partition(".")[0] in _FOREIGN


def _join(name: str, key: object) -> str:
    """Return a name within a name; one that Python can write down as attributes."""
    own = "".join(c if c.isalnum() or c == "_" else "_" for c in str(key)) or "_"
    return f"{name}.{own}" if name else own
