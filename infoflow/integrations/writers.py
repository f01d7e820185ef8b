"""What loggers of experiments can do, told by their methods: numbers, figures, files."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

from infoflow.interface import ArgumentTypeError
from infoflow.interface.argument_checks import shown


class Writer(Protocol):
    """Where a result is logged; figures and files only where the logger takes them."""

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers by name."""

    def figure(self, name: str, figure: Figure, step: int) -> bool:
        """Log a figure; tell whether that was possible."""

    def page(self, path: Path, name: str) -> bool:
        """Log a file of HTML; tell whether that was possible."""


class TensorBoard:
    """A ``SummaryWriter``, or whatever has ``add_scalar``."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers by name."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def figure(self, name: str, figure: Figure, step: int) -> bool:
        """Log a figure as an image."""
        if not hasattr(self._writer, "add_figure"):
            return False
        self._writer.add_figure(name, figure, step, close=False)
        return True

    def page(self, path: Path, name: str) -> bool:
        """Put the page beside the event files: TensorBoard has no files of its own."""
        folder = getattr(self._writer, "log_dir", None)
        if folder is None:
            return False
        shutil.copyfile(path, Path(folder) / f"{name.replace('/', '_')}.html")
        return True


class WeightsAndBiases:
    """A run of W&B, or the ``wandb`` module."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self._wandb = importlib.import_module("wandb")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers by name, along a step of their own: W&B's may only grow."""
        self._log(dict(values), step)

    def figure(self, name: str, figure: Figure, step: int) -> bool:
        """Log a figure as an image."""
        self._log({name: self._wandb.Image(figure)}, step)
        return True

    def page(self, path: Path, name: str) -> bool:
        """Log the page as an artifact."""
        artifact = self._wandb.Artifact(name.replace("/", "-"), type="report")
        artifact.add_file(str(path))
        self._run.log_artifact(artifact)
        return True

    def _log(self, values: dict[str, Any], step: int) -> None:
        along = f"{next(iter(values)).split('/')[0]}/step"
        for name in values:
            self._run.define_metric(name, step_metric=along)
        self._run.log({**values, along: step})


class MLflow:
    """The ``mlflow`` module, or whatever has its ``log_metrics``."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers by name."""
        self._module.log_metrics(dict(values), step=step)

    def figure(self, name: str, figure: Figure, step: int) -> bool:
        """Log a figure as an artifact for each step."""
        if not hasattr(self._module, "log_figure"):
            return False
        self._module.log_figure(figure, f"{name}/{step}.png")
        return True

    def page(self, path: Path, name: str) -> bool:
        """Log the page as an artifact."""
        if not hasattr(self._module, "log_artifact"):
            return False
        self._module.log_artifact(str(path), name)
        return True


class MLflowClient:
    """What Lightning's ``MLFlowLogger`` holds: a client, which is told the run each time."""

    def __init__(self, client: Any, run: str) -> None:
        self._client, self._run = client, run

    def figure(self, name: str, figure: Figure, step: int) -> bool:
        """Log a figure as an artifact for each step."""
        self._client.log_figure(self._run, figure, f"{name}/{step}.png")
        return True

    def page(self, path: Path, name: str) -> bool:
        """Log the page as an artifact."""
        self._client.log_artifact(self._run, str(path), name)
        return True


class LightningLogger:
    """A logger of Lightning: numbers by its own method, the rest by the logger that it holds."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        held = logger.experiment
        self._held: Any = None
        if hasattr(logger, "run_id") and hasattr(held, "log_figure"):
            self._held = MLflowClient(held, logger.run_id)
        elif hasattr(held, "add_scalar"):
            self._held = TensorBoard(held)
        elif _is_wandb(held):
            self._held = WeightsAndBiases(held)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers by name."""
        self._logger.log_metrics(dict(values), step)

    def figure(self, name: str, figure: Figure, step: int) -> bool:
        """Log a figure, where the logger that it holds can."""
        return self._held is not None and bool(self._held.figure(name, figure, step))

    def page(self, path: Path, name: str) -> bool:
        """Log a page, where the logger that it holds can."""
        return self._held is not None and bool(self._held.page(path, name))


def writer_of(writer: Any) -> Writer:
    """Return how to log to ``writer``, told by its methods; an ArgumentTypeError where none fits.

    Examples
    --------
    >>> writer_of(3)
    Traceback (most recent call last):
    infoflow.interface.errors.ArgumentTypeError: writer must have add_scalar (TensorBoard), \
log_metrics (MLflow, Lightning's loggers) or be a run of W&B, got 3. Pass a \
SummaryWriter, the mlflow module, a run of wandb, or trainer.logger.
    """
    if not isinstance(writer, type):
        if callable(getattr(writer, "add_scalar", None)):
            return TensorBoard(writer)
        if callable(getattr(writer, "log_metrics", None)):
            is_lightning = hasattr(writer, "experiment")
            return LightningLogger(writer) if is_lightning else MLflow(writer)
        if _is_wandb(writer):
            return WeightsAndBiases(writer)
    raise ArgumentTypeError(
        "writer must have add_scalar (TensorBoard), log_metrics (MLflow, Lightning's loggers) or "
        f"be a run of W&B, got {shown(writer)}. Pass a SummaryWriter, the mlflow module, a run of "
        "wandb, or trainer.logger."
    )


def _is_wandb(writer: Any) -> bool:
    home = type(writer).__module__.split(".")[0]
    return "wandb" in (home, getattr(writer, "__name__", "")) and hasattr(writer, "log_artifact")
