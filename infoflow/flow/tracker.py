"""``infoflow.Tracker``: the same measurement, epoch after epoch, in one resumable file."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from infoflow.capture.labels import KnownLabels, TargetLike
from infoflow.capture.reading_options import DistanceMode, DistanceOptions, ReadingOptions
from infoflow.capture.unpack import Unpack
from infoflow.estimators import make_estimators
from infoflow.estimators.noise import NoiseLike
from infoflow.flow import journal
from infoflow.flow.flow_result import FlowResult, result_of
from infoflow.flow.growing import Growing
from infoflow.flow.measure import measure, warn_of_saturation
from infoflow.flow.measurement import Settings
from infoflow.flow.sameness import check_same
from infoflow.flow.schedule import Schedule, as_function, epoch_number, paper_schedule
from infoflow.flow.tracker_state import TrackerState
from infoflow.graph.reduce import Reduce
from infoflow.graph.running.ranks import Ranks, together
from infoflow.graph.selection import LayerChoice
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import Estimator, InfoflowError, InfoflowWarning, warn
from infoflow.interface.argument_checks import file_path, whole_number
from infoflow.results import load
from infoflow.results.writing import check_writable

if TYPE_CHECKING:
    import xarray as xr


class Tracker:
    """Measures a model while it is being trained.

    Call ``record(epoch)`` after each epoch; the Tracker measures when its schedule says so. Under
    ``torch.distributed``, make a Tracker and the same calls in every process: each measures a share
    of the samples, all get the same result, and process 0 writes the file.

    Parameters
    ----------
    model, loader
        As for :func:`infoflow.analyze`. The loader has the samples to measure on, and may shuffle.
    target, estimator, noise, layers, reduce, tracing, distances, unpack, seed, device,
    memory_budget, progress
        As for :func:`infoflow.analyze`. The result is in bits. Relative noise follows each layer's
        scale at each epoch, so growing weights alone change nothing. A variance stays the same at
        all epochs, as in the paper.
    schedule
        When to measure: a function from the epoch to True or False, or the epochs themselves.
    path
        File to which every measurement is saved. Up to 20 epochs wait in a journal beside it,
        ``NAME.nc.journal``, which :func:`infoflow.load` reads too; they move into the file at the
        next epoch, or when the Tracker or Python ends. If the file exists, the Tracker continues
        it; a file of another net, target, estimator or number of samples is refused.

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
        self.path = None if path is None else file_path("path", path)
        self._is_due = as_function(schedule)
        self._settings = Settings(
            target=target,
            estimator=chosen,
            sweep=sweep,
            layers=layers,
            tracing=TracingOptions.of(tracing),
            reduce=reduce,
            distances=DistanceOptions.of(distances),
            reading=ReadingOptions(unpack, seed, device, memory_budget, progress),
        )
        self._known: KnownLabels | None = None
        self._has_warned = False
        self._own: set[int] = set()  # epochs that this Tracker has recorded
        if self.path is not None:
            check_writable(self.path)
        is_there = self.path is not None and self.path.exists()
        self._measured = Growing(load(self.path, FlowResult) if self.path and is_there else None)
        self._waiting = 0  # epochs in the journal
        self._journal: journal.Journal | None = None
        if self.path is not None:
            self._journal = journal.Journal(self.path)
            self._waiting = len(journal.waiting(self.path))
        self._settles = False  # only who writes puts the journal into the file

    @property
    def result(self) -> FlowResult:
        """All that was measured so far; an InfoflowError before the first measurement."""
        result = self._measured.result
        if result is None:
            raise InfoflowError(
                "This Tracker has measured nothing yet. Call .record(epoch) first, at an epoch "
                "that its schedule holds."
            )
        return result

    @property
    def has_measured(self) -> bool:
        """Whether there is a result, from a file or a state too."""
        return self._measured.latest is not None

    def is_due(self, epoch: int) -> bool:
        """Tell whether the schedule holds ``epoch``, a whole number from 0 on."""
        return self._is_due(epoch_number(epoch))

    def record(self, epoch: int, *, step: int | None = None) -> bool:
        """Measure the model if the schedule holds ``epoch``; tell whether it did.

        Where a training goes back, no numbers of its first life stay: when an epoch is recorded
        again, and at the first record after the file was opened, all later epochs are dropped, with
        a warning. The file as it was is then kept beside, as ``NAME.earlier.nc``. Other epochs may
        come in any order. A SaturationWarning is given once; the flags are kept for all epochs.

        Parameters
        ----------
        epoch
            A whole number from 0 on; of floats, those like ``2.0`` are taken.
        step
            How many steps the optimizer has made; kept as the coordinate ``step``. Give it at every
            epoch or at none.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            For another epoch or step, or a schedule that does not answer with True or False.
        """
        epoch = epoch_number(epoch)
        if not self._is_due(epoch):
            return False
        steps = None if step is None else whole_number("step", step)
        with together("Tracker.record") as ranks:
            ranks.agree({"epochs so far": self._measured.epochs})
            self._record(epoch, steps, ranks)
        return True

    def _record(self, epoch: int, steps: int | None, ranks: Ranks) -> None:
        measurement = measure(self.model, self.loader, self._settings, self._known, ranks)
        self._known = measurement.known
        latest = result_of(measurement, self._settings.estimator, "bits", epoch=epoch)
        latest = latest if steps is None else _with_step(latest, steps)
        latest = latest.with_dataset(ranks.first("result", latest.dataset))
        before = self._measured.latest
        if not self._has_warned:
            estimator = self._settings.estimator
            self._has_warned = warn_of_saturation(measurement.estimates, estimator)
        is_next = False
        if before is not None:
            check_same(before, latest, str(self.path or "The result so far"))
            is_next = epoch > self._measured.epochs[-1]
            self._go_back_to(epoch, ranks)
        self._measured.add(latest)
        self._own.add(epoch)
        if self.path is not None and self._journal is not None and ranks.is_first:
            self._save(self.path, self._journal, latest.dataset if is_next else None)

    def _save(self, path: Path, waiting: journal.Journal, latest: xr.Dataset | None) -> None:
        """Save all, or where only the ``latest`` epoch is new, let that wait in the journal."""
        if latest is not None and path.is_file() and self._waiting < journal.MOST_WAITING:
            waiting.append(latest)
            self._waiting += 1
            if not self._settles:
                # registered now, it comes before h5py's own end, which was registered earlier
                atexit.register(weakref.finalize(self, _settle, path))
            self._settles = True
        else:
            self.result.save(path)
            journal.clear(path)
            self._waiting = 0

    def _go_back_to(self, epoch: int, ranks: Ranks) -> None:
        """Drop later epochs where the training has gone back to ``epoch``."""
        goes_back = not self._own or epoch in self._own
        later = [one for one in self._measured.epochs if one > epoch] if goes_back else []
        if not later:
            return
        result = self.result
        kept = self._kept_beside(result) if ranks.is_first else ""
        warn(
            f"The training goes back to epoch {epoch}, so later numbers, of {_named(later)}, "
            f"are those of an earlier one and are dropped.{kept}",
            InfoflowWarning,
        )
        self._own -= set(later)
        left = [one for one in result.epochs if one <= epoch]
        self._measured = Growing(result.sel(epoch=left) if left else None)

    def _kept_beside(self, result: FlowResult) -> str:
        """Save what will be dropped beside the file; return a sentence that says where."""
        if self.path is None:
            return ""
        beside = self.path.with_name(f"{self.path.stem}.earlier{self.path.suffix}")
        return f" They are kept in {result.save(beside)}."

    def state_dict(self) -> dict[str, Any]:
        """Return all that was measured, and the classes of Y, for a checkpoint.

        Texts, numbers and lists only: ``torch.load(weights_only=True)`` reads it, and JSON holds
        it. The model and the loader are not in it.

        Examples
        --------
        >>> import torch, infoflow
        >>> net, points = torch.nn.Sequential(torch.nn.Linear(3, 2)), [torch.randn(8, 3)]
        >>> tracker = infoflow.Tracker(net, points, noise=1.0, progress=False)
        >>> tracker.record(0)
        True
        >>> resumed = infoflow.Tracker(net, points, noise=1.0, progress=False)
        >>> resumed.load_state_dict(tracker.state_dict())
        >>> resumed.result.epochs
        [0]
        """
        known = self._known
        result, own = self._measured.result, frozenset(self._own)
        return TrackerState(result, known, own, self._has_warned).to_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned, instead of from the file at ``path``.

        Where the file has later epochs, those of a training that went on after its checkpoint, they
        are dropped, with a warning; the file is kept beside, as ``NAME.earlier.nc``.

        Raises
        ------
        ArgumentError, ArgumentTypeError, ResultFileError
            For what is no such state, one of another version, or a damaged one.
        """
        found = TrackerState.of(state)
        kept = set() if found.result is None else set(found.result.epochs)
        dropped = sorted(set(self._measured.epochs) - kept)
        if dropped:
            warn(
                f"The state goes back to before {_named(dropped)}, now dropped."
                f"{self._kept_beside(self.result)}",
                InfoflowWarning,
            )
        self._measured, self._known = Growing(found.result), found.known
        self._own, self._has_warned = set(found.own), found.has_warned
        self._waiting = journal.MOST_WAITING  # the file holds something else


def _named(epochs: list[int]) -> str:
    return f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"


def _settle(path: Path) -> None:
    """Put what waits in a file's journal into the file."""
    with suppress(InfoflowError):
        if journal.waiting(path):
            load(path, FlowResult).save(path)
            journal.clear(path)


def _with_step(result: FlowResult, step: int) -> FlowResult:
    about = {"long_name": "finished steps of the optimizer"}
    return result.with_dataset(result.dataset.assign_coords(step=("epoch", [step], about)))
