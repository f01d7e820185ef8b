"""Training on a GPU with each optimiser step replayed from a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from run import Run
from torch import Tensor
from torch.nn import functional as F

#: Rehearsals outside the graph, which let the libraries choose their kernels.
_WARM_UP = 3


class GraphedRun(Run):
    """A :class:`Run` on CUDA: the data is on the device, and a step costs one launch.

    The order of the images and the recipe are those of :class:`Run`; only rounding may differ. A
    graph is captured for each size of batch that occurs, which is two.
    """

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self._steps: dict[int, Callable[[Tensor], None]] = {}
        self._total = torch.zeros((), dtype=torch.float64, device=self.settings.device)

    def _train(self, epoch: int) -> float:
        images = self.training[0]
        order = np.random.default_rng((self.settings.seed, epoch)).permutation(len(images))
        rows = torch.from_numpy(order).to(images.device)
        self._total.zero_()
        for batch in rows.split(self.settings.batch_size):
            if len(batch) not in self._steps:
                self._steps[len(batch)] = self._captured(batch)
            self._steps[len(batch)](batch)
        mean = float(self._total) / len(images)
        self._check(mean, epoch)
        return mean

    def _captured(self, batch: Tensor) -> Callable[[Tensor], None]:
        """Return a function that trains on a batch of this size."""
        rows = batch.clone()
        self._rehearse(rows)
        self.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self._loss(rows)
            loss.backward()
            self.optimizer.step()
            self._total += loss.detach() * len(rows)

        def step(batch: Tensor) -> None:
            rows.copy_(batch)
            graph.replay()

        return step

    def _rehearse(self, rows: Tensor) -> None:
        """Run forward and backward on a side stream, without a step: the weights stay."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                self.optimizer.zero_grad(set_to_none=True)
                self._loss(rows).backward()
        torch.cuda.current_stream().wait_stream(side)

    def _loss(self, rows: Tensor) -> Tensor:
        images, masks = self.training
        return F.binary_cross_entropy(self.model(images[rows]), masks[rows])

    def _check(self, loss: float, epoch: int) -> None:
        if not np.isfinite(loss):
            raise ValueError(
                f"The loss is no longer a number in epoch {epoch}: the training diverged. Start "
                f"again with a learning rate below {self.settings.learning_rate}."
            )
