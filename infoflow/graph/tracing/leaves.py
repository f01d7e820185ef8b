"""Which modules are kept whole, as one call, and which are opened."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from infoflow.graph.operations.operation_table import is_own_module
from infoflow.graph.running.members import modules_of, store
from infoflow.graph.running.reachable import Reachable, reachable_from
from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import shown

#: Modules to keep whole or to open: a class, or a pattern of qualified names.
Choice = type[nn.Module] | str

_CONTAINERS = (
    *(nn.Sequential, nn.ModuleList, nn.ModuleDict),
    *(nn.Transformer, nn.TransformerEncoder, nn.TransformerEncoderLayer),
    *(nn.TransformerDecoder, nn.TransformerDecoderLayer),
)


class Leaves:
    """Which modules of a model are kept whole, as one call.

    Those whose ``forward`` is torch's own, but for containers and ``nn.Transformer*``; scripted
    ones; those of a class that :func:`infoflow.register_operation` was told of; and what the
    caller chooses. Modules that the model holds where torch does not look, in lists, helper objects
    or closures, are named after the way to them.

    Parameters
    ----------
    model
        The model.
    leaves, opened
        Modules to keep whole or to open in any case, by class or by pattern of names.
    found
        What the model can reach, where that is known already.

    Attributes
    ----------
    hidden
        By name, the modules that torch does not know to be the model's.
    tensors
        By name, all tensors that the model can reach.
    """

    def __init__(
        self,
        model: nn.Module,
        leaves: Sequence[Choice] = (),
        opened: Sequence[Choice] = (),
        *,
        found: Reachable | None = None,
    ) -> None:
        leaves, opened = choices_of("leaves", leaves), choices_of("opened", opened)
        found = reachable_from(model) if found is None else found
        self._choices = leaves, opened
        self._names: dict[int, str] = {}
        # weak, so that a graph does not keep its model alive
        self._modules: WeakValueDictionary[str, nn.Module] = WeakValueDictionary()
        self._leaves: dict[int, tuple[int, ...]] = {}
        self._adopted: list[nn.Module] = []
        self.hidden: WeakValueDictionary[str, nn.Module] = WeakValueDictionary()
        self.tensors: WeakValueDictionary[str, Tensor] = WeakValueDictionary(found.tensors)
        registered = {id(module) for module in modules_of(model)}
        for name, module in found.modules.items():
            self._add(name, module)
            if id(module) not in registered:
                self.hidden[name] = module
        self._leaves.pop(id(model), None)
        _check_choices(model, self._modules, (*leaves, *opened))

    def adopt(self, module: nn.Module, place: str) -> str:
        """Name a module that the model has called, and that no way has led to."""
        base, number = f"{place}.{type(module).__name__}".lstrip("."), 1
        name = base
        while name in self._modules:
            number += 1
            name = f"{base}_{number}"
        self._adopted.append(module)  # the model may have made it for this call only
        found = reachable_from(module)
        for own, part in found.modules.items():
            if self.name(part) is None:
                path = f"{name}.{own}".rstrip(".")
                self._add(path, part)
                self.hidden[path] = part
        self.tensors.update({f"{name}.{own}": tensor for own, tensor in found.tensors.items()})
        return name

    def _add(self, name: str, module: nn.Module) -> None:
        self._names[id(module)] = name
        self._modules[name] = module
        if _is_leaf(module, name, leaves=self._choices[0], opened=self._choices[1]):
            self._leaves[id(module)] = _weights(module)

    @property
    def scripted(self) -> list[str]:
        """Names of the modules that torch.jit has scripted, which stay whole."""
        whole = {n for n, m in self._modules.items() if isinstance(m, torch.jit.ScriptModule)}
        return [name for name in self._modules if name in whole and _above(name) not in whole]

    def name(self, module: nn.Module) -> str | None:
        """Return a module's qualified name, None for one that is not the model's."""
        name = self._names.get(id(module))
        return name if name is not None and self._modules.get(name) is module else None

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._modules.values())

    def __contains__(self, module: nn.Module) -> bool:
        """Tell whether a module is kept whole.

        It is not while it computes with weights that others have lent to it, as
        ``torch.func.functional_call`` does: what is done to those must be seen.
        """
        own = self._leaves.get(id(module)) if self.name(module) is not None else None
        return own is not None and own == _weights(module)


def _weights(module: nn.Module) -> tuple[int, ...]:
    """Return the identities of a module's parameters; of one with many, those that it was given."""
    parts = modules_of(module) if store(module, "_modules") else [module]
    return tuple(id(tensor) for part in parts for tensor in store(part, "_parameters").values())


def _above(name: str) -> str | None:
    """Return the name of the module that a module is part of; None of the model itself."""
    return name.rpartition(".")[0] if name else None


def _is_leaf(
    module: nn.Module, name: str, *, leaves: tuple[Choice, ...], opened: tuple[Choice, ...]
) -> bool:
    if any(_is_chosen(module, name, choice) for choice in opened):
        return False
    if is_compiled(module):
        return False
    if any(_is_chosen(module, name, choice) for choice in leaves):
        return True
    if isinstance(module, torch.jit.ScriptModule) or is_own_module(module):
        return True
    home = str(getattr(module.forward, "__module__", ""))  # some set forward on the instance
    return home.startswith(("torch.nn.modules", "torch.ao.")) and not isinstance(
        module, _CONTAINERS
    )


def is_compiled(module: nn.Module) -> bool:
    """Tell whether a module is what ``torch.compile`` makes of another."""
    return isinstance(getattr(module, "_orig_mod", None), nn.Module)


def choices_of(name: str, given: object) -> tuple[Choice, ...]:
    """Return classes and patterns of names, as ``leaves=`` and ``opened=`` take them."""
    is_one = isinstance(given, (str, type)) or not isinstance(given, Iterable)
    choices: tuple[Any, ...] = (given,) if is_one else tuple(given)  # type: ignore[arg-type]
    for one in choices:
        if not one or not (isinstance(one, str) or is_class_of_modules(one)):
            raise ArgumentTypeError(
                f"{name} must be classes of modules or patterns of names, such as "
                f"['blocks.*.attn'], got {shown(one)}."
            )
    return choices


def is_class_of_modules(value: object) -> bool:
    """Tell whether something is a class of modules, and no module."""
    return isinstance(value, type) and issubclass(value, nn.Module)


def _check_choices(
    model: nn.Module, modules: Mapping[str, nn.Module], choices: Sequence[Choice]
) -> None:
    for choice in choices:
        if not any(_is_chosen(module, name, choice) for name, module in modules.items()):
            what = repr(choice) if isinstance(choice, str) else choice.__name__
            near = difflib.get_close_matches(str(choice), list(modules), n=3, cutoff=0.3)
            hint = f" The nearest names are {', '.join(near)}." if near else ""
            raise ArgumentError(
                f"No module of {type(model).__name__} is, or matches, {what}; expected a class or "
                f"a pattern of qualified names such as 'blocks.*.attn'.{hint}"
            )


def _is_chosen(module: nn.Module, name: str, choice: Choice) -> bool:
    return fnmatchcase(name, choice) if isinstance(choice, str) else isinstance(module, choice)
