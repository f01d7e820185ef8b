"""The modules and tensors of a model, found without the methods that a model may override.

A model is free to have an attribute ``modules``, a method ``train`` that trains, or a method
``parameters`` with arguments. What it holds is therefore read from where ``nn.Module`` keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

_SCRIPTED = torch.jit.ScriptModule
#: Where ``nn.Module`` keeps what belongs to it.
STORES = ("_parameters", "_buffers", "_modules")


def is_scripted(module: nn.Module) -> bool:
    """Tell whether torch.jit has scripted a module; quicker than ``isinstance``."""
    return _SCRIPTED in type(module).__mro__


def store(module: nn.Module, name: str) -> Mapping[str, Any]:
    """Return what a module keeps in ``_modules``, ``_parameters`` or ``_buffers``."""
    if is_scripted(module):
        return dict(getattr(module, name).items())
    found = module.__dict__.get(name)
    return found if type(found) is dict or isinstance(found, Mapping) else {}


def named_modules(
    model: nn.Module, *, remove_duplicate: bool = True
) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules of a model with their qualified names, as ``nn.Module`` does.

    Examples
    --------
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> net.modules = 3
    >>> [name for name, _ in named_modules(net)]
    ['', '0', '1']
    """
    seen: set[int] = set()
    waiting: list[tuple[str, nn.Module]] = [("", model)]
    while waiting:
        name, module = waiting.pop()
        if remove_duplicate and id(module) in seen:
            continue
        seen.add(id(module))
        yield name, module
        children = store(module, "_modules")
        if children:
            prefix = f"{name}." if name else ""
            named = [(f"{prefix}{key}", m) for key, m in children.items()]
            waiting += [pair for pair in reversed(named) if isinstance(pair[1], nn.Module)]


def modules_of(model: nn.Module) -> list[nn.Module]:
    """Return the modules of a model, each once."""
    return [module for _, module in named_modules(model)]


def named_tensors(
    model: nn.Module, *stores: str, remove_duplicate: bool = True
) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters, buffers, or both of a model with their qualified names."""
    seen: set[int] = set()
    for path, module in named_modules(model, remove_duplicate=remove_duplicate):
        prefix = f"{path}." if path else ""
        for place in stores:
            for key, tensor in store(module, place).items():
                if not isinstance(tensor, Tensor) or (remove_duplicate and id(tensor) in seen):
                    continue
                seen.add(id(tensor))
                yield f"{prefix}{key}", tensor


def named_parameters(
    model: nn.Module, *, remove_duplicate: bool = True
) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters of a model with their qualified names."""
    return named_tensors(model, "_parameters", remove_duplicate=remove_duplicate)


def parameters_in(module: nn.Module) -> list[Tensor]:
    """Return the parameters of a module and of its parts, each once."""
    if store(module, "_modules"):
        return [tensor for _, tensor in named_tensors(module, "_parameters")]
    own = store(module, "_parameters").values()
    return list({id(tensor): tensor for tensor in own if isinstance(tensor, Tensor)}.values())


def tensors_of(module: nn.Module) -> list[Tensor]:
    """Return the parameters and buffers of a module and of its parts, each once."""
    return [tensor for _, tensor in named_tensors(module, "_parameters", "_buffers")]


def submodule(root: nn.Module, path: str) -> nn.Module:
    """Return the module with a qualified name; an AttributeError where there is none."""
    module = root
    for key in path.split(".") if path else ():
        child = store(module, "_modules").get(key)
        if not isinstance(child, nn.Module):
            raise AttributeError(f"{type(root).__name__} has no module {path}")
        module = child
    return module


def attribute(root: nn.Module, path: str) -> Any:
    """Return what has a qualified name: a parameter, a buffer, or another attribute."""
    place, _, name = path.rpartition(".")
    module = submodule(root, place)
    for kept in ("_modules", "_parameters", "_buffers"):
        own = store(module, kept)
        if name in own:
            return own[name]
    return getattr(module, name)


def set_training(module: nn.Module, mode: bool) -> None:
    """Set the flag of one module; its own ``train`` may do anything, and is not called."""
    if is_scripted(module):
        module.training = mode
    elif vars(module).get("training") is not mode:
        vars(module)["training"] = mode


def is_training(module: nn.Module) -> bool:
    """Return the flag of one module."""
    if is_scripted(module):
        return bool(module.training)
    return bool(vars(module).get("training", False))


def is_learned(value: object) -> bool:
    """Tell whether a value is a parameter, or a plain tensor that gradients are asked of."""
    if isinstance(value, nn.Parameter):
        return True
    return isinstance(value, Tensor) and value.is_leaf and value.requires_grad
