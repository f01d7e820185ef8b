"""Y: one class for each sample, and what makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Labels:
    """Y reduced to one class per sample.

    Parameters
    ----------
    classes
        (N,) int64 tensor of class numbers.
    description
        How the classes were made, for titles and files.
    entropy
        H(Y) of the sample, in nats.
    singleton_classes
        Number of classes that hold one sample only.
    """

    classes: Tensor
    description: str
    entropy: float
    singleton_classes: int


@runtime_checkable
class Target(Protocol):
    """What ``target=`` accepts: an object that reduces the raw targets to one class per sample.

    Attributes
    ----------
    of
        ``"target"``: reduce what the loader gives as target; ``"output"``: reduce the model's own
        output; ``"given"``: the classes are known, and ``raw`` has only as many rows as samples.
    """

    @property
    def of(self) -> Literal["target", "output", "given"]:  # noqa: D102
        ...

    def reduce(self, raw: Tensor) -> Labels:
        """Return classes for raw targets of shape (N, ...)."""
        ...
