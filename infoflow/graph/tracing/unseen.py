"""Weights that act on a model's output and that its recording has not seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.members import is_learned, named_parameters, parameters_in
from infoflow.graph.running.model_state import counted_writes
from infoflow.graph.running.pytree import tensors_in
from infoflow.graph.running.random_state import seeded
from infoflow.graph.tracing.leaves import Leaves
from infoflow.graph.tracing.program import Program


def unseen_weights(program: Program, leaves: Leaves, call: Arguments) -> tuple[str, ...] | None:
    """Return the names of weights on which the output depends and that no node reads.

    Weights are parameters of two or more dimensions. Those that the model can reach are looked up
    first; only where the program reads not all of them, the model runs once more, for one sample
    and with gradients, and the history of its output tells which it depends on.

    Returns
    -------
    tuple of str, or None
        None where that run fails, so that nothing is known.
    """
    named = _named_weights(program.model, leaves)
    seen = _seen(program)
    if all(id(weight) in seen for weight in named.values()):
        return ()
    one = call.select(slice(0, 1)) if call.samples > 1 else call
    try:
        acting = _acting(program.model, list(named.values()), one)
    except torch.OutOfMemoryError:
        return None
    except Exception:  # a model need not run with gradients, or with one sample
        return None
    inputs = {id(tensor) for tensor in call.tensors}
    names = {id(weight): name for name, weight in named.items()}
    return tuple(
        names.get(id(weight), f"a tensor of shape {tuple(weight.shape)}")
        for weight in acting
        if weight.ndim >= 2 and id(weight) not in seen | inputs
    )


def _named_weights(model: nn.Module, leaves: Leaves) -> dict[str, Tensor]:
    """Return the weights that a model can reach: its own, and those that torch does not know."""
    own = {name: p for name, p in named_parameters(model) if _is_weight(p)}
    known = {id(weight) for weight in own.values()}
    others = {
        name: tensor
        for name, tensor in leaves.tensors.items()
        if is_learned(tensor) and id(tensor) not in known and _is_weight(tensor)
    }
    return own | others


def _is_weight(tensor: Tensor) -> bool:
    is_number = tensor.is_floating_point() or tensor.is_complex()
    return is_number and tensor.ndim >= 2 and tensor.numel() > 0


def _seen(program: Program) -> set[int]:
    """Return the identities of what the nodes of a program read."""
    seen: set[int] = set()
    for node in program.nodes:
        module = program.module(node)
        if module is not None:
            seen.update(map(id, parameters_in(module)))
        elif node.op == "get_attr":
            seen.add(id(program.attribute(node)))
    return seen


def _acting(model: nn.Module, weights: Iterable[Tensor], call: Arguments) -> list[Tensor]:
    """Return the tensors that learn from the output of a call, by its history."""
    with _learning(weights), counted_writes(gradients=True), seeded():
        outputs = [tensor for tensor in tensors_in(call.of(model)) if tensor.grad_fn is not None]
        return list(_leaves_behind(tensor.grad_fn for tensor in outputs))


def _leaves_behind(functions: Iterable[object]) -> Iterator[Tensor]:
    waiting, seen = list(functions), set[object]()
    while waiting:
        function = waiting.pop()
        if function is None or function in seen:
            continue
        seen.add(function)
        variable = getattr(function, "variable", None)  # where a gradient would be added up
        if isinstance(variable, Tensor) and variable.is_leaf:
            yield variable
        waiting += [before for before, _ in getattr(function, "next_functions", ())]


@contextmanager
def _learning(weights: Iterable[Tensor]) -> Iterator[None]:
    """Let frozen weights take part in the history; they are frozen again after."""
    frozen = [w for w in weights if w.is_leaf and not w.requires_grad and not w.is_inference()]
    try:
        for weight in frozen:
            weight.requires_grad_(True)
        yield
    finally:
        for weight in frozen:
            weight.requires_grad_(False)


def describe_unseen(unseen: tuple[str, ...]) -> str:
    """Say which weights act unseen, and what that means."""
    count = len(unseen)
    what = "weight acts" if count == 1 else "weights act"
    return (
        f"{count} {what} on the output and cannot be seen, such as {unseen[0]}: layers and merges "
        "are missing. Call the modules that hold them from forward, in the thread that runs it"
    )
