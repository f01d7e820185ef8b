"""Learning curves, and when a net has learned."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reproduction.scales import PAPER_EPOCHS

#: A validation Dice below this is no segmentation: an untrained net may have 0.3.
LEARNED = 0.5
#: A trained net with a smaller one predicts no nucleus.
NOTHING = 0.01

Numbers = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Curve:
    """The learning curves of one training, epoch by epoch; NaN where nothing was measured.

    Attributes
    ----------
    clock
        The paper's epochs with as much learning rate × steps.
    loss, training, validation
        Loss on the training images, and Dice on both sets.
    end
        The clock at which the training ends when it is finished.
    """

    clock: Numbers
    loss: Numbers
    training: Numbers
    validation: Numbers
    end: float

    @property
    def loss_clock(self) -> Numbers:
        """The clock of the losses: in the middle of the epoch of which each is the mean."""
        return self.clock - 0.5 * float(np.diff(self.clock[:2]).sum())

    def smooth(self) -> Numbers:
        """Return the validation Dice as the median of five epochs, and as it is at the start."""
        later = self.validation[1:]
        if len(later) == 0:
            return self.validation
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(later, 2, mode="edge"), 5)
        return np.concatenate([self.validation[:1], np.median(windows, axis=1)])

    @property
    def has_come(self) -> bool:
        """Whether the training went to the paper's last epoch."""
        return bool(self.clock[-1] >= PAPER_EPOCHS * 0.99)

    def arrives(self, dice: float) -> float:
        """Return the clock after the start at which the Dice first is enough; infinity for never.

        Only the paper's epochs count.
        """
        enough = self._counts & (self.smooth() >= dice)
        return float(self.clock[enough.argmax()]) if enough.any() else math.inf

    def best(self) -> float:
        """Return the best Dice after the start, within the paper's epochs."""
        return float(self.smooth()[self._counts].max(initial=0.0))

    @property
    def last(self) -> float:
        """The Dice at the end, within the paper's epochs."""
        return float(self.smooth()[self.clock <= PAPER_EPOCHS * 1.001][-1])

    @property
    def is_flat(self) -> bool:
        """Whether no nucleus is predicted after the start: the plateau that trainings begin on."""
        return self.best() < NOTHING

    def paced(self, factor: float) -> Curve:
        """Return the same curve on a clock that goes ``factor`` times as fast."""
        return replace(self, clock=factor * self.clock, end=factor * self.end)

    @property
    def _counts(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return (self.clock > 0) & (self.clock <= PAPER_EPOCHS * 1.001)

    def never_trained(self) -> Curve:
        """Return the curve of a net that stays as it was at the start."""
        start = (np.full_like(self.clock, row[0]) for row in (self.training, self.validation))
        return Curve(self.clock, np.full_like(self.clock, math.nan), *start, self.end)
