"""Names of the tensors that a model keeps, by their identity."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from infoflow.graph.running.pytree import items_of


def named_attributes(model: nn.Module) -> dict[int, str]:
    """Return the qualified name of every parameter, buffer and other tensor of the modules."""
    names: dict[int, str] = {}
    for path, module in model.named_modules():
        own = {**module.__dict__, **module._buffers, **module._parameters}
        for name, value in own.items():
            if isinstance(value, Tensor):
                names.setdefault(id(value), f"{path}.{name}".lstrip("."))
    return names


def hidden_parameters(model: nn.Module) -> dict[int, str]:
    """Return a name for each parameter that plain lists and dictionaries hide from torch."""
    names: dict[int, str] = {}
    seen = set(map(id, model.modules()))

    def look(path: str, value: Any) -> None:
        if isinstance(value, nn.Module) and id(value) not in seen:
            seen.update(map(id, value.modules()))
            for name, parameter in value.named_parameters(path):
                names.setdefault(id(parameter), name)
        elif isinstance(value, nn.Parameter):
            names.setdefault(id(value), path)
        elif isinstance(value, (list, tuple, dict)):
            for name, part in items_of(value) or ():
                look(f"{path}.{name}", part)

    for path, module in model.named_modules():
        for name, value in module.__dict__.items():
            if isinstance(value, (list, tuple, dict)) and not name.startswith("_"):
                look(f"{path}.{name}".lstrip("."), value)
    return names
