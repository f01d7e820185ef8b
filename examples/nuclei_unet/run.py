"""One training with its measurements, which can be killed at any moment and go on."""

from __future__ import annotations

import math
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from checkpoint import Checkpoint, DivergedError, Plain, RunError, rewind_flow
from common.files import replacing
from data import Nuclei, batches
from losses import make_loss
from metrics import MetricsFile, Row, mean_dice
from models import build_model
from precision import Precision
from torch import Tensor

import infoflow
from infoflow.interface import Labels


@dataclass(frozen=True)
class Settings:
    """What decides the numbers of a run; a resumed run must have the same.

    ``device`` is ``"cpu"`` or ``"cuda"``; ``precision`` is that of training, one of
    :class:`Precision`. Without ``measure`` there is no ``flow.nc``: keep the weights then, and
    measure them later.
    """

    data_fingerprint: str
    model: int | str = 1
    size: int = 128
    base_channels: int = 16
    learning_rate: float = 0.001
    batch_size: int = 16
    seed: int = 0
    clusters: int = 64
    noise_variance: float = 1.0
    device: str = "cpu"
    measure: bool = True
    precision: str = Precision.FLOAT32.value


@dataclass(frozen=True, eq=False)
class FixedTarget:
    """Y as it was reduced once, for every measurement of a run."""

    labels: Labels
    of: Literal["target"] = "target"

    def reduce(self, raw: Tensor) -> Labels:
        """Return the classes that are known already."""
        return self.labels


@dataclass
class Clock:
    """Seconds that each epoch of training and each measurement took, in this process."""

    training: list[float] = field(default_factory=list)
    measuring: list[float] = field(default_factory=list)


