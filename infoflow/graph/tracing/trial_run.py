"""What is to be verified of a recorded program, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import fx, nn

from infoflow.graph.running.arguments import Arguments
from infoflow.graph.tracing.node_info import NodeInfo
from infoflow.graph.tracing.source import Source
from infoflow.interface import Faithfulness

#: For each layer the dimension that counts its samples, and why it has none, or None.
Axes = dict[str, tuple[int, str | None]]


@dataclass
class Proof:
    """What was tried, and what it says of a program."""

    label: Faithfulness = "not verified"
    checks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    axes: Axes = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TrialRun:
    """What is to be verified.

    Parameters
    ----------
    call
        The example.
    source
        The model, and the program that was recorded of it.
    output
        What the model returned for the example.
    values
        The node of each layer's value.
    facts
        What is known of them for the example.
    """

    call: Arguments
    source: Source
    output: Any
    values: Mapping[fx.Node, str]
    facts: Mapping[fx.Node, NodeInfo]

    @property
    def model(self) -> nn.Module:
        """The model itself."""
        return self.source.model
