"""Learned numbers behind values that depend on no input, and who reads them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from torch import fx

from infoflow.graph.running.members import is_learned, parameters_in
from infoflow.graph.tracing.node_info import NodeInfo
from infoflow.graph.tracing.program import Program
from infoflow.graph.tracing.program_functions import Transformed


class Weights:
    """The values of a program that are made of parameters alone.

    Parameters
    ----------
    program, facts
        The program, and what is known of its nodes.
    """

    def __init__(self, program: Program, facts: Mapping[fx.Node, NodeInfo]) -> None:
        self._program = program
        self._facts = facts
        self._behind: dict[fx.Node, frozenset[fx.Node]] = {}

    def add(self, node: fx.Node) -> None:
        """Note a value without streams, and the parameters that it is made of."""
        if node.op == "get_attr":
            is_one = is_learned(self._program.attribute(node))
            self._behind[node] = frozenset((node,) if is_one else ())
        else:
            self._behind[node] = self._into(node)

    def matrices(self, node: fx.Node) -> list[fx.Node]:
        """Return the arguments of two or more dimensions that are made of parameters alone."""
        return [
            argument
            for argument in node.all_input_nodes
            if self._behind.get(argument) and len(self._facts[argument].shape) >= 2
        ]

    def name_of(self, node: fx.Node) -> str | None:
        """Return the name of the module or parameter whose one matrix a node reads."""
        matrices = self.matrices(node)
        if isinstance(node.target, Transformed):
            return self._place_of(matrices)
        if len(matrices) != 1 or len(self._behind[matrices[0]]) != 1:
            return None
        (parameter,) = self._behind[matrices[0]]
        return str(parameter.target).removesuffix("weight").rstrip("._") or "weight"

    def _place_of(self, matrices: list[fx.Node]) -> str | None:
        """Return the name of the module that all parameters behind some matrices are in."""
        targets = [str(n.target).split(".")[:-1] for m in matrices for n in self._behind[m]]
        levels = (set(names) for names in zip(*targets, strict=False))
        common = itertools.takewhile(lambda names: len(names) == 1, levels)
        return ".".join(name for names in common for name in names) or None

    def read_by(self, node: fx.Node) -> dict[int, int]:
        """Return the identities and sizes of the parameters that a node reads itself."""
        module = self._program.module(node)
        if module is not None:
            return {id(parameter): parameter.numel() for parameter in parameters_in(module)}
        parameters = map(self._program.attribute, self._into(node))
        return {id(parameter): parameter.numel() for parameter in parameters}

    def _into(self, node: fx.Node) -> frozenset[fx.Node]:
        return frozenset().union(*(self._behind.get(a, ()) for a in node.all_input_nodes))
