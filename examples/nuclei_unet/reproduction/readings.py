"""The settings of the measurements, and estimators that share one capture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from infoflow import KDE, Binning, Estimate
from infoflow.interface import Labels

#: The paper's setting, and the three ways in which it is varied.
PAPER = "KDE 1, K-means"
NOISES, BINS, TARGETS = (1.0, 0.2), (0.2, 0.1), ("K-means", "coarsening")
KDE_SETTINGS = tuple(f"KDE {noise:g}, {target}" for noise in NOISES for target in TARGETS)
BINNING_SETTINGS = tuple(f"binning {size:g}, {target}" for size in BINS for target in TARGETS)

#: For the nulls of the settings beside the paper's, which only a figure shows.
_SHUFFLES = 20


@dataclass
class Kept:
    """The estimates of every layer, in nats, by the name of their setting."""

    estimates: dict[str, list[Estimate]] = field(default_factory=dict)

    def add(self, setting: str, estimate: Estimate) -> None:
        """Keep the estimate of the next layer."""
        self.estimates.setdefault(setting, []).append(estimate)


@dataclass(frozen=True)
class SharedKDE(KDE):
    """A KDE that also makes the estimates of other noises and targets, from the same distances.

    Parameters
    ----------
    targets
        Y by its name in :data:`TARGETS`.
    kept
        Takes the estimates of every setting in :data:`KDE_SETTINGS`.
    """

    targets: Mapping[str, Labels] = field(default_factory=dict, compare=False)
    kept: Kept = field(default_factory=Kept, compare=False)

    def estimate(self, statistic: Tensor, labels: Tensor | None) -> Estimate:
        """Return the KDE's own estimate in nats; the others go to ``kept``."""
        own = super().estimate(statistic, labels)
        if self.permutations == 0:
            return own  # half of a sketch, which only says how exact the whole is
        for noise in NOISES:
            for name, target in self.targets.items():
                is_own = noise == self.noise and name == TARGETS[0]
                estimator = KDE(noise, permutations=_SHUFFLES)
                classes = target.classes.to(statistic.device)
                other = own if is_own else estimator.estimate(statistic, classes)
                self.kept.add(f"KDE {noise:g}, {name}", other)
        return own


@dataclass(frozen=True)
class SharedBinning(Binning):
    """Binning that also makes the estimates of other targets, from the same codes."""

    targets: Mapping[str, Labels] = field(default_factory=dict, compare=False)
    kept: Kept = field(default_factory=Kept, compare=False)

    def estimate(self, statistic: Tensor, labels: Tensor | None) -> Estimate:
        """Return the binning's own estimate in nats; all go to ``kept``."""
        own = super().estimate(statistic, labels)
        for name, target in self.targets.items():
            classes = target.classes.to(statistic.device)
            other = own if name == TARGETS[0] else super().estimate(statistic, classes)
            self.kept.add(f"binning {self.bin_size:g}, {name}", other)
        return own
