"""What values and code refer to: attributes, members, and the names that functions use."""

from __future__ import annotations

import argparse
import dis
import functools
import random
import sys
import types
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

#: Packages whose objects and functions are not looked into.
_FOREIGN = frozenset(
    sys.stdlib_module_names
    | {"torch", "numpy", "scipy", "pandas", "matplotlib", "tqdm", "infoflow", "triton", "sympy"}
    | {"lightning", "lightning_fabric", "pytorch_lightning", "ignite", "accelerate", "deepspeed"}
    | {"wandb", "mlflow", "tensorboard", "ray", "dask", "pytest", "_pytest", "IPython", "typing"}
)
SIMPLE = (int, float, str, bytes, bool, complex, type(None), torch.dtype, torch.device, torch.Size)
#: Of these, the ones that most values are: quicker to ask for than ``isinstance``.
PLAIN = frozenset(SIMPLE)
MUTABLE = (list, dict, set, deque)
CONTAINERS = (*MUTABLE, tuple, frozenset)
#: Classes of Python's own that hold what the model's code puts there.
_HOLDERS = (types.SimpleNamespace, argparse.Namespace)
CODE = (types.FunctionType, staticmethod, classmethod, property)
BOUND = (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)
GENERATORS = (torch.Generator, random.Random, np.random.Generator, np.random.RandomState)
_OTHERS = (*CONTAINERS, *GENERATORS, *CODE, *BOUND, type, types.ModuleType, Tensor)


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


def parts_of_container(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the members of a list, tuple, set, queue or dictionary."""
    if isinstance(value, dict):
        for key, part in dict.items(value):
            yield join_names(name, key if isinstance(key, (str, int)) else "key"), part
            if not isinstance(key, SIMPLE):
                yield name, key
        return
    for position, part in enumerate(list(value)):
        yield join_names(name, position), part


def parts_of_file(
    name: str, file: types.ModuleType, code: types.CodeType
) -> Iterator[tuple[str, Any]]:
    """Yield what some code uses of a Python file that it has imported."""
    if file.__name__.partition(".")[0] in _FOREIGN:
        return
    for key in names_in(code):
        if key in vars(file):
            yield join_names(name, key), vars(file)[key]


@functools.lru_cache(maxsize=4096)
def names_in(code: types.CodeType) -> tuple[str, ...]:
    """Return the names of globals and attributes in some code, and in functions inside of it."""
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return tuple(dict.fromkeys((*code.co_names, *(n for part in inner for n in names_in(part)))))


@functools.lru_cache(maxsize=4096)
def globals_in(code: types.CodeType) -> tuple[str, ...]:
    """Return the names of the globals that some code reads, and functions inside of it."""
    own = [step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"]
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return tuple(dict.fromkeys((*own, *(n for part in inner for n in globals_in(part)))))


def leads_nowhere(value: Any) -> bool:
    """Tell whether a value leads to nothing: an empty container, or a tuple of plain values."""
    if isinstance(value, tuple):
        return PLAIN.issuperset(map(type, value))
    return isinstance(value, MUTABLE) and len(value) == 0


def content_of(cell: types.CellType) -> Any:
    """Return what a variable of a closure holds; None before it is assigned."""
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def is_own_object(value: Any) -> bool:
    """Tell whether a value is an object of the model's own code, with attributes."""
    if isinstance(value, _HOLDERS):
        return True
    return not isinstance(value, _OTHERS) and not is_foreign(type(value))


def is_foreign(value: Any) -> bool:
    """Tell whether a class or function is of a package that is not looked into."""
    home = getattr(value, "__module__", None)
    if isinstance(value, type) and issubclass(value, nn.Module) and str(home)[:9] == "infoflow.":
        return False
    return home is None or str(home).partition(".")[0] in _FOREIGN


def join_names(name: str, key: object) -> str:
    """Return a name within a name; one that Python can write down as attributes."""
    own = _as_attribute(str(key))
    return f"{name}.{own}" if name else own


@functools.lru_cache(maxsize=4096)
def _as_attribute(key: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "_" for c in key) or "_"
