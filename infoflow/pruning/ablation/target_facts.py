"""What the targets of all batches show together: their numbers, and whether they are shares."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from infoflow.estimators.label_reading import are_over_255
from infoflow.estimators.void import usual_void
from infoflow.pruning.ablation.outputs import holds_distributions

#: With more different numbers than this, only the lowest and the highest are kept.
_MOST_NUMBERS = 4096


@dataclass(frozen=True)
class TargetFacts:
    """What targets show together, whichever batch they are in.

    Parameters
    ----------
    numbers
        The different numbers, ascending, (n,) float64; of more than 4096, the lowest and highest.
    is_whole
        Whether all numbers are whole.
    are_single
        Whether each sample has at most one 1 over the second dimension, and 0 elsewhere.
    are_shares
        Whether each sample's numbers are at least 0 and sum to 1 over the second dimension.
    usual_void
        The numbers that usually mark what has no label, in the target's type.
    """

    numbers: Tensor
    is_whole: bool
    are_shares: bool
    usual_void: tuple[int, ...]
    are_single: bool = False

    @classmethod
    def of(cls, target: Tensor) -> TargetFacts:
        """Return what a batch shows.

        Examples
        --------
        >>> TargetFacts.of(torch.tensor([3, 1, 3])).numbers.tolist()
        [1.0, 3.0]
        """
        values = target.detach().flatten()
        is_whole = not values.is_floating_point() or bool((values == values.round()).all())
        return cls(
            _few(values),
            is_whole,
            target.ndim > 1 and target.shape[1] > 1 and holds_distributions(target, 1),
            usual_void(target),
            target.ndim > 1 and target.shape[1] > 1 and _are_single(target),
        )

    def joined(self, other: TargetFacts) -> TargetFacts:
        """Return what both show together."""
        return TargetFacts(
            _few(torch.cat([self.numbers, other.numbers])),
            self.is_whole and other.is_whole,
            self.are_shares and other.are_shares,
            tuple(one for one in self.usual_void if one in other.usual_void),
            self.are_single and other.are_single,
        )

    @property
    def low(self) -> float:
        """The lowest number."""
        return float(self.numbers[0]) if len(self.numbers) else 0.0

    @property
    def high(self) -> float:
        """The highest number."""
        return float(self.numbers[-1]) if len(self.numbers) else 0.0

    def holds(self, number: float) -> bool:
        """Tell whether a number is among them."""
        return bool((self.numbers == number).any())

    def has_only(self, *numbers: float) -> bool:
        """Tell whether there are no other numbers than these."""
        return bool(torch.isin(self.numbers, self.numbers.new_tensor(numbers)).all())

    @property
    def second(self) -> float:
        """The lowest number above the lowest one."""
        return float(self.numbers[1]) if len(self.numbers) > 1 else self.low

    @property
    def are_classes_over_255(self) -> bool:
        """Whether these are class numbers that were divided by 255, as an image loader does."""
        return not self.is_whole and are_over_255(self.numbers)


def _are_single(target: Tensor) -> bool:
    """Tell whether the numbers are 0 and 1, with at most one 1 over the second dimension."""
    is_one = target == 1
    return bool(((target == 0) | is_one).all()) and int(is_one.sum(1).max()) <= 1


def _few(values: Tensor) -> Tensor:
    """Return the different numbers, or where they are many, the lowest and the highest."""
    values = values.to("cpu", torch.float64)
    if not values.numel():
        return values
    found: Tensor = torch.unique(values[: 4 * _MOST_NUMBERS])
    if len(found) <= _MOST_NUMBERS:
        found = torch.unique(values) if values.numel() > 4 * _MOST_NUMBERS else found
    if len(found) <= _MOST_NUMBERS:
        return found
    return torch.stack([values.min(), values.max()])
