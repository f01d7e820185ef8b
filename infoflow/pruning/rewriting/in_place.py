"""Operations that overwrite what they read, and copies where others still need it."""

from __future__ import annotations

import torch
from torch import fx, nn

from infoflow.pruning.rewriting.surgery import Surgery

_OPERATORS = {
    *("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor"),
    *("imatmul", "ilshift", "irshift"),
}


def works_in_place(node: fx.Node, module: nn.Module | None) -> bool:
    """Tell whether a node overwrites its first argument."""
    if module is not None:
        return bool(getattr(module, "inplace", False))
    if node.op not in ("call_method", "call_function"):
        return False
    name = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
    is_method = name.endswith("_") and not name.endswith("__")
    return is_method or name in _OPERATORS or bool(node.kwargs.get("inplace", False))


def protect(work: Surgery) -> None:
    """Copy values that took the place of a merge's before they are overwritten.

    As recorded, nothing reads a value after it was overwritten. A stream that goes straight on,
    where it was added to another, may have other readers.
    """
    for value in work.promoted:
        for user in list(value.users):
            if works_in_place(user, work.module(user)) and len(value.users) > 1:
                with work.nodes.inserting_before(user):
                    copy = work.nodes.call_function(torch.clone, (value,))
                user.replace_input_with(value, copy)
