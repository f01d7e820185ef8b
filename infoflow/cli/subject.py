"""A model and its data, loaded once from what the command line names, to measure and probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from infoflow.cli.data import load_loader, load_target
from infoflow.cli.models import load_model
from infoflow.cli.option_sets import Sources, Tracing
from infoflow.flow import FlowResult, analyze
from infoflow.flow.usable_result import UsableStreams
from infoflow.flow.usable_streams import usable_streams
from infoflow.interface import ArgumentError


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Parameters
    ----------
    model
        With its weights.
    loader
        Of (input, target) batches.
    target
        ``--target`` as it was given.
    seed
        Of the loader's order and of probes.
    tracing
        What the model's layers are.
    """

    model: nn.Module
    loader: Any
    target: str
    seed: int
    tracing: Tracing

    def measure(self, **settings: Any) -> FlowResult:
        """Return I(X;M) and I(Y;M) of the layers."""
        reducer = load_target(self.target)
        settings |= self.tracing.of_measuring
        return analyze(self.model, self.loader, target=reducer, seed=self.seed, **settings)

    def probe(self, **settings: Any) -> UsableStreams:
        """Return what small probes can use of the streams.

        Probes predict classes, or every pixel of a mask; clusters of masks are not for them.
        """
        is_reduced = self.target.startswith(("kmeans", "coarsening"))
        target = "auto" if is_reduced else load_target(self.target)
        settings |= {"target": target, "seed": self.seed, **self.tracing.of_measuring}
        return usable_streams(self.model, self.loader, **settings)


def load_subject(
    model: str, sources: Sources, *, target: str, seed: int, tracing: Tracing
) -> Subject:
    """Load the model and its data; raise an ArgumentError where there are no samples."""
    if sources.data is None:
        raise ArgumentError(
            f"Measuring {model} needs samples, got no --data. Pass a loader factory, an image "
            "folder, an .npz, or demo."
        )
    load_target(target)  # a wrong one is refused before anything is loaded
    torch.manual_seed(seed)
    net = load_model(model, sources.weights)
    loader = load_loader(sources.data, sources.input_shape)
    return Subject(net, loader, target, seed, tracing)