class Run:
    """The training of one model, epoch by epoch, in a folder.

    After each epoch come ``flow.nc``, where the paper's schedule holds it, a row of
    ``metrics.csv``, and now and then ``checkpoint.pt``, in this order. So the files of a killed run
    reach at least as far as its checkpoint, and what goes beyond it is dropped and done again. Only
    at epoch 0 the checkpoint comes first, so that no file is ever without one.

    Parameters
    ----------
    settings, data
        What to train, and on what.
    folder
        Where the files are; where it has a checkpoint, the run goes on from it.
    memory_budget
        For the measurements, as in :class:`infoflow.Tracker`.
    keep_weights
        Whether each measured epoch's weights go into ``weights/``, so that it can be measured again
        by other estimators and targets.

    Raises
    ------
    RunError
        If the folder has a checkpoint of other settings, or not all that goes with it.
    """

    def __init__(
        self,
        settings: Settings,
        data: Nuclei,
        folder: Path,
        *,
        memory_budget: str = "2GB",
        keep_weights: bool = False,
    ) -> None:
        self.settings, self.folder, self.clock = settings, folder, Clock()
        self.keep_weights = keep_weights
        self.metrics = MetricsFile(folder / "metrics.csv")
        found = self._found()
        self.labels = (
            found.labels if found else infoflow.KMeans(settings.clusters).reduce(data.masks)
        )
        self.model = build_model(
            settings.model, base_channels=settings.base_channels, seed=settings.seed
        )
        if found:
            self.model.load_state_dict(found.model)
        self.model.to(settings.device)
        if settings.device == "cpu":  # convolutions with AVX-512 take a quarter less time so
            self.model.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(self.model.parameters(), settings.learning_rate)
        precision = Precision(settings.precision)
        self.loss = make_loss(self.model, data, settings.device, precision)
        self._total = torch.zeros((), dtype=torch.float64, device=settings.device)
        self.training = self._on_device(data.images, data.masks)
        self.validation = self._on_device(data.validation_images, data.validation_masks)
        self.tracker = self._tracker(memory_budget)
        self.checkpoint = found or self._checkpoint(0)

    @property
    def epoch(self) -> int:
        """Epochs of training that are done, measured and written to the metrics."""
        return self.checkpoint.epoch

    def begin(self) -> Row:
        """Measure the untrained model; to be called where :attr:`epoch` is 0."""
        self.save()
        try:
            return self._measure(0, loss=None)
        except Exception:
            (self.folder / "checkpoint.pt").unlink()  # else the mended command would be refused
            raise

    def advance(self) -> Row:
        """Train and measure one more epoch; :meth:`save` makes it last."""
        epoch = self.epoch + 1
        started = time.perf_counter()
        loss = self._train(epoch)
        self.clock.training.append(time.perf_counter() - started)
        row = self._measure(epoch, loss=loss)
        self.checkpoint = self._checkpoint(epoch)
        return row

    def save(self) -> None:
        """Write the checkpoint of the last whole epoch."""
        self.checkpoint.save(self.folder / "checkpoint.pt")

    def finish(self) -> tuple[float, float]:
        """Write the checkpoint and ``weights.pt``; return training and validation Dice."""
        self.save()
        self._write_weights(self.folder / "weights.pt")
        size = self.settings.batch_size
        return mean_dice(self.model, *self.training, size), mean_dice(
            self.model, *self.validation, size
        )

    def _write_weights(self, path: Path) -> None:
        with replacing(path) as part:
            torch.save(self._state(), part)

    def _state(self) -> dict[str, Tensor]:
        """Return a copy of the weights on the CPU."""
        return {
            name: value.detach().to("cpu", copy=True)
            for name, value in self.model.state_dict().items()
        }

    def _found(self) -> Checkpoint | None:
        """Return the checkpoint of the folder, with its other files brought back to that epoch."""
        path, flow = self.folder / "checkpoint.pt", self.folder / "flow.nc"
        if not path.exists():
            self._refuse_leftovers()
            return None
        checkpoint = Checkpoint.load(path)
        checkpoint.check(asdict(self.settings))
        if checkpoint.epoch == 0:  # the measurement of epoch 0 comes after its checkpoint
            self.metrics.path.unlink(missing_ok=True)
            flow.unlink(missing_ok=True)
        else:
            self.metrics.rewind(checkpoint.epoch)
            if self.settings.measure:
                rewind_flow(flow, checkpoint.epoch)
        return checkpoint

    def _refuse_leftovers(self) -> None:
        for name in ("flow.nc", "metrics.csv"):
            if (self.folder / name).exists():
                raise RunError(
                    f"{self.folder} has {name} but no checkpoint.pt, so nothing tells how far it "
                    "got. Choose another --out, or move the file away."
                )

    def _on_device(self, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        return images.to(self.settings.device), masks.to(self.settings.device)

    def _tracker(self, memory_budget: str) -> infoflow.Tracker:
        return infoflow.Tracker(
            self.model,
            batches(*self.training, self.settings.batch_size),
            path=self.folder / "flow.nc",
            target=FixedTarget(self.labels),
            noise=self.settings.noise_variance,
            memory_budget=memory_budget,
        )

    def _checkpoint(self, epoch: int) -> Checkpoint:
        settings = self.settings
        return Checkpoint(
            epoch, self._state(), self.labels, asdict(settings), environment(settings)
        )

    def _train(self, epoch: int) -> float:
        """Go once through the training images in the epoch's own order; return the mean loss."""
        images = self.training[0]
        order = np.random.default_rng((self.settings.seed, epoch)).permutation(len(images))
        self._total.zero_()
        try:
            for rows in torch.from_numpy(order).to(images.device).split(self.settings.batch_size):
                self._step(rows)
            total = float(self._total)
        except RuntimeError as error:
            # what torch says of an output that is NaN, on the CPU and on a GPU
            if not any(words in str(error) for words in ("between 0 and 1", "device-side assert")):
                raise
            raise self._diverged(epoch) from error
        if not math.isfinite(total):
            raise self._diverged(epoch)
        return total / len(images)

    def _step(self, rows: Tensor) -> None:
        """Train on some of the images, and add up their losses."""
        images, masks = self.training
        self.optimizer.zero_grad()
        loss = self.loss(images[rows], masks[rows], rows)
        loss.backward()
        self.optimizer.step()
        self._total += loss.detach() * len(rows)

    def _diverged(self, epoch: int) -> DivergedError:
        return DivergedError(
            f"The net's output is no longer a number in epoch {epoch}: the training diverged. "
            f"Start again with a learning rate below {self.settings.learning_rate}."
        )

    def _measure(self, epoch: int, *, loss: float | None) -> Row:
        started = time.perf_counter()
        is_measured = infoflow.paper_schedule(epoch)
        if is_measured and self.settings.measure:
            self.tracker.record(epoch)
            self.clock.measuring.append(time.perf_counter() - started)
        if is_measured and self.keep_weights:
            self._write_weights(weights_file(self.folder, epoch))
        size = self.settings.batch_size
        row = Row(
            epoch,
            loss,
            mean_dice(self.model, *self.training, size) if is_measured else None,
            mean_dice(self.model, *self.validation, size),
        )
        self.metrics.append(row)
        return row


def weights_file(folder: Path, epoch: int) -> Path:
    """Return where the weights of a measured epoch are kept."""
    return folder / "weights" / f"epoch_{epoch:05d}.pt"


def environment(settings: Settings) -> Plain:
    """Return what may change the rounding in a run: the version, the threads, the hardware."""
    cpu, gpu = torch.backends.cpu.get_cpu_capability, torch.cuda.get_device_name
    return {
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "hardware": gpu() if settings.device == "cuda" else cpu(),
    }


def make_repeatable(device: str) -> None:
    """Let CUDA use only algorithms that give the same bits each time; the CPU has no others."""
    if device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = False
        torch.use_deterministic_algorithms(True, warn_only=True)
        # without this, every empty tensor is filled with NaN first, in each replay of a graph too
        torch.utils.deterministic.fill_uninitialized_memory = False
