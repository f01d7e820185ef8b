"""Names of the tensors that a model can reach, by their identity."""

from __future__ import annotations

from collections.abc import Container, Mapping

from torch import Tensor, nn

from infoflow.graph.running.members import named_modules, store


def named_attributes(model: nn.Module) -> dict[int, str]:
    """Return the qualified name of every parameter, buffer and other tensor of the modules."""
    names: dict[int, str] = {}
    for path, module in named_modules(model):
        prefix = f"{path}." if path else ""
        for own in (module.__dict__, store(module, "_buffers"), store(module, "_parameters")):
            for name, value in own.items():
                if isinstance(value, Tensor):
                    names.setdefault(id(value), f"{prefix}{name}")
    return names


def hidden_tensors(known: Container[int], found: Mapping[str, Tensor]) -> dict[int, str]:
    """Return a name for each parameter that a model can reach and that torch does not know of.

    ``known`` are the identities of those that it knows of; ``found`` is everything that the model
    can reach. Other tensors have no lasting name: they may change.
    """
    return {
        id(tensor): name
        for name, tensor in found.items()
        if id(tensor) not in known and isinstance(tensor, nn.Parameter)
    }
