"""``attach``: Trackers at the events of an Ignite engine."""

from __future__ import annotations

from typing import Any

from infoflow.integrations.extras import needed
from infoflow.integrations.watch import Count, Trackers, Watch

needed("ignite.engine", "ignite", "Ignite")

from ignite.engine import Engine, Events  # noqa: E402


def attach(
    engine: Engine,
    trackers: Trackers,
    *,
    count: Count = "epochs",
    writer: Any = None,
    figures: bool = False,
) -> Watch:
    """Measure a net while an Ignite engine trains it.

    The untrained net is measured at the start, where the schedules hold 0. The training goes on as
    if nothing had been measured: random states, modes and weights stay as they were.

    Parameters
    ----------
    engine
        The engine that trains.
    trackers, count, writer, figures
        As for :class:`infoflow.integrations.watch.Watch`, which says what is refused, too;
        steps are the iterations of the engine.

    Returns
    -------
    Watch
        Its ``results`` have what each Tracker measured. Give it to Ignite's ``Checkpoint`` beside
        the engine, as in ``Checkpoint({"engine": engine, "information": watch, ...}, folder)``, and
        to ``Checkpoint.load_objects``: the training then goes on with the same numbers.

    Examples
    --------
    >>> import infoflow, torch
    >>> from ignite.engine import Engine
    >>> from infoflow.integrations.ignite import attach
    >>> net, points = torch.nn.Sequential(torch.nn.Linear(3, 2)), [torch.randn(8, 3)]
    >>> tracker = infoflow.Tracker(net, points, noise=1.0, schedule=[0, 2], progress=False)
    >>> engine = Engine(lambda engine, batch: net(batch).sum())
    >>> watch = attach(engine, tracker)
    >>> _ = engine.run(points, max_epochs=2)
    >>> watch.result.epochs
    [0, 2]
    """
    watch = Watch(trackers, count=count, writer=writer, figures=figures)

    def started(engine: Engine) -> None:
        state = engine.state
        is_whole = not state.epoch_length or state.iteration % state.epoch_length == 0
        watch.start(state.epoch, state.iteration, is_whole=is_whole)

    def finished_epoch(engine: Engine) -> None:
        watch.finish_epoch(engine.state.epoch, engine.state.iteration)

    def finished_step(engine: Engine) -> None:
        watch.finish_step(engine.state.iteration)

    engine.add_event_handler(Events.STARTED, started)
    engine.add_event_handler(Events.EPOCH_COMPLETED, finished_epoch)
    engine.add_event_handler(Events.ITERATION_COMPLETED, finished_step)
    return watch
