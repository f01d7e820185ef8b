"""``infoflow.Tracker``: the same measurement, epoch after epoch, in one resumable file."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from torch import nn

from infoflow.capture.labels import KnownLabels, TargetLike
from infoflow.capture.reading_options import DistanceMode, DistanceOptions, ReadingOptions
from infoflow.capture.unpack import Unpack
from infoflow.estimators import make_estimators
from infoflow.estimators.noise import NoiseLike
from infoflow.flow.flow_result import FlowResult, result_of
from infoflow.flow.measure import Settings, measure, warn_of_saturation
from infoflow.graph.reduce import Reduce
from infoflow.graph.selection import LayerChoice
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import ArgumentError, Estimator, InfoflowError, ResultFileError
from infoflow.results import load

Schedule = Callable[[int], bool] | Collection[int]


def paper_schedule(epoch: int) -> bool:
    """Tell whether Lee and Bajić's code measures at ``epoch``, counted from 0.

    All of the first 20 epochs, every 5th to 100, every 10th to 200, then every 100th.

    Examples
    --------
    >>> [epoch for epoch in range(15, 240) if paper_schedule(epoch)][:8]
    [15, 16, 17, 18, 19, 20, 25, 30]
    >>> sum(paper_schedule(epoch) for epoch in range(10_001))
    145
    """
    if epoch < 20:
        return True
    if epoch < 100:
        return epoch % 5 == 0
    if epoch < 200:
        return epoch % 10 == 0
    return epoch % 100 == 0


class Tracker:
    """Measures a model while it is being trained.

    Parameters
    ----------
    model, loader
        As for :func:`infoflow.analyze`; the loader is the one to measure on, and may shuffle.
    target, estimator, noise, layers, reduce, tracing, distances, unpack, seed, device,
    memory_budget, progress
        As for :func:`infoflow.analyze`. The result is in bits.
    schedule
        When to measure: a function from the epoch to True or False, or the epochs themselves.
    path
        File to which the result is saved after every measurement. Where it exists, the tracker goes
        on from it; a file of another net, target, estimator or number of samples is refused.

    Examples
    --------
    >>> import torch, infoflow
    >>> from infoflow.testing import UNet, blob_images
    >>> images, masks = blob_images(8, size=32)
    >>> loader = torch.utils.data.DataLoader(list(zip(images, masks)), batch_size=4)
    >>> tracker = infoflow.Tracker(
    ...     UNet(base_channels=4), loader, schedule=[0, 2], target=infoflow.KMeans(2),
    ...     noise=100.0, progress=False,
    ... )
    >>> [tracker.record(epoch) for epoch in range(3)]
    [True, False, True]
    >>> tracker.result.epochs
    [0, 2]
    """

    def __init__(
        self,
        model: nn.Module,
        loader: Iterable[Any],
        *,
        schedule: Schedule = paper_schedule,
        path: str | os.PathLike[str] | None = None,
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
    ) -> None:
        chosen, sweep = make_estimators(estimator, noise)
        self.model = model
        self.loader = loader
        self.path = None if path is None else Path(path)
        self._is_due = _as_function(schedule)
        self._settings = Settings(
            target=target,
            estimator=chosen,
            sweep=sweep,
            layers=layers,
            tracing=tracing or TracingOptions(),
            reduce=reduce,
            distances=DistanceOptions.of(distances),
            reading=ReadingOptions(unpack, seed, device, memory_budget, progress),
        )
        self._known: KnownLabels | None = None
        self._has_warned = False
        if self.path is not None and self.path.is_dir():
            raise ArgumentError(
                f"path must be a file for the result, got the folder {self.path}. Add a name to it."
            )
        self._result = (
            load(self.path, FlowResult) if self.path is not None and self.path.exists() else None
        )

    @property
    def result(self) -> FlowResult:
        """All that was measured so far; an InfoflowError before the first measurement."""
        if self._result is None:
            raise InfoflowError(
                "This Tracker has measured nothing yet. Call .record(epoch) first, at an epoch "
                "that its schedule holds."
            )
        return self._result

    def is_due(self, epoch: int) -> bool:
        """Tell whether the schedule holds ``epoch``."""
        return bool(self._is_due(epoch))

    def record(self, epoch: int) -> bool:
        """Measure the model if the schedule holds ``epoch``; tell whether it did.

        An epoch that was measured before is measured again and replaced, so that a training which
        was resumed from an older checkpoint leaves no numbers of its first life. A
        SaturationWarning is given once; the flags are kept for all epochs.
        """
        if not self.is_due(epoch):
            return False
        measurement = measure(self.model, self.loader, self._settings, self._known)
        self._known = measurement.known
        latest = result_of(measurement, self._settings.estimator, "bits", epoch=epoch)
        if not self._has_warned:
            self._has_warned = warn_of_saturation(measurement.estimates)
        if self._result is not None:
            self._check_same(self._result, latest)
            latest = self._result.joined(latest)
        self._result = latest
        if self.path is not None:
            latest.save(self.path)
        return True

    def _check_same(self, earlier: FlowResult, latest: FlowResult) -> None:
        for what, before, now in (
            ("nets", earlier.graph.model, latest.graph.model),
            ("layers", earlier.layers, latest.layers),
            ("shapes of layers", *(_shapes(r) for r in (earlier, latest))),
            ("samples", *(int(r.dataset["samples"][-1]) for r in (earlier, latest))),
            ("unit", earlier.unit, latest.unit),
            *((k, earlier.dataset.attrs[k], latest.dataset.attrs[k]) for k in ("kind", "target")),
            ("capture", *(r.dataset.attrs.get("capture", "exact") for r in (earlier, latest))),
            ("sweep of noise", *(_values(r, "noise") for r in (earlier, latest))),
            ("streams", *(_values(r, "stream") for r in (earlier, latest))),
        ):
            if before != now:
                raise ResultFileError(
                    f"{self.path or 'The result so far'} was measured with other {what} "
                    f"({_short(before)}) than now ({_short(now)}). Give the Tracker another path, "
                    "or the same settings as before."
                )


def _as_function(schedule: Schedule) -> Callable[[int], bool]:
    if callable(schedule):
        return schedule
    try:
        return frozenset(schedule).__contains__
    except TypeError as error:
        raise ArgumentError(
            f"schedule must be a function from the epoch to True or False, or the epochs to "
            f"measure, got {schedule!r}. infoflow.paper_schedule is one."
        ) from error


def _values(result: FlowResult, dimension: str) -> list[str]:
    """Return the values of a dimension; none where the result lacks it."""
    return [str(value) for value in result.dataset.get(dimension, [])]


def _shapes(result: FlowResult) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return the kind and shape of every measured layer."""
    layers = [result.graph[name] for name in result.layers]
    return [(layer.name, layer.kind, tuple(layer.shape)) for layer in layers]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) < 80 else f"{text[:77]}..."
