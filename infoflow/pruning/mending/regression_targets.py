"""What a layer of a net without streams shall compute, so that the whole net's values come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from infoflow.graph.operations.lookup import operation_of
from infoflow.graph.operations.norms import BATCH_NORM
from infoflow.graph.operations.operation import Moves
from infoflow.pruning.mending.finding import Look
from infoflow.pruning.variants import Variant
from infoflow.pruning.variants.kept_values import Footprint, arguments

#: Undoes one operation: from its result to the value that it read.
Undo = Callable[[Tensor, Look], Tensor]

#: Norms that do the same to every sample in evaluation mode.
NORMS = BATCH_NORM.modules
#: Smallest factor, beside the largest, that is divided by.
_SMALL = 1e-3


@dataclass(frozen=True)
class Target:
    """The value that a layer shall give.

    Parameters
    ----------
    node
        The node of the whole net's program whose value is wanted.
    undo
        What lies between the layer and that value, undone from the last to the first.
    others
        Nodes of the net without streams that are added on the way.
    norms
        Batch norms on the way.
    """

    node: fx.Node
    undo: tuple[Undo, ...] = ()
    others: tuple[fx.Node, ...] = ()
    norms: tuple[nn.Module, ...] = ()

    def silent(self) -> Tensor | None:
        """Tell which channels a norm on the way all but silences: they have no use to learn."""
        silent = [~_audible(norm) for norm in self.norms]
        return torch.stack(silent).any(0) if silent else None

    def of(self, value: Tensor, look: Look) -> Tensor:
        """Return what the layer's output shall be, from the value of ``node``."""
        for step in self.undo:
            value = step(value, look)
        return value


class Targets:
    """Finds the targets of layers.

    Parameters
    ----------
    variant
        The net without streams.
    footprint
        Shapes of the whole net's values.
    """

    def __init__(self, variant: Variant, footprint: Footprint) -> None:
        self._variant = variant
        self._shapes = footprint.shapes
        self._position = {node: i for i, node in enumerate(variant.program.nodes)}

    def of_sum(self, node: fx.Node, changed: frozenset[fx.Node] = frozenset()) -> Target | None:
        """Return the sum that a layer can learn, None where it is its own value alone.

        A layer learns a sum when an operand of it went, or when another operand is among the nodes
        that have ``changed``, and only affine operations on single channels lie between.
        """
        undo: list[Undo] = []
        others: list[fx.Node] = []
        norms: list[nn.Module] = []
        value = node
        while True:
            own, role = self._variant.whole.get(value), self._role(value)
            if own is None or role is None:
                return None
            is_end = bool(others) or role is not own
            if is_end:
                is_new = role is not own or not changed.isdisjoint(others)
                found = Target(role, tuple(reversed(undo)), tuple(others), tuple(norms))
                return found if is_new and self._is_alike(value, role) else None
            step = self._step(value, node)
            if step is None:
                return None
            value, back, other = step
            undo.append(back)
            module = self._variant.program.module(value)
            norms += [module] if isinstance(module, NORMS) else []
            others += [] if other is None else [other]

    def _is_alike(self, value: fx.Node, role: fx.Node) -> bool:
        return self._shapes.get(self._variant.whole[value]) == self._shapes.get(role)

    def _role(self, value: fx.Node) -> fx.Node | None:
        """Return the whole net's node in whose place all users read a value."""
        roles = {role for user in value.users for role in self._read_as(user, value)}
        return roles.pop() if len(roles) == 1 else None

    def _read_as(self, user: fx.Node, value: fx.Node) -> Iterator[fx.Node | None]:
        old = self._variant.whole.get(user)
        if old is None and user.target is torch.clone:
            yield self._role(user)
            return
        ours, theirs = arguments(user), [] if old is None else arguments(old)
        if len(ours) != len(theirs):
            yield None
            return
        yield from (b for a, b in zip(ours, theirs, strict=True) if a is value)

    def _step(self, value: fx.Node, layer: fx.Node) -> tuple[fx.Node, Undo, fx.Node | None] | None:
        """Return the only reader of a value, how it is undone, and what it adds."""
        if len(value.users) != 1:
            return None
        (user,) = value.users
        if user.op == "call_module":
            back = self._undo_module(user)
            return None if back is None else (user, back, None)
        if user.op not in ("call_function", "call_method"):
            return None
        operation, given = operation_of(user), arguments(user)
        name, is_reshape = operation.name, operation.moves is Moves.RESHAPED
        is_whole = operation.is_idle and given == [value]
        is_first = name == "getitem" and user.args[1] == 0 and user.args[0] is layer
        if is_whole or is_first or (is_reshape and self._is_dense(layer)):
            return user, _same, None
        if name == "mul" and len(given) == 2:
            back = self._undo_scale(value, given)
            return None if back is None else (user, back, None)
        if name == "add" and len(given) == 2 and "alpha" not in user.kwargs:
            other = given[1] if given[0] is value else given[0]
            is_before = self._position[other] < self._position[layer]
            if other is value or not is_before or not self._adds_alike(user, other):
                return None
            return user, _minus(other), other
        return None

    def _is_dense(self, layer: fx.Node) -> bool:
        """Tell whether a layer's outputs are its last dimension, so that reshapes keep rows."""
        operation = operation_of(layer, self._variant.program.module(layer))
        return bool(operation.arguments) and operation.positions is None

    def _adds_alike(self, user: fx.Node, other: fx.Node) -> bool:
        whole = self._variant.whole
        return other in whole and self._shapes.get(whole[other]) == self._shapes.get(whole[user])

    def _undo_module(self, user: fx.Node) -> Undo | None:
        module = self._variant.program.module(user)
        if isinstance(module, NORMS) and module.running_var is not None:
            return _unnormalised(module)
        return _same if operation_of(user, module).is_idle else None

    def _undo_scale(self, value: fx.Node, given: list[fx.Node]) -> Undo | None:
        other = given[1] if given[0] is value else given[0]
        if other.op != "get_attr":
            return None
        factor = self._variant.program.attribute(other)
        is_large = factor.abs() > _SMALL * factor.abs().max()
        return _divided(factor.detach()) if bool(is_large.all()) else None


def _same(value: Tensor, look: Look) -> Tensor:
    return value


def _minus(other: fx.Node) -> Undo:
    return lambda value, look: value - look(other)


def _divided(factor: Tensor) -> Undo:
    return lambda value, look: value / factor


def _unnormalised(norm: nn.Module) -> Undo:
    """Undo a batch norm in evaluation mode; channels that it all but silences become its mean."""

    def undo(value: Tensor, look: Look) -> Tensor:
        factor, mean, bias = _affine(norm)
        shape = (1, -1, *[1] * (value.ndim - 2))
        back = (value - bias.view(shape)) / factor.view(shape) + mean.view(shape)
        return torch.where(_audible(norm).view(shape), back, mean.view(shape))

    return undo


def _affine(norm: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    """Return the factor, the mean and the bias of a batch norm in evaluation mode."""
    state: Mapping[str, Tensor | None] = {**norm._parameters, **norm._buffers}
    mean, variance = state["running_mean"], state["running_var"]
    assert mean is not None
    assert variance is not None
    factor = (variance + float(norm.eps)).rsqrt()  # type: ignore[arg-type]
    weight, bias = state.get("weight"), state.get("bias")
    bias = torch.zeros_like(mean) if bias is None else bias.detach()
    return factor if weight is None else factor * weight.detach(), mean, bias


def _audible(norm: nn.Module) -> Tensor:
    factor = _affine(norm)[0].abs()
    return factor > _SMALL * factor.max()
