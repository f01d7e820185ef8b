"""``Watch``: Trackers that follow a training, whichever library runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch.utils.data import DataLoader

from infoflow.flow import FlowResult, Tracker
from infoflow.graph.running.ranks import together
from infoflow.integrations.log import log
from infoflow.integrations.of_tracker import of_tracker
from infoflow.integrations.writers import writer_of
from infoflow.interface import ArgumentError, ArgumentTypeError, InfoflowError
from infoflow.interface.argument_checks import is_flag, one_of, shown

#: What the schedules of the Trackers count.
Count = Literal["epochs", "steps"]
Trackers = Tracker | Mapping[str, Tracker]

_STATE = "infoflow_watch"


class Watch:
    """One or several Trackers, told by a training when epochs and steps are finished.

    All processes of a training call it and measure a share of the samples each; the first one
    writes and logs.

    Parameters
    ----------
    trackers
        A :class:`infoflow.Tracker`, or several by name, such as
        ``{"train": ..., "held_out": ...}``. Their schedules say when to measure; 0 is the untrained
        net.
    count
        What the schedules count: finished ``"epochs"``, or ``"steps"`` of the optimizer. The result
        has them along its dimension ``epoch``; its coordinate ``step`` has steps in both cases.
    writer
        Where each measurement is logged, as by :func:`infoflow.log`; a list of several, or None.
    figures
        Whether to log U-Plots, too.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For what are no Trackers or writers, for Trackers that share a path, and where steps are
        counted for loaders with persistent workers.

    Examples
    --------
    >>> import infoflow, torch
    >>> net, points = torch.nn.Sequential(torch.nn.Linear(3, 2)), [torch.randn(8, 3)]
    >>> tracker = infoflow.Tracker(net, points, schedule=[0, 2], noise=1.0, progress=False)
    >>> watch = Watch(tracker)
    >>> watch.start(epoch=0, step=0)
    >>> watch.finish_step(step=4)
    >>> watch.finish_epoch(epoch=2, step=8)
    >>> watch.result.epochs
    [0, 2]
    """

    def __init__(
        self,
        trackers: Trackers,
        *,
        count: Count = "epochs",
        writer: Any = None,
        figures: bool = False,
    ) -> None:
        self.trackers = _by_name(trackers)
        self.count: Count = one_of("count", count, ("epochs", "steps"))
        is_flag("figures", figures)
        self._figures = figures
        several = writer if isinstance(writer, (list, tuple)) else [writer]
        self.writers = [one for one in several if one is not None]
        for one in self.writers:
            writer_of(one)
        self._is_resumed = False
        if self.count == "steps":
            _check_own_loaders(self.trackers)

    # ------------------------------------------------------------------------------ results

    @property
    def results(self) -> dict[str, FlowResult]:
        """What each Tracker measured, by its name; an InfoflowError before the first."""
        return {name: tracker.result for name, tracker in self.trackers.items()}

    @property
    def result(self) -> FlowResult:
        """What the only Tracker measured; an InfoflowError where there are several."""
        if len(self.trackers) > 1:
            raise InfoflowError(
                f"There are several Trackers, {', '.join(self.trackers)}. Take one of .results, "
                f"such as .results[{next(iter(self.trackers))!r}]."
            )
        return next(iter(self.results.values()))

    # ------------------------------------------------------------------------------ events

    def start(self, epoch: int, step: int, *, is_whole: bool = True) -> None:
        """Measure before the first step; after a resume, only what the state does not have.

        Parameters
        ----------
        epoch, step
            What is finished: 0 for an untrained net.
        is_whole
            Whether the training starts between two epochs. In the middle of one, nothing is
            measured where epochs are counted.
        """
        if is_whole or self.count == "steps":
            self._record(epoch if self.count == "epochs" else step, step)
        self._is_resumed = False

    def finish_epoch(self, epoch: int, step: int) -> None:
        """Measure after so many epochs, where epochs are counted."""
        if self.count == "epochs":
            self._record(epoch, step)

    def finish_step(self, step: int) -> None:
        """Measure after so many steps, where steps are counted."""
        if self.count == "steps":
            self._record(step, step)

    def _record(self, number: int, step: int) -> None:
        due = {
            name: tracker
            for name, tracker in self.trackers.items()
            if tracker.is_due(number) and not self._has(tracker, number)
        }
        if not due:
            return
        for name, tracker in due.items():
            with of_tracker(name):
                tracker.record(number, step=step)
            with together("log") as ranks:
                if ranks.is_first:
                    self._log(name, tracker.result, step)

    def _log(self, name: str, result: FlowResult, step: int) -> None:
        prefix = f"infoflow/{name}" if name else "infoflow"
        for writer in self.writers:
            log(result, writer, step, prefix=prefix, figures=self._figures)

    def _has(self, tracker: Tracker, number: int) -> bool:
        """Tell whether the state that the training resumes from holds this measurement."""
        return self._is_resumed and tracker.has_measured and number in tracker.result.epochs

    # ------------------------------------------------------------------------------ checkpoints

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the Trackers: texts, numbers, lists and dictionaries only."""
        states = {name: tracker.state_dict() for name, tracker in self.trackers.items()}
        return {_STATE: self.count, "trackers": states}

    def is_like(self, state_dict: Mapping[str, Any]) -> bool:
        """Tell whether a state is of Trackers with the same names and the same count."""
        return set(state_dict["trackers"]) == set(self.trackers) and (
            state_dict[_STATE] == self.count
        )

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned.

        Raises
        ------
        ArgumentError
            If the state is of Trackers with other names, or of another count.
        """
        if not isinstance(state_dict, Mapping) or _STATE not in state_dict:
            raise ArgumentError(
                f"The state to go on from must be what state_dict() returned, got "
                f"{shown(state_dict)}. Take the checkpoint from a training with the same Trackers."
            )
        states = state_dict["trackers"]
        if not self.is_like(state_dict):
            raise ArgumentError(
                f"The checkpoint is of Trackers {', '.join(states)} that count "
                f"{state_dict[_STATE]}; expected {', '.join(self.trackers)} that count "
                f"{self.count}. Give the same Trackers and the same count as before."
            )
        for name, tracker in self.trackers.items():
            tracker.load_state_dict(states[name])
        self._is_resumed = True


class Watching:
    """What a callback has measured with the Trackers that it is given."""

    _watch: Watch

    @property
    def results(self) -> dict[str, FlowResult]:
        """What each Tracker measured, by its name; an InfoflowError before the first."""
        return self._watch.results

    @property
    def result(self) -> FlowResult:
        """What the only Tracker measured; an InfoflowError where there are several."""
        return self._watch.result


def _by_name(trackers: Trackers) -> dict[str, Tracker]:
    found = {"": trackers} if isinstance(trackers, Tracker) else trackers
    is_good = isinstance(found, Mapping) and found
    if not is_good or not all(isinstance(one, Tracker) for one in found.values()):
        raise ArgumentTypeError(
            "trackers must be an infoflow.Tracker, or several by name, such as {'train': Tracker("
            f"...), 'held_out': Tracker(...)}}, got {shown(trackers)}."
        )
    paths = [tracker.path for tracker in found.values() if tracker.path is not None]
    if len(set(paths)) < len(paths):
        raise ArgumentError(
            f"Each Tracker needs a path of its own, got {paths[0]} for several. Their results "
            "would overwrite each other."
        )
    return {str(name): tracker for name, tracker in found.items()}


def _check_own_loaders(trackers: Mapping[str, Tracker]) -> None:
    """Refuse loaders whose workers may be in the middle of a training epoch."""
    for tracker in trackers.values():
        if isinstance(tracker.loader, DataLoader) and tracker.loader.persistent_workers:
            raise ArgumentError(
                "A Tracker that counts steps reads its loader in the middle of an epoch, which a "
                "DataLoader with persistent_workers=True cannot do beside the training. Give the "
                "Tracker a DataLoader without them."
            )
