"""Which modules are kept whole, as one call, and which are opened."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from weakref import WeakKeyDictionary

import torch
from torch import nn

from infoflow.interface import ArgumentError

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
    ones; and what the caller chooses.

    Parameters
    ----------
    model
        The model.
    leaves, opened
        Modules to keep whole or to open in any case, by class or by pattern of names.
    """

    def __init__(
        self, model: nn.Module, leaves: Sequence[Choice] = (), opened: Sequence[Choice] = ()
    ) -> None:
        # weak, so that a graph does not keep its model alive
        self._names = WeakKeyDictionary({module: name for name, module in model.named_modules()})
        _check_choices(model, self._names, (*leaves, *opened))
        self._leaves = WeakKeyDictionary(
            {
                module: module is not model
                and _is_leaf(module, name, leaves=tuple(leaves), opened=tuple(opened))
                for module, name in self._names.items()
            }
        )

    @property
    def scripted(self) -> list[str]:
        """Names of the modules that torch.jit has scripted, which stay whole."""
        whole = {n for m, n in self._names.items() if isinstance(m, torch.jit.ScriptModule)}
        return [
            name for name in self._names.values() if name in whole and _above(name) not in whole
        ]

    def name(self, module: nn.Module) -> str | None:
        """Return a module's qualified name, None for one that is not the model's."""
        return self._names.get(module)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._names)

    def __contains__(self, module: nn.Module) -> bool:
        return self._leaves.get(module, False)


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
    if isinstance(module, torch.jit.ScriptModule):
        return True
    home = getattr(module.forward, "__module__", "")  # some set forward on the instance
    return home.startswith(("torch.nn.modules", "torch.ao.")) and not isinstance(
        module, _CONTAINERS
    )


def is_compiled(module: nn.Module) -> bool:
    """Tell whether a module is what ``torch.compile`` makes of another."""
    return isinstance(getattr(module, "_orig_mod", None), nn.Module)


def _check_choices(
    model: nn.Module, names: Mapping[nn.Module, str], choices: Sequence[Choice]
) -> None:
    for choice in choices:
        if not any(_is_chosen(module, name, choice) for module, name in names.items()):
            what = repr(choice) if isinstance(choice, str) else choice.__name__
            near = difflib.get_close_matches(str(choice), names.values(), n=3, cutoff=0.3)
            hint = f" The nearest names are {', '.join(near)}." if near else ""
            raise ArgumentError(
                f"No module of {type(model).__name__} is, or matches, {what}; expected a class or "
                f"a pattern of qualified names such as 'blocks.*.attn'.{hint}"
            )


def _is_chosen(module: nn.Module, name: str, choice: Choice) -> bool:
    return fnmatchcase(name, choice) if isinstance(choice, str) else isinstance(module, choice)
