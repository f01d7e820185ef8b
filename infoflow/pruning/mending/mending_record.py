"""What was mended, with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mending:
    """What was refitted in a net without streams.

    Parameters
    ----------
    mender
        ``"reader"``, ``"cascade"``, or ``"plain"`` where nothing was refitted.
    ridge
        Strength of the ridge regression, relative to the mean variance of a layer's features.
    samples, fingerprint
        How many samples mended, and a digest of them.
    seed
        Decides which positions a regression sees, where it does not see all.
    refitted
        Names of what was refitted, in the order of computation.
    left
        Names of layers that were left as they are, with the reasons.
    notes
        What else there is to say.
    bits
        Where the best of several was kept: by mender, the bits that the net loses on samples that
        did not mend, against what it lost as ``measure`` says.
    measure
        What ``bits`` are of.
    choosing
        How many samples chose.
    """

    mender: str
    ridge: float
    samples: int
    fingerprint: str
    seed: int = 0
    refitted: tuple[str, ...] = ()
    left: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    bits: Mapping[str, float] = field(default_factory=dict)
    measure: str = ""
    choosing: int = 0

    def __str__(self) -> str:
        lines = [
            f"mended: {self.mender}, {len(self.refitted)} refitted, ridge {self.ridge:g}, "
            f"{self.samples} samples ({self.fingerprint}), seed {self.seed}"
        ]
        if self.bits:
            tried = ", ".join(f"{name} {bits:.4g}" for name, bits in self.bits.items())
            lines.append(f"chosen on {self.choosing} other samples by {self.measure}: {tried}")
        lines += [f"left as it is: {name}, since {why}" for name, why in self.left]
        return "\n".join([*lines, *self.notes])
