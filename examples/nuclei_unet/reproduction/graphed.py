"""Training on a GPU with each optimiser step replayed from a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from run import Run
from torch import Tensor

#: Rehearsals outside the graph, which let the libraries choose their kernels.
_WARM_UP = 3


class GraphedRun(Run):
    """A :class:`Run` on CUDA: the data is on the device, and a step costs one launch.

    The order of the images and the recipe are those of :class:`Run`; only rounding may differ. A
    graph is captured for each size of batch that occurs, which is two.
    """

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self._replays: dict[int, Callable[[Tensor], None]] = {}

    def _step(self, rows: Tensor) -> None:
        if len(rows) not in self._replays:
            self._replays[len(rows)] = self._captured(rows)
        self._replays[len(rows)](rows)

    def _captured(self, first: Tensor) -> Callable[[Tensor], None]:
        """Return a function that trains on a batch of this size."""
        held = first.clone()
        self._rehearse(held)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            super()._step(held)

        def step(rows: Tensor) -> None:
            held.copy_(rows)
            graph.replay()

        return step

    def _rehearse(self, rows: Tensor) -> None:
        """Run some steps on a side stream, and take them back: plain SGD has weights only."""
        changing = [*self.model.parameters(), self._total]
        before = [tensor.detach().clone() for tensor in changing]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                super()._step(rows)
        torch.cuda.current_stream().wait_stream(side)
        with torch.no_grad():
            for tensor, value in zip(changing, before, strict=True):
                tensor.copy_(value)
