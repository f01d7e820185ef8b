"""Processes of ``torch.distributed`` that measure together: each a share, all the same numbers.

Everything goes over a gloo group of our own, so that it can meet no collective of a training, and
over sums: what a process does not have is zero there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import torch.distributed as dist
from torch import Tensor

from infoflow.interface import InfoflowError
from infoflow.interface.argument_checks import shown

T = TypeVar("T")

#: How long a process waits for the others to make the same call.
MEETING = timedelta(minutes=5)
#: How long it waits for their shares. That one has died is known at once, without it.
WORK = timedelta(days=1)


class Ranks:
    """The processes that measure together; one of them where there is no group.

    Attributes
    ----------
    number, mine
        How many there are, and which one this is, from 0 on.
    """

    def __init__(self, call: str = "", group: Any = None) -> None:
        self._call, self._group = call, group
        self.number = 1 if group is None else dist.get_world_size()
        self.mine = 0 if group is None else dist.get_rank()
        self._is_over = group is None

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and shows bars."""
        return self.mine == 0

    def share(self, items: Sequence[T]) -> list[T]:
        """Return this process's items, dealt one by one.

        Examples
        --------
        >>> Ranks().share("abc")
        ['a', 'b', 'c']
        """
        return list(items[self.mine :: self.number])

    def gather(self, step: str, value: T) -> list[T]:
        """Return what each process gives, in their order; wait for all of them.

        Raises
        ------
        InfoflowError
            If another process has failed, is gone, or is at another step.
        """
        if self.number == 1:
            return [value]
        said = self._exchange(_Said(step, None, value))
        for rank, one in enumerate(said):
            if one.failure is not None:
                raise self._over(f"Process {rank} of {self.number} failed, with {one.failure}")
            if one.step != step:
                raise self._over(
                    f"Process {rank} of {self.number} is at {one.step!r} while process {self.mine} "
                    f"is at {step!r}; expected the same calls in all. Call infoflow.{self._call} "
                    "with the same arguments in every process."
                )
        return [one.value for one in said]

    def first(self, step: str, value: T) -> T:
        """Return what process 0 gives."""
        return self.gather(step, value if self.is_first else None)[0]  # type: ignore[return-value]

    def agree(self, facts: Mapping[str, object]) -> None:
        """Raise an InfoflowError that names the first fact that is not the same in all processes.

        Parameters
        ----------
        facts
            By what they are called in a sentence, such as ``"weights"``.
        """
        first, *others = self.gather("comparison", dict(facts))
        for rank, other in enumerate(others, start=1):
            name = next((name for name in first if other.get(name) != first[name]), None)
            if name is not None:
                raise self._over(
                    f"Processes 0 and {rank} have other {name}: {shown(first[name])} and "
                    f"{shown(other.get(name))}; expected the same in all. Give every process the "
                    "same net and one loader over all samples, which infoflow divides itself."
                )

    def add_up(self, step: str, tensors: Sequence[Tensor]) -> None:
        """Put into tensors, in place, their sums over all processes."""
        if self.number == 1:
            return
        self.agree({f"shapes of {step}": [tuple(one.shape) for one in tensors]})
        with self._noticing():
            for tensor in tensors:
                dist.all_reduce(tensor, group=self._group)

    def tell(self, error: Exception) -> None:
        """Let the others know that this process has failed, if they do not know it yet."""
        if not self._is_over:
            with suppress(InfoflowError):
                self._exchange(_Said("", f"{type(error).__name__}: {error}", None))
        self._is_over = True

    def _exchange(self, said: _Said) -> list[_Said]:
        found: list[Any] = [None] * self.number
        with self._noticing():
            dist.all_gather_object(found, said, group=self._group)
        return found

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        """Say in a sentence that another process is gone."""
        try:
            yield
        except RuntimeError as error:
            raise self._over(
                f"Another of the {self.number} processes is gone, or did not answer within "
                f"{WORK.days} day: {_reason(error)}. What it printed says why. Start all of "
                "them again."
            ) from error

    def _over(self, sentence: str) -> InfoflowError:
        self._is_over = True
        return InfoflowError(sentence)


#: A process that measures by itself.
ALONE = Ranks()


class _Said(NamedTuple):
    """What a process tells the others: where it is, and what it has, or why it has failed."""

    step: str
    failure: str | None
    value: Any


@contextmanager
def together(call: str) -> Iterator[Ranks]:
    """Measure with all processes of the default group, if there is one.

    Where one fails, the others raise an InfoflowError that says so as soon as they wait for it.

    Parameters
    ----------
    call
        What is called, for messages: ``"analyze"``.

    Raises
    ------
    InfoflowError
        If the others do not make the same call within 5 minutes.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        yield ALONE
        return
    ranks = Ranks(call, _meet(call))
    try:
        yield ranks
        ranks.gather("the end", None)
    except Exception as error:
        ranks.tell(error)
        raise


#: The default group, and our two beside it: one to meet in, and one to work in.
_GROUPS: list[Any] = []


def _meet(call: str) -> Any:
    """Wait for the other processes, for a while; return the group to work in."""
    try:
        if not _GROUPS or _GROUPS[0] is not dist.group.WORLD:
            door = dist.new_group(backend="gloo", timeout=MEETING)
            _GROUPS[:] = [dist.group.WORLD, door, dist.new_group(backend="gloo", timeout=WORK)]
        dist.monitored_barrier(_GROUPS[1], timeout=MEETING)
    except RuntimeError as error:
        raise InfoflowError(
            f"Process {dist.get_rank()} of {dist.get_world_size()} called infoflow.{call}, and "
            f"others did not within {MEETING.total_seconds():.0f} seconds ({_reason(error)}). "
            "Call it in every process, not in process 0 alone: all of them measure, and process 0 "
            "writes the files."
        ) from error
    return _GROUPS[2]


def _reason(error: Exception) -> str:
    """Return what gloo says last, without places in its source and advice."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return re.sub(r"^\[[^]]*\.cc:\d+\] ", "", lines[-1]).partition(". ")[0].rstrip(" .:")
