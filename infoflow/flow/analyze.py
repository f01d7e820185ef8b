"""``infoflow.analyze``: one look at a net."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn

from infoflow.capture.labels import TargetLike
from infoflow.capture.sketch import SKETCH_SIZE
from infoflow.capture.strategy import CaptureMode
from infoflow.capture.unpack import Unpack
from infoflow.estimators import make_estimators
from infoflow.estimators.noise import NoiseLike
from infoflow.flow.measure import Layers, Settings, measure, warn_of_saturation
from infoflow.flow.result import FlowResult, result_of
from infoflow.graph.reduce import Reduce
from infoflow.graph.running.leaves import Choice
from infoflow.interface import Estimator, Unit, nats_per


def analyze(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    target: TargetLike = "auto",
    estimator: str | Estimator = "kde",
    noise: NoiseLike | None = None,
    noise_variance: float | None = None,
    bin_size: float | None = None,
    layers: Layers = "all",
    unit: Unit = "bits",
    device: str | None = None,
    memory_budget: int | float | str = "2GB",
    unpack: Unpack | None = None,
    seed: int = 0,
    progress: bool | None = None,
    leaves: Sequence[Choice] = (),
    opened: Sequence[Choice] = (),
    reduce: Reduce = "flatten",
    streams: bool = True,
    mode: CaptureMode = "auto",
    sketch_size: int = SKETCH_SIZE,
) -> FlowResult:
    """Estimate how many bits every layer keeps about the input and about the target.

    The model is traced, run over the loader in evaluation mode without gradients, and left as it
    was: training flags, parameters, device and random state.

    Parameters
    ----------
    model
        Any module that runs on the loader's batches.
    loader
        Iterable of batches that can be read more than once: tensors, (inputs, target) pairs,
        dictionaries, or whatever ``unpack`` understands.
    target
        Y. ``"auto"`` takes classes as they are and clusters dense targets; or ``"labels"``,
        ``"kmeans"``, ``"coarsening"``, ``"output"`` (the model's own), ``"none"``, an object such
        as ``infoflow.KMeans(clusters=32)``, or an array with a class for each sample.
    estimator
        ``"kde"``, ``"binning"``, ``"equal-mass"``, ``"renyi"``, ``"ksg"``,
        ``"sample-propagation"`` (of an :class:`infoflow.NoisyNet`), or an object such as
        ``infoflow.KDE(noise_variance=0.1)``.
    noise
        The KDE's measurement noise: a variance; ``"relative"`` or an :class:`infoflow.Relative` for
        a share of each layer's own variance; or several of these, a sweep, whose result says where
        the order of the layers changes. The middle point of a sweep is the reported one.
    noise_variance, bin_size
        Setting of the estimator that is given by name.
    layers
        ``"all"``, ``"merges"``, or names, patterns and indices.
    unit
        ``"bits"`` or ``"nats"``.
    device
        Where to measure, such as ``"cuda"``; None for where the model is.
    memory_budget
        What may be used above the model's own memory, in bytes or as ``"2GB"``. A smaller budget
        takes more passes over the loader, and gives the same numbers, as long as it holds the
        samples' distances; a still smaller one is met by sketches, with a stated error, and
        without streams.
    unpack
        Function from a batch to ``(inputs, target)``.
    seed
        Seed of every pass over the loader.
    progress
        Show a bar; None shows it on a terminal only.
    leaves, opened
        Modules to keep whole as one layer, or to open, as for :func:`infoflow.trace`.
    reduce
        What of values with positions is measured: ``"flatten"`` (all), ``"mean"``, ``"first"``,
        ``"last"`` or a position of a sequence.
    streams
        Whether to measure what each stream into a merge knows of Y beside the others; with
        ``estimator="kde"`` and a target.
    mode
        ``"exact"`` distances between samples, or from a ``"sketch"`` of ``sketch_size`` columns
        for each layer, in one pass and at a stated error; ``"auto"`` sketches where exact distances
        would take more than 2·10¹² multiply-adds (samples² · units / 2), or where N×N matrices do
        not fit into the budget.
    sketch_size
        Columns of a sketch: the relative error of a squared distance is √(2 / sketch_size).

    Returns
    -------
    FlowResult
        One epoch, all chosen layers; ``print`` shows it as a table.

    Raises
    ------
    InfoflowError
        An UntraceableModelError, LoaderError, TargetError, ActivationError, LayerNotFoundError,
        MemoryBudgetError or ArgumentError. Each says what was expected, what came, and what to do.

    Warns
    -----
    SaturationWarning, SingletonWarning
        Where the numbers cannot mean what they seem to mean.

    Examples
    --------
    >>> import torch
    >>> from infoflow.testing import UNet, blob_images
    >>> loader = torch.utils.data.DataLoader(blob_images(16, size=32)[0], batch_size=8)
    >>> result = analyze(UNet(base_channels=4), loader, progress=False, noise_variance=100.0)
    >>> result.ixm.sizes["layer"], result.ixm.attrs["units"]
    (23, 'bits')
    """
    nats_per(unit)
    chosen, sweep = make_estimators(
        estimator, noise=noise, noise_variance=noise_variance, bin_size=bin_size
    )
    settings = Settings(
        target=target,
        estimator=chosen,
        sweep=sweep,
        layers=layers,
        device=device,
        memory_budget=memory_budget,
        unpack=unpack,
        seed=seed,
        progress=progress,
        leaves=leaves,
        opened=opened,
        reduce=reduce,
        streams=streams,
        mode=mode,
        sketch_size=sketch_size,
    )
    measurement = measure(model, loader, settings)
    warn_of_saturation(measurement.estimates)
    return result_of(measurement, settings.estimator, unit, epoch=0)
