"""New weights for a pruned net."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from infoflow.interface import PruningError

#: Gives a module new random weights.
Reset = bool | Callable[[nn.Module], object]


def reset_weights(slim: nn.Module, reset: Reset) -> None:
    """Give every module new weights."""
    if callable(reset):
        slim.apply(reset)  # type: ignore[arg-type]
        return
    fixed = []
    for name, module in slim.named_modules():
        # torch's own MultiheadAttention has the other name
        again = getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))
        if callable(again):
            again()
        elif module._parameters:
            fixed.append(name or "the net itself")
    if fixed:
        raise PruningError(
            f"reset=True calls reset_parameters, which {fixed[0]} does not have, although it has "
            "parameters of its own. Pass reset=, a function that is applied to every module."
        )
