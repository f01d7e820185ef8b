"""New weights for a pruned net."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from infoflow.interface import ArgumentTypeError, PruningError
from infoflow.interface.argument_checks import function_of, shown

#: Gives a module new random weights.
Reset = bool | Callable[[nn.Module], object]


def check_reset(reset: object) -> None:
    """Raise an ArgumentTypeError for what says neither whether nor how modules are reset."""
    if isinstance(reset, bool):
        return
    function_of("reset", reset, 1, "reset(module), or True or False")
    if isinstance(reset, (type, nn.Module)):
        raise ArgumentTypeError(
            f"reset must be True, False or a function of a module, got {shown(reset)}."
        )


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
