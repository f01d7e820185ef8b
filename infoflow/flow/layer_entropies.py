"""H(Bin) of every unit of every layer, over a loader, without keeping activations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from infoflow.capture.reading_options import ReadingOptions
from infoflow.capture.session import open_session
from infoflow.capture.unpack import Unpack
from infoflow.estimators.clusters import UnitCounts
from infoflow.flow.unit_entropies import UnitEntropies, entropies_of
from infoflow.graph.reduce import Reduce
from infoflow.graph.selection import LayerChoice
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import ActivationError, Layer


def layer_unit_entropies(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    bin_size: float = 0.2,
    layers: LayerChoice = "all",
    reduce: Reduce = "flatten",
    tracing: TracingOptions | None = None,
    unpack: Unpack | None = None,
    seed: int = 0,
    device: str | None = None,
    progress: bool | None = None,
) -> UnitEntropies:
    """Return H(Bin(m)) of every unit of the chosen layers, in bits, from one pass over a loader.

    Memory grows with the pairs of a unit and a bin that occur, 16 bytes each: choose few layers, or
    wide bins, where layers are wide.

    Parameters
    ----------
    model, loader
        A net, and batches that it runs on; both are left as they were.
    bin_size
        Width of a bin, in units of the activation.
    layers
        ``"all"``, ``"merges"``, or names, patterns and indices.
    reduce, tracing, unpack, seed, device, progress
        As for :func:`infoflow.analyze`.

    Returns
    -------
    UnitEntropies
        A mapping from the name of a layer to the entropies of its units, a float64 tensor of the
        shape of one sample's value.

    Raises
    ------
    ArgumentError
        If the bin size is not a positive number.
    ActivationError
        If a value is NaN or infinite; names the layer.

    References
    ----------
    .. [1] Z. Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019,
       section 5.2.

    Examples
    --------
    >>> import torch
    >>> loader = [torch.linspace(-4, 4, 64)[:, None]]
    >>> model = torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.Tanh())
    >>> entropies = layer_unit_entropies(model, loader)
    >>> {name: tuple(bits.shape) for name, bits in entropies.items()}
    {'0': (2,)}
    """
    UnitCounts(bin_size)
    reading = ReadingOptions(unpack, seed, device, progress=progress)
    with open_session(
        model, loader, reading, tracing=tracing, reduce=reduce, caller="layer_unit_entropies"
    ) as session:
        chosen = session.layers(layers)
        counts = {layer.name: UnitCounts(bin_size) for layer in chosen}

        def count(layer: Layer, value: Tensor) -> None:
            try:
                counts[layer.name].update(value.to(session.samples.home))
            except ActivationError as error:
                raise ActivationError(f"Layer {layer.name} ({layer.index}): {error}") from error

        with reading.bar(session.samples.batches_per_pass, "counting bins", "batch") as bar:
            for batch in session.samples.batches():
                session.graph.visit(batch.call, chosen, count)
                bar.update()
    found = {layer.name: counts[layer.name].entropies().view(layer.shape) for layer in chosen}
    return entropies_of(found, session.graph.model, bin_size)
