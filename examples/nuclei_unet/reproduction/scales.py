"""What each scale trains, and the clock by which its epochs are compared with the paper's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from precision import Precision

from infoflow import paper_schedule

#: The paper's learning rate, and its optimiser steps in an epoch: 605 images in batches of 16.
PAPER_RATE, PAPER_STEPS = 0.001, 38
#: Its epochs, which U-Plots and masks are shown at.
PAPER_EPOCHS = 10_000
BATCH = 16
#: Looks at every model; at Models 2 to 4, of which the figures need few, the only ones.
_FEW = (0, 1, 5, 10, 20, 40, 50, 100, 200, 500, 1000, 2000, 5000, 8000, 10_000)


@dataclass(frozen=True)
class Training:
    """One training of one model.

    Parameters
    ----------
    variant
        The group that it belongs to: ``"whole"`` (the paper's net), ``"half"``, or a control:
        ``"rate0.02"`` and the like, and ``"bfloat16"``, the same net at another learning rate or
        precision.
    model, size, base_channels, learning_rate, epochs, seed, clusters, precision
        As in ``train.py``.
    images
        How many training images to use; None for all.
    """

    variant: str
    model: int
    size: int
    base_channels: int
    learning_rate: float
    epochs: int
    seed: int = 0
    clusters: int = 64
    images: int | None = None
    precision: str = Precision.FLOAT32.value

    @property
    def name(self) -> str:
        """The name of its folder and files."""
        return f"{self.variant}-model{self.model}-seed{self.seed}"

    @property
    def is_main(self) -> bool:
        """Whether it is a Model 1 whose numbers the claims read."""
        return self.model == 1 and not is_control(self.variant)

    def looks(self) -> list[int]:
        """Return the epochs to measure, which are among the paper's, with the last one.

        Those of Model 1 are at least an eighth of their number apart, since a look takes minutes.
        A control is measured at Model 1 alone; its other models have learning curves only.

        Examples
        --------
        >>> make_scale("cpu").trainings[0].looks()[-9:]
        [70, 80, 90, 100, 120, 140, 160, 180, 200]
        """
        if self.model != 1 and is_control(self.variant):
            return []
        looks = [0]
        for epoch in range(1, self.epochs + 1):
            is_apart = self.model == 1 and epoch >= looks[-1] * 9 / 8
            if epoch in _FEW or epoch == self.epochs or (is_apart and paper_schedule(epoch)):
                looks.append(epoch)
        return looks

    def is_same(self, settings: dict[str, object]) -> bool:
        """Tell whether a run with these settings is this training, whatever its length."""
        names = ("model", "size", "base_channels", "learning_rate", "seed", "clusters", "precision")
        is_same = all(settings.get(name) == getattr(self, name) for name in names)
        return is_same and settings.get("batch_size") == BATCH


def is_control(variant: str) -> bool:
    """Tell whether a variant only serves to compare learning rates or precisions."""
    return variant.startswith("rate") or variant in {precision.value for precision in Precision}


@dataclass(frozen=True)
class Scale:
    """All trainings of a scale.

    Parameters
    ----------
    name
        One of :data:`SCALES`.
    trainings
        What to train and measure, in this order.
    """

    name: str
    trainings: tuple[Training, ...]

    @property
    def compares_rates(self) -> bool:
        """Whether learning rates are all that differs, so that only they are judged."""
        return all(is_control(training.variant) for training in self.trainings)


def paper_clock(learning_rate: float, steps_per_epoch: int) -> float:
    """Return how many of the paper's epochs have as much learning rate × steps as one epoch.

    Examples
    --------
    >>> paper_clock(0.05, 38)
    50.0
    """
    return round(learning_rate * steps_per_epoch / (PAPER_RATE * PAPER_STEPS), 9)


def steps_per_epoch(images: int) -> int:
    """Return the batches of an epoch.

    Examples
    --------
    >>> steps_per_epoch(605)
    38
    """
    return math.ceil(images / BATCH)


def make_scale(
    name: str, seeds: int | None = None, precision: Precision = Precision.FLOAT32
) -> Scale:
    """Return a scale by its name.

    Parameters
    ----------
    name
        One of :data:`SCALES`.
    seeds
        Of the variant that is trained several times.
    precision
        Of *whole*, and of all nets of *quarter*. *Half* is trained in float32, and where *whole* is
        not, once more as it is.

    Examples
    --------
    >>> [training.name for training in make_scale("smoke").trainings][-2:]
    ['whole-model4-seed0', 'rate0.1-model1-seed0']
    """
    if name not in SCALES:
        raise ValueError(f"scale must be {', '.join(SCALES)}, got {name!r}.")
    if seeds is not None and seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}.")
    return Scale(name, tuple(SCALES[name](seeds, precision.value)))


def _four(first: Training, seeds: int) -> Iterator[Training]:
    for seed in range(seeds):
        for model in (1, 2, 3, 4):
            yield replace(first, model=model, seed=seed)


def _full(seeds: int | None, precision: str) -> Iterator[Training]:
    whole = Training("whole", 1, 128, 16, 0.001, PAPER_EPOCHS, precision=precision)
    yield from _four(whole, seeds or 1)
    yield replace(whole, variant="rate0.01", learning_rate=0.01, epochs=1000)


def _cpu(seeds: int | None, precision: str) -> Iterator[Training]:
    yield from _four(Training("whole", 1, 128, 16, 0.05, 200, precision=precision), 1)
    half = Training("half", 1, 64, 8, 0.05, 200)
    yield from _four(half, seeds or 3)
    for rate, epochs in ((0.1, 100), (0.02, 500)):
        yield replace(half, variant=f"rate{rate}", learning_rate=rate, epochs=epochs)
    if precision != half.precision:
        yield replace(half, variant=precision, precision=precision)


def _smoke(seeds: int | None, precision: str) -> Iterator[Training]:
    tiny = Training("whole", 1, 32, 4, 0.5, 2, clusters=8, images=64, precision=precision)
    yield from _four(tiny, seeds or 1)
    yield replace(tiny, variant="rate0.1", learning_rate=0.1, epochs=10)


def _quarter(seeds: int | None, precision: str) -> Iterator[Training]:
    """Yield all rates of a seed before the next seed, the quickest first."""
    for seed in range(seeds or 3):
        for rate in (0.1, 0.05, 0.01, PAPER_RATE):
            epochs = round(PAPER_EPOCHS * PAPER_RATE / rate)
            first = Training(f"rate{rate}", 1, 32, 4, rate, epochs, seed, precision=precision)
            for model in (1, 2, 3, 4):
                yield replace(first, model=model)


SCALES: dict[str, Callable[[int | None, str], Iterator[Training]]] = {
    "full": _full,
    "cpu": _cpu,
    "quarter": _quarter,
    "smoke": _smoke,
}
