"""How a model is traced, as one object for all that trace it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infoflow.graph.tracing.leaves import Choice, choices_of
from infoflow.interface import ArgumentTypeError
from infoflow.interface.argument_checks import shown


@dataclass(frozen=True)
class TracingOptions:
    """Which modules are kept whole as one layer, and which are opened, as ``tracing=`` takes it.

    Parameters
    ----------
    leaves, opened
        Modules to keep whole or to open, by class or by pattern of names, as for
        :func:`infoflow.trace`.

    Raises
    ------
    ArgumentTypeError
        For anything else.

    Examples
    --------
    >>> import infoflow
    >>> infoflow.TracingOptions(leaves=["blocks.*.attn"])
    TracingOptions(leaves=['blocks.*.attn'], opened=())
    """

    leaves: Sequence[Choice] = ()
    opened: Sequence[Choice] = ()

    def __post_init__(self) -> None:
        choices_of("leaves", self.leaves)
        choices_of("opened", self.opened)

    @classmethod
    def of(cls, tracing: TracingOptions | None) -> TracingOptions:
        """Return the options that ``tracing=`` was given; an ArgumentTypeError for others."""
        if tracing is None:
            return cls()
        if not isinstance(tracing, cls):
            raise ArgumentTypeError(
                f"tracing must be an infoflow.TracingOptions, got {shown(tracing)}. Write "
                "infoflow.TracingOptions(leaves=...)."
            )
        return tracing
