"""What one run of a model did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx

from infoflow.graph.tracing.interception import Key, line_of_the_model
from infoflow.graph.tracing.node_info import NodeInfo


@dataclass(eq=False)
class Recording:
    """What one run of a model did.

    Parameters
    ----------
    graph
        One node per call, in the order in which they were made.
    facts
        What is known of each node's value.
    constants
        Tensors that the run met and that are no parameter, buffer or input, by ``get_attr`` target.
    sources
        For each placeholder the argument that it belongs to.
    output
        What the model returned.
    reads
        Lines of the model where values that depend on the input became numbers of Python.
    varying
        Lines of the model where the shape of a result depends on values of the input.
    unknown
        Lines of the model where a tensor is read that no observed call has made.
    events
        For each node that is a call its key: the same call of another run has the same.
    trail
        The keys of all calls, in order.
    outcomes
        For each node that compares sizes what came out.
    is_random
        Whether the run has drawn random numbers.
    is_random_outside
        Whether it has drawn some from Python or NumPy, which become constants of the program.
    """

    graph: fx.Graph
    facts: dict[fx.Node, NodeInfo] = field(default_factory=dict)
    constants: dict[str, Tensor] = field(default_factory=dict)
    sources: dict[fx.Node, str] = field(default_factory=dict)
    output: Any = None
    reads: list[str] = field(default_factory=list)
    varying: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    events: dict[fx.Node, Key] = field(default_factory=dict)
    trail: list[Key] = field(default_factory=list)
    outcomes: dict[fx.Node, bool] = field(default_factory=dict)
    is_random: bool = False
    is_random_outside: bool = False

    def note_line(self, lines: list[str]) -> None:
        """Note in ``lines``, once, where the model is now."""
        line = line_of_the_model()
        if line not in lines:
            lines.append(line)
