"""A result that grows by an epoch at a time."""

from __future__ import annotations

from dataclasses import replace

from infoflow.flow.flow_result import FlowResult
from infoflow.results import concat


class Growing:
    """Epochs that are joined when the result is asked for.

    Joining costs as much as all that is joined, so at every epoch it would cost their square.

    Parameters
    ----------
    result
        What is there already.
    """

    def __init__(self, result: FlowResult | None = None) -> None:
        self._parts = [] if result is None else [result]
        self._epochs = [] if result is None else result.epochs

    @property
    def epochs(self) -> list[int]:
        """The epochs measured, ascending."""
        return sorted(self._epochs)

    @property
    def latest(self) -> FlowResult | None:
        """What was added last, None where there is nothing."""
        return self._parts[-1] if self._parts else None

    @property
    def result(self) -> FlowResult | None:
        """All epochs, None where there is none."""
        if len(self._parts) > 1:
            self._parts = [concat(self._parts, "epoch")]
        return self.latest

    def add(self, one: FlowResult) -> None:
        """Take a result of other epochs, or of the same ones, which it replaces."""
        whole = self.result if set(one.epochs) & set(self._epochs) else None
        if whole is None:
            # the graph of each would keep an example alive
            graph = self._parts[0].graph if self._parts else one.graph
            self._parts.append(replace(one, graph=graph))
            self._epochs += one.epochs
        else:
            self._parts = [whole.joined(one)]
            self._epochs = self._parts[0].epochs
