"""The samples whose rows of a kernel are summed: all of them, or some that stand for the others.

What the kernel density estimate says is a mean over rows, each of which is a sum over all samples.
A mean over some rows is unbiased for it where each row is weighted by the samples that it stands
for: W. G. Cochran, "Sampling Techniques", 3rd edition, Wiley 1977, sections 5.3 and 5.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from infoflow.estimators.jackknife import deal_groups

#: Rows that a class needs, by its share of the samples, to be a stratum of its own.
_FEWEST_ROWS = 4


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a kernel, and what each of them stands for.

    Parameters
    ----------
    numbers
        (n,) int64 numbers of the samples whose rows these are, ascending.
    strata
        (N,) int64 stratum of every sample, numbered from 0 without gaps. The rows of a stratum
        stand for all of its samples, in equal parts.

    Examples
    --------
    >>> rows = Rows(torch.tensor([0, 1, 4]), torch.tensor([0, 0, 1, 1, 1, 1]))
    >>> [round(weight, 3) for weight in rows.weights.tolist()]
    [0.167, 0.167, 0.667]
    >>> round(float(rows.mean(torch.tensor([1.0, 3.0, 5.0]).double())), 3)
    4.0
    """

    numbers: Tensor
    strata: Tensor

    @classmethod
    def every(cls, samples: int, device: torch.device) -> Rows:
        """Return the rows of all N samples."""
        numbers = torch.arange(samples, dtype=torch.int64, device=device)
        return cls(numbers, torch.zeros_like(numbers))

    @property
    def samples(self) -> int:
        """How many samples there are, N."""
        return len(self.strata)

    @cached_property
    def groups(self) -> Tensor:
        """(N,) group of the jackknife of every sample."""
        return deal_groups(self.samples, self.strata.device)

    @cached_property
    def is_inside(self) -> Tensor:
        """(n, groups) whether a row's sample is in the group."""
        count = int(self.groups.max()) + 1
        one_hot = torch.nn.functional.one_hot(self.groups[self.numbers], count)
        return one_hot > 0

    @cached_property
    def samples_left(self) -> Tensor:
        """(groups,) float64 numbers of samples without each group."""
        return (self.samples - self.groups.bincount()).to(torch.float64)

    @cached_property
    def weights(self) -> Tensor:
        """(n,) float64 shares of the samples that the rows stand for; their sum is 1."""
        own = self.strata[self.numbers]
        sizes, chosen = self.strata.bincount(), own.bincount(minlength=self._strata)
        return (sizes.to(torch.float64) / chosen)[own] / self.samples

    @cached_property
    def weights_without(self) -> Tensor:
        """(n, groups) float64 weights without each group of samples: 0 for the rows in it."""
        own = self.strata[self.numbers]
        sizes = counts_without_groups(self.strata, self.groups)
        outside = (~self.is_inside).to(torch.float64)
        chosen = torch.zeros_like(sizes).index_add_(0, own, outside)
        # where all rows of a stratum are left out, the other strata stand for it
        weights = torch.where(self.is_inside, 0.0, (sizes / chosen.clamp(min=1))[own])
        return weights / weights.sum(0)

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over all samples, estimated from (n,) values of the rows."""
        return values @ self.weights

    def means_without_groups(self, values: Tensor) -> Tensor:
        """Return (groups,) means without each group from (n, groups) values."""
        return (values * self.weights_without).sum(0)

    def standard_error(self, values: Tensor) -> float:
        """Return the standard error of :meth:`mean` that comes from the choice of the rows.

        It is 0 where all rows are there. A stratum of which only one of several samples is a row
        counts as much as the rows of all strata together vary.
        """
        own = self.strata[self.numbers]
        sizes = self.strata.bincount().to(torch.float64)
        chosen = own.bincount(minlength=self._strata).to(torch.float64)
        sums = values.new_zeros(self._strata).index_add_(0, own, values)
        squares = (values - (sums / chosen)[own]).square()
        spread = values.new_zeros(self._strata).index_add_(0, own, squares) / (chosen - 1)
        spread = torch.where(chosen > 1, spread, values.var(correction=0))
        share = (sizes / self.samples).square() * (1 - chosen / sizes)
        return math.sqrt(float((share * spread / chosen).sum()))

    @property
    def _strata(self) -> int:
        return int(self.strata.max()) + 1


def counts_without_groups(numbers: Tensor, groups: Tensor) -> Tensor:
    """Return (classes, groups) float64: how many of each class are outside each group.

    Parameters
    ----------
    numbers, groups
        (N,) int64 class and group of each sample.

    Examples
    --------
    >>> counts_without_groups(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1])).tolist()
    [[1.0, 1.0], [1.0, 0.0]]
    """
    classes, count = int(numbers.max()) + 1, int(groups.max()) + 1
    pairs = (numbers * count + groups).bincount(minlength=classes * count)
    inside = pairs.view(classes, count).to(torch.float64)
    return inside.sum(1, keepdim=True) - inside


def choose_rows(classes: Tensor, count: int, *, seed: int = 0) -> Rows:
    """Choose about ``count`` of N samples at random, by class, to stand for all of them.

    Every class is a stratum with rows in proportion to its samples. Classes too small for 4 rows
    are one stratum together, with 2 rows at least. Within a stratum every sample is chosen with the
    same probability, and the rows are spread over the groups of the jackknife.

    Parameters
    ----------
    classes
        (N,) int64 classes, numbered from 0; all zero where there is no Y.
    count
        Rows wanted; all samples where it is not below N.
    seed
        Of the choice.

    Examples
    --------
    >>> rows = choose_rows(torch.arange(1000) % 3, 30)
    >>> rows.strata[rows.numbers].bincount().tolist()
    [10, 10, 10]
    """
    samples, device = len(classes), classes.device
    if count >= samples:
        return Rows.every(samples, device)
    strata = _strata_of(classes, count)
    generator = torch.Generator().manual_seed(seed)
    keys = torch.randperm(samples, generator=generator, device="cpu").to(device)
    groups = deal_groups(samples, device)
    chosen = []
    for number, size in enumerate(strata.bincount().tolist()):
        members = (strata == number).nonzero()[:, 0]
        # in random order within the groups, which are random themselves
        members = members[(groups[members] * samples + keys[members]).argsort()]
        rows = min(size, max(2, round(count * size / samples)))
        start = float(torch.rand((), generator=generator, dtype=torch.float64, device="cpu"))
        steps = torch.arange(rows, dtype=torch.float64, device=device) + start
        places = (steps * (size / rows)).to(torch.int64).clamp(max=size - 1)
        chosen.append(members[places])
    return Rows(torch.cat(chosen).sort().values, strata)


def _strata_of(classes: Tensor, count: int) -> Tensor:
    """Return the stratum of each sample: its class, or that of all small classes."""
    sizes = classes.bincount()
    is_large = sizes * count >= _FEWEST_ROWS * len(classes)
    numbers = torch.where(is_large, is_large.cumsum(0) - 1, int(is_large.sum()))
    found: Tensor = numbers[classes]
    return found
