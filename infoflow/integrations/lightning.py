"""``InformationMonitor``: Trackers as a callback of Lightning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infoflow.integrations.extras import needed
from infoflow.integrations.watch import Count, Trackers, Watch, Watching

needed("lightning.pytorch", "lightning", "Lightning")

from lightning.pytorch import Callback, LightningModule, Trainer  # noqa: E402


class InformationMonitor(Watching, Callback):
    """Measures a net while Lightning trains it.

    The untrained net is measured at the start, where the schedules hold 0. The training goes on as
    if nothing had been measured: random states, modes and weights stay as they were. A checkpoint
    of the trainer holds what was measured, so ``trainer.fit(..., ckpt_path=...)`` goes on with the
    same numbers. In a training on several devices, each process measures a share of the
    samples, and the first one writes.

    Parameters
    ----------
    trackers, count, figures
        As for :class:`infoflow.integrations.watch.Watch`, which says what is refused, too; the
        Trackers are of the module, or of a net in it.
    writer
        Likewise, or ``"trainer"`` for all loggers of the trainer.

    Examples
    --------
    >>> import infoflow, torch
    >>> from infoflow.integrations.lightning import InformationMonitor
    >>> net, points = torch.nn.Sequential(torch.nn.Linear(3, 2)), [torch.randn(8, 3)]
    >>> tracker = infoflow.Tracker(net, points, noise=1.0, path="flow.nc", progress=False)
    >>> monitor = InformationMonitor(tracker)  # Trainer(callbacks=[monitor])
    """

    def __init__(
        self,
        trackers: Trackers,
        *,
        count: Count = "epochs",
        writer: Any = "trainer",
        figures: bool = False,
    ) -> None:
        self._is_trainers = isinstance(writer, str) and writer == "trainer"
        own = None if self._is_trainers else writer
        self._watch = Watch(trackers, count=count, writer=own, figures=figures)
        self._last_step = 0

    @property
    def state_key(self) -> str:
        """Name of the state in the trainer's checkpoints."""
        return self._generate_state_key(
            trackers=list(self._watch.trackers), count=self._watch.count
        )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure before the first step."""
        loop = trainer.fit_loop
        is_whole = not loop.restarted_mid_epoch or loop.epoch_loop.batch_progress.is_last_batch
        self._last_step = trainer.global_step
        if self._is_trainers:
            self._watch.writers = list(trainer.loggers)
        self._watch.start(trainer.current_epoch, trainer.global_step, is_whole=is_whole)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *of_the_batch: Any
    ) -> None:
        """Measure after a step, where steps are counted."""
        if trainer.global_step > self._last_step:  # else gradients are still being added up
            self._watch.finish_step(trainer.global_step)
        self._last_step = trainer.global_step

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure after an epoch, unless the training ends in the middle of it."""
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            self._watch.finish_epoch(trainer.current_epoch + 1, trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """Return what goes into the trainer's checkpoints."""
        return self._watch.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint holds."""
        self._watch.load_state_dict(state_dict)
