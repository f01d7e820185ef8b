"""Residual bits: what the streams that stay cannot give a reader linearly. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from infoflow.interface import ActivationError

#: Shares of variance closer to 1 than this count as this: a reader that loses all has 20 bits.
_SMALLEST_REST = 1e-12


@dataclass(frozen=True)
class ReaderMoments:
    """What a layer reads from the streams of a merge, and what it makes of it.

    Parameters
    ----------
    streams
        By name of a stream, ``source->merge``, the numbers of its features.
    covariance
        Covariance of all features, (features, features).
    weight
        From features to the reader's pre-activation, (features, channels).
    ridge
        Strength of the ridge regression that would mend the reader, relative to the mean variance
        of a feature.
    """

    streams: Mapping[str, tuple[int, ...]]
    covariance: Tensor
    weight: Tensor
    ridge: float = 0.01

    @cached_property
    def penalty(self) -> float:
        """The variance that the ridge adds to each feature."""
        return self.ridge * float(self.covariance.diagonal().mean())

    @cached_property
    def precision(self) -> Tensor:
        """Inverse of the covariance with the ridge; any block of it gives a Schur complement."""
        if not bool(self.covariance.isfinite().all()):
            raise ActivationError(
                "What a layer reads must be finite on the samples that mend, got NaN or infinite "
                "values. Check the inputs of calibrate= and the weights."
            )
        penalty = max(self.penalty, torch.finfo(torch.float64).tiny)
        matrix = self.covariance.double()
        matrix = matrix + penalty * torch.eye(
            len(matrix), dtype=torch.float64, device=matrix.device
        )
        factor, failed = torch.linalg.cholesky_ex(matrix)
        inverse: Tensor = (
            torch.linalg.pinv(matrix, hermitian=True) if failed else torch.cholesky_inverse(factor)
        )
        return inverse

    @cached_property
    def variance(self) -> Tensor:
        """Variance of each channel of the pre-activation, (channels,)."""
        weight = self.weight.double()
        return (weight * (self.covariance.double() @ weight)).sum(0)


def residual_share(reader: ReaderMoments, gone: Collection[str]) -> Tensor:
    """Return the share of each channel's variance that is lost with streams, (channels,).

    The covariance of the features that go, given those that stay, is the Schur complement of the
    latter, and the inverse of the precision's block of the former.

    Examples
    --------
    Two features that are copies of each other can stand in for each other:

    >>> import torch
    >>> same = ReaderMoments(
    ...     {"a->m": (0,), "b->m": (1,)}, torch.ones(2, 2), torch.ones(2, 1), ridge=1e-9
    ... )
    >>> residual_share(same, ["a->m"]).item() < 1e-6
    True
    >>> free = ReaderMoments({"a->m": (0,), "b->m": (1,)}, torch.eye(2), torch.ones(2, 1))
    >>> round(residual_share(free, ["a->m"]).item(), 2)
    0.5
    """
    left = _Left.of(reader)
    for stream in gone:
        left = left.without(stream)
    return _share(left)


@dataclass(frozen=True, eq=False)
class _Left:
    """What a reader has left: streams are eliminated from its precision one by one.

    ``lost`` is the variance of each channel that those that are gone took with them.
    """

    reader: ReaderMoments
    precision: Tensor
    weight: Tensor
    lost: Tensor

    @classmethod
    def of(cls, reader: ReaderMoments) -> _Left:
        weight = reader.weight.double()
        return cls(reader, reader.precision, weight, torch.zeros_like(reader.variance))

    def losing(self, stream: str) -> Tensor:
        """Return what would be lost without a stream, too."""
        index = self._index(stream)
        return self.lost if index is None else self._losing(index)[0]

    def without(self, stream: str) -> _Left:
        """Return what is left without a stream."""
        index = self._index(stream)
        if index is None:
            return self
        lost, factor = self._losing(index)
        columns = self.precision[:, index]
        solved = torch.cholesky_solve(columns.T, factor)
        precision = self.precision - columns @ solved
        weight = self.weight - solved.T @ self.weight[index]
        return _Left(self.reader, precision, weight, lost)

    def _index(self, stream: str) -> Tensor | None:
        numbers = self.reader.streams.get(stream)
        if not numbers:
            return None
        return torch.tensor(numbers, dtype=torch.int64, device=self.weight.device)

    def _losing(self, index: Tensor) -> tuple[Tensor, Tensor]:
        weight = self.weight[index]
        factor = torch.linalg.cholesky(self.precision[index][:, index])
        taken = (weight * torch.cholesky_solve(weight, factor)).sum(0)
        # the ridge counts as noise of the features, which is nothing that is lost
        noise = self.reader.penalty * self.reader.weight.double()[index].square().sum(0)
        return self.lost + taken - noise, factor


def _share(left: _Left, lost: Tensor | None = None) -> Tensor:
    reader = left.reader
    lost = left.lost if lost is None else lost
    share = torch.where(reader.variance > 0, lost / reader.variance, 0.0)
    return share.clamp(0, 1)


def _bits(shares: Sequence[Tensor]) -> float:
    rest = (1 - torch.cat(list(shares))).clamp_min(_SMALLEST_REST)
    return float((-0.5 * torch.log2(rest)).mean())


def residual_bits(readers: Sequence[ReaderMoments], gone: Collection[str]) -> float:
    """Return −½ log₂(1 − r), averaged over the channels of all readers of a merge.

    r is a channel's :func:`residual_share`: for Gaussian values these are the bits a channel that
    what goes says of the pre-activation beyond what stays. A ranking, not a loss of the net's.
    """
    return _bits([residual_share(reader, gone) for reader in readers])


def set_bits(merges: Mapping[str, Sequence[ReaderMoments]], gone: Collection[str]) -> float:
    """Return the residual bits of a set of streams, added up over merges.

    Streams of one merge are taken together, so that none of them stands in for another one that
    goes, too.
    """
    return sum(residual_bits(readers, gone) for readers in merges.values())


@dataclass(frozen=True)
class GreedyStep:
    """A stream that goes next, and the residual bits of all that have gone by then."""

    stream: str
    bits: float


def greedy_order(
    merges: Mapping[str, Sequence[ReaderMoments]], streams: Collection[str]
) -> list[GreedyStep]:
    """Return streams in the order in which they cost least together.

    Each step takes the stream that adds least to :func:`set_bits` of those that are gone. Streams
    that would leave a merge with nothing are not taken.

    Parameters
    ----------
    merges
        By name of a merge, its readers.
    streams
        Names of the streams that may go.

    Returns
    -------
    list of GreedyStep
        Nested sets: the first n streams are the set of size n.
    """
    allowed = set(streams)
    left = {merge: [_Left.of(reader) for reader in readers] for merge, readers in merges.items()}
    waiting = {merge: list(_streams_of(readers)) for merge, readers in merges.items()}
    spent = dict.fromkeys(merges, 0.0)
    offers = {merge: _best(left[merge], waiting[merge], allowed) for merge in merges}
    steps: list[GreedyStep] = []
    while True:
        known = {merge: offer for merge, offer in offers.items() if offer is not None}
        if not known:
            return steps
        merge = min(known, key=lambda m: known[m].bits - spent[m])
        taken = known[merge]
        waiting[merge].remove(taken.stream)
        spent[merge] = taken.bits
        steps.append(GreedyStep(taken.stream, sum(spent.values())))
        left[merge] = [one.without(taken.stream) for one in left[merge]]
        offers[merge] = _best(left[merge], waiting[merge], allowed)


def _best(left: Sequence[_Left], waiting: list[str], allowed: set[str]) -> GreedyStep | None:
    """Return the stream that adds least; None where the last one has to stay."""
    if len(waiting) < 2:
        return None
    tried = [
        GreedyStep(name, _bits([_share(one, one.losing(name)) for one in left]))
        for name in waiting
        if name in allowed
    ]
    return min(tried, key=lambda step: step.bits, default=None)


def _streams_of(readers: Sequence[ReaderMoments]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(stream for reader in readers for stream in reader.streams))
