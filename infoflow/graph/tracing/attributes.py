"""Names of the tensors that a model can reach, by their identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from infoflow.graph.running.members import named_modules, store


def named_attributes(model: nn.Module) -> dict[int, str]:
    """Return the qualified name of every parameter, buffer and other tensor of the modules."""
    names: dict[int, str] = {}
    for path, module in named_modules(model):
        own: dict[str, Any] = dict(vars(module))
        own |= {**store(module, "_buffers"), **store(module, "_parameters")}
        for name, value in own.items():
            if isinstance(value, Tensor):
                names.setdefault(id(value), f"{path}.{name}".lstrip("."))
    return names


def hidden_tensors(model: nn.Module, found: Mapping[str, Tensor]) -> dict[int, str]:
    """Return a name for each parameter that a model can reach and that torch does not know of.

    ``found`` is everything that it can reach. Other tensors have no lasting name: they may change.
    """
    known = named_attributes(model)
    return {
        id(tensor): name
        for name, tensor in found.items()
        if id(tensor) not in known and isinstance(tensor, nn.Parameter)
    }
