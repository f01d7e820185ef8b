"""``infoflow.analyze``: one look at a net."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from infoflow.capture.labels import TargetLike
from infoflow.capture.reading_options import DistanceMode, DistanceOptions, ReadingOptions
from infoflow.capture.unpack import Unpack
from infoflow.estimators import make_estimators
from infoflow.estimators.noise import NoiseLike
from infoflow.flow.flow_result import FlowResult, result_of
from infoflow.flow.measure import measure, warn_of_saturation
from infoflow.flow.measurement import Settings
from infoflow.graph.reduce import Reduce
from infoflow.graph.running.ranks import together
from infoflow.graph.selection import LayerChoice
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import Estimator, Unit, nats_per


def analyze(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    target: TargetLike = "auto",
    estimator: str | Estimator = "kde",
    noise: NoiseLike | None = None,
    layers: LayerChoice = "all",
    reduce: Reduce = "flatten",
    tracing: TracingOptions | None = None,
    distances: DistanceMode | DistanceOptions = "auto",
    unpack: Unpack | None = None,
    seed: int = 0,
    device: str | None = None,
    memory_budget: int | float | str = "2GB",
    progress: bool | None = None,
    unit: Unit = "bits",
) -> FlowResult:
    """Estimate how many bits every layer keeps about the input and about the target.

    The model runs over the loader in evaluation mode without gradients. Its parameters, training
    flags, device and all random states stay as they were. Under ``torch.distributed``, call this in
    every process: each runs the model on its share of the samples, and all get the same result.

    Parameters
    ----------
    model
        Any module that runs on the loader's batches.
    loader
        Iterable of batches that can be read several times: tensors, (inputs, target) pairs,
        dictionaries, or whatever ``unpack`` understands.
    target
        Y. ``"auto"`` keeps class labels and clusters dense targets such as masks. Or ``"labels"``,
        ``"kmeans"``, ``"coarsening"``, ``"output"`` (the model's prediction), ``"none"``, an object
        such as ``infoflow.KMeans(clusters=32)``, or an array with a class for each sample.
    estimator
        ``"kde"``, ``"binning"``, ``"equal-mass"``, ``"renyi"``, ``"ksg"``,
        ``"sample-propagation"`` (of an :class:`infoflow.NoisyNet`), or an object such as
        ``infoflow.Binning(0.2)``.
    noise
        The KDE's measurement noise. A number is its variance; None takes 1.0, as in the paper.
        ``"relative"``, or an :class:`infoflow.Relative`, takes a share of each layer's variance,
        which suits most nets better. A list of these is a sweep: the result reports the middle one,
        and says where the order of the layers changes.
    layers
        ``"all"``, ``"merges"``, or names, patterns and indices.
    reduce
        Which part to measure of values with positions: ``"flatten"`` (all), ``"mean"``,
        ``"first"``, ``"last"`` or the number of a position.
    tracing
        Which modules to keep whole or to open: an :class:`infoflow.TracingOptions`.
    distances
        ``"auto"``, ``"exact"``, ``"sketch"``, ``"anchors"`` (for many samples), or an
        :class:`infoflow.DistanceOptions`.
    unpack
        Function from a batch to ``(inputs, target)``.
    seed
        Seed of every pass over the loader, and of the choice of anchors.
    device
        Where to measure, such as ``"cuda"``; None for where the model is.
    memory_budget
        Memory to use above the model's own, in bytes or as ``"2GB"``. A smaller budget takes more
        passes over the loader and gives the same numbers. If it does not even hold the distances
        between samples, they come from sketches, with a stated error, and streams are left out.
    progress
        Show a bar; None shows it on a terminal only.
    unit
        ``"bits"`` or ``"nats"``.

    Returns
    -------
    FlowResult
        One epoch, all chosen layers; ``print`` shows it as a table.

    Raises
    ------
    InfoflowError
        An UntraceableModelError, LoaderError, TargetError, ActivationError, LayerNotFoundError,
        MemoryBudgetError or ArgumentError. Each says what it expected, what it got, and what to do.

    Warns
    -----
    SaturationWarning, SingletonWarning
        If numbers are doubtful.

    Examples
    --------
    >>> import torch
    >>> from infoflow.testing import UNet, blob_images
    >>> loader = torch.utils.data.DataLoader(blob_images(16, size=32)[0], batch_size=8)
    >>> result = analyze(UNet(base_channels=4), loader, progress=False, noise=100.0)
    >>> result.ixm.sizes["layer"], result.ixm.attrs["units"]
    (23, 'bits')
    """
    nats_per(unit)
    chosen, sweep = make_estimators(estimator, noise)
    settings = Settings(
        target=target,
        estimator=chosen,
        sweep=sweep,
        layers=layers,
        tracing=TracingOptions.of(tracing),
        reduce=reduce,
        distances=DistanceOptions.of(distances),
        reading=ReadingOptions(unpack, seed, device, memory_budget, progress),
    )
    with together("analyze") as ranks:
        measurement = measure(model, loader, settings, ranks=ranks)
        warn_of_saturation(measurement.estimates, chosen)
        result = result_of(measurement, settings.estimator, unit, epoch=0)
        return result.with_dataset(ranks.first("result", result.dataset))
