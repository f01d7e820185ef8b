"""How a model is traced, as one object for all that trace it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infoflow.graph.running.leaves import Choice


@dataclass(frozen=True)
class TracingOptions:
    """Which modules are kept whole as one layer, and which are opened, as ``tracing=`` takes it.

    Parameters
    ----------
    leaves, opened
        Modules to keep whole or to open, by class or by pattern of names, as for
        :func:`infoflow.trace`.

    Examples
    --------
    >>> import infoflow
    >>> infoflow.TracingOptions(leaves=["blocks.*.attn"])
    TracingOptions(leaves=['blocks.*.attn'], opened=())
    """

    leaves: Sequence[Choice] = ()
    opened: Sequence[Choice] = ()
