"""``InformationCallback``: Trackers as a callback of the Hugging Face Trainer."""

from __future__ import annotations

from typing import Any

from infoflow.integrations.extras import needed
from infoflow.integrations.watch import Count, Trackers, Watch, Watching
from infoflow.interface import ArgumentError

needed("transformers", "hf", "Transformers")

from transformers import (  # noqa: E402
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import ExportableState  # noqa: E402


class InformationCallback(Watching, TrainerCallback, ExportableState):
    """Measures a net while the Hugging Face Trainer trains it.

    The untrained net is measured at the start, where the schedules hold 0. The training goes on as
    if nothing had been measured: random states, modes and weights stay as they were. The Trainer's
    checkpoints hold what was measured, so ``trainer.train(resume_from_checkpoint=...)`` goes on
    with the same numbers. In a training on several devices, each process measures a share of the
    samples, and the first one writes.

    Parameters
    ----------
    trackers, count, writer, figures
        As for :class:`infoflow.integrations.watch.Watch`, which says what is refused, too; the
        Trackers are of the model, or of a net in it.

    Notes
    -----
    Leave ``restore_callback_states_from_checkpoint`` of the training arguments off: with it, the
    Trainer makes new callbacks, which know no Trackers. This one restores itself.

    Examples
    --------
    >>> import infoflow, torch
    >>> from infoflow.integrations.transformers import InformationCallback
    >>> net, points = torch.nn.Sequential(torch.nn.Linear(3, 2)), [torch.randn(8, 3)]
    >>> tracker = infoflow.Tracker(net, points, noise=1.0, path="flow.nc", progress=False)
    >>> callback = InformationCallback(tracker)  # Trainer(..., callbacks=[callback])
    """

    def __init__(
        self,
        trackers: Trackers | None = None,
        *,
        count: Count = "epochs",
        writer: Any = None,
        figures: bool = False,
    ) -> None:
        if trackers is None:
            raise ArgumentError(
                "InformationCallback needs trackers, got none. Where the Trainer made it on a "
                "resume: set restore_callback_states_from_checkpoint=False; this callback restores "
                "itself."
            )
        self._watch = Watch(trackers, count=count, writer=writer, figures=figures)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take up the state of the checkpoint, and measure before the first step."""
        self._resume(state)
        epoch = state.epoch or 0.0
        self._watch.start(round(epoch), state.global_step, is_whole=_is_whole(epoch))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure after a step, where steps are counted."""
        self._watch.finish_step(state.global_step)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure after an epoch, unless the training ends in the middle of it."""
        epoch = state.epoch or 0.0
        if _is_whole(epoch):
            self._watch.finish_epoch(round(epoch), state.global_step)

    def state(self) -> dict[str, Any]:
        """Return what goes into the Trainer's checkpoints."""
        return {"args": {}, "attributes": {"saved": self._watch.state_dict()}}

    def _resume(self, state: TrainerState) -> None:
        """Go on from the state of a checkpoint, if the Trainer has read one."""
        name = type(self).__name__
        stored: Any = state.stateful_callbacks
        found = stored.setdefault(name, self.state())  # the Trainer looks for it when it saves
        if state.global_step == 0:
            return
        several = [one["attributes"]["saved"] for one in found] if isinstance(found, list) else []
        for saved in several or [found["attributes"]["saved"]]:
            if not several or self._watch.is_like(saved):
                self._watch.load_state_dict(saved)


def _is_whole(epoch: float) -> bool:
    """Tell whether the Trainer, which counts in parts of an epoch, is at the end of one."""
    return abs(epoch - round(epoch)) < 1e-6
