"""A recorded net that runs node by node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree


class Program:
    """A torch.fx program that shows each value as it is computed, and keeps none.

    Parameters
    ----------
    module
        The recorded net. It shares its parameters with the model that it was recorded from.
    """

    def __init__(self, module: fx.GraphModule) -> None:
        self.module = module
        self._position = {node: i for i, node in enumerate(module.graph.nodes)}

    @property
    def nodes(self) -> list[fx.Node]:
        """The program's nodes, in the order of computation."""
        return list(self._position)

    def run(
        self, inputs: Sequence[Any], last: fx.Node | None = None
    ) -> Iterator[tuple[fx.Node, Any]]:
        """Compute node after node and yield each with its value, up to and including ``last``.

        A value is let go as soon as no later node reads it, and an operation that works in place
        may overwrite it: copy what you keep.
        """
        interpreter = fx.Interpreter(self.module)
        # copies, since a net may work in place on its inputs
        interpreter.args_iter = iter(copied(inputs))
        for node in self._position:
            value = interpreter.run_node(node)
            interpreter.env[node] = value
            yield node, value
            del value
            for done in interpreter.user_to_last_uses.get(node, ()):
                del interpreter.env[done]
            if node is last:
                return

    def latest(self, nodes: Sequence[fx.Node]) -> fx.Node:
        """Return the one of ``nodes`` that is computed last."""
        return max(nodes, key=self._position.__getitem__)


def copied(inputs: Sequence[Any]) -> list[Any]:
    """Return the inputs with every tensor cloned."""
    copies: list[Any] = pytree.tree_map_only(Tensor, torch.clone, list(inputs))
    return copies


def first_tensor(value: Any) -> Tensor | None:
    """Return the first tensor in a value of any nesting, or None."""
    if isinstance(value, Tensor):
        return value
    for leaf in pytree.tree_leaves(value):
        if isinstance(leaf, Tensor):
            return leaf
    return None


def per_sample(value: Tensor, samples: int) -> Tensor:
    """View a batch's value with one row per sample.

    A first dimension that is a multiple of the batch size (windows, patches of one image next to
    each other) is split. A ValueError where it is not.
    """
    rows = value.shape[0] if value.ndim else 0
    if rows == samples:
        return value
    if rows == 0 or samples == 0 or rows % samples:
        raise ValueError(
            f"its value has shape {tuple(value.shape)}, expected the first dimension to count "
            f"the {samples} samples of the batch"
        )
    return torch.unflatten(value, 0, (samples, rows // samples))
