"""What was done to a pruned net, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infoflow.graph.text_table import as_number
from infoflow.pruning.mending.mending_record import Mending

How = Literal["cut", "zeroed", "replaced by its mean"]


@dataclass(frozen=True)
class Removed:
    """What became of one stream.

    Parameters
    ----------
    stream
        ``source->merge``.
    how
        ``"cut"``: the structure shrank; ``"zeroed"``: its place is filled with zeros (ones where
        streams are multiplied); ``"replaced by its mean"``: with its mean over data.
    reason
        Why it was not cut; empty where it was, or where nobody asked.
    """

    stream: str
    how: How
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.stream}: {self.how}" + (f", since {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class Pruning:
    """What was removed from a net, and what that saved.

    Parameters
    ----------
    model
        Class name of the original.
    streams
        What became of each stream.
    parameters_before, parameters_after
        Learned numbers that the path of the example uses.
    multiply_adds_before, multiply_adds_after
        Multiplications with an addition that one sample costs; None where they are not known.
    checks
        On what the pruned net was compared with the original, of which the streams were zeroed
        where their readers read them.
    notes
        What else differs from the original.
    mending
        What was refitted; None where nobody asked for it.
    """

    model: str
    streams: tuple[Removed, ...]
    parameters_before: int = 0
    parameters_after: int = 0
    multiply_adds_before: int | None = 0
    multiply_adds_after: int | None = 0
    checks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    mending: Mending | None = None

    @property
    def parameters(self) -> int:
        """Learned numbers saved."""
        return self.parameters_before - self.parameters_after

    @property
    def multiply_adds(self) -> int | None:
        """Multiply-adds of one sample saved; None where they are not known."""
        before, after = self.multiply_adds_before, self.multiply_adds_after
        return None if before is None or after is None else before - after

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.model} without {len(self.streams)} of its streams",
                *(f"  {stream}" for stream in self.streams),
                _saved("parameters", self.parameters_before, self.parameters_after),
                _saved("multiply-adds", self.multiply_adds_before, self.multiply_adds_after),
                f"compared with the original without them: {', '.join(self.checks) or 'nothing'}",
                *self.notes,
                *([] if self.mending is None else [str(self.mending)]),
            ]
        )


def _saved(what: str, before: int | None, after: int | None) -> str:
    share = f" ({(after - before) / before:+.1%})" if before and after is not None else ""
    return f"{what}: {as_number(before)} before, {as_number(after)} after{share}"
