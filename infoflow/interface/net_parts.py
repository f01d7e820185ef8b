"""What a layer graph is made of: layers, skip connections, merges, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Layer:
    """One node of a layer graph, with a value M per sample.

    Parameters
    ----------
    index
        Position in the order of computation, from 0.
    name
        The module's qualified name; a merge is named after the module in whose ``forward`` it
        happens. A module's second call has ``:2`` appended.
    kind
        The class of a module (``"Conv2d"``), or the operation of a merge (``"add"``).
    shape
        Shape of one sample's value.
    streams
        Names of the layers (or model inputs) that this layer reads.
    is_merge
        Whether streams from two or more different layers have met here.
    followed_by
        Norms, activations, dropout and reshapes that belong to the layer: M is measured after them.
    parameters
        Learned numbers of the layer and of what follows it.
    multiply_adds
        Multiplications with an addition that one sample costs, of the operations from the layers
        that it reads on; None where an operation is among them whose cost is not known. Products
        count (convolutions, matrices, attention); what takes time in proportion to the number of
        values (norms, activations, pooling, interpolation) does not.
    positions
        The dimensions of ``shape`` that count positions: (1, 2) for maps of shape (channels,
        height, width), (0,) for sequences (positions, channels), none for vectors.
    """

    index: int
    name: str
    kind: str
    shape: tuple[int, ...]
    streams: tuple[str, ...]
    is_merge: bool = False
    followed_by: tuple[str, ...] = ()
    parameters: int = 0
    multiply_adds: int | None = 0
    positions: tuple[int, ...] = ()

    @property
    def units(self) -> int:
        """Number of real values that one sample's M has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Skip:
    """A skip connection: a stream into a merge that is not the merge's main stream.

    Parameters
    ----------
    source, merge
        Name of the source layer (or model input) and of the merge.
    source_index, merge_index
        Index of the source layer (None for a model input), and of the first layer in which the
        streams have met (None where the model's output reads the bundle itself).
    parameters, multiply_adds
        What a net without this stream would save, multiply-adds per sample; None where that
        cannot be said from the shapes (a grouped convolution that reads a bundle), or nothing can
        go (a stream of an attention product, the larger side of a gate, of an output).
    """

    source: str
    merge: str
    source_index: int | None
    merge_index: int | None
    parameters: int | None = None
    multiply_adds: int | None = None

    @property
    def name(self) -> str:
        """``source->merge``, as in ``PruningAdvice.prunable``."""
        return f"{self.source}->{self.merge}"

    def __str__(self) -> str:
        source = self.source if self.source_index is None else str(self.source_index)
        merge = "output" if self.merge_index is None else str(self.merge_index)
        return f"{source}→{merge}"


@dataclass(frozen=True)
class Merge:
    """A place where streams from two or more different layers meet.

    Parameters
    ----------
    name
        Name of the merge layer, or of the first reader of the bundle.
    kind
        ``"concat"``, ``"stack"``, ``"add"``, ``"mul"``, ``"attention"``, …
    streams
        Names of the source layers (or model inputs), in the order of the operation's arguments.
    layers
        Names of the layers where the streams have met: the merge layer itself, or each reader of
        the bundle. Empty where only the model's output reads the bundle.
    main
        The stream with the longest path behind it, from the merge's immediate dominator.
    skips
        Every other stream.
    index
        Index of the first of ``layers``, or None.
    branch
        The main stream, with what a net without it would save: in a residual block, the branch
        whose removal takes the block away. None in files of the first version.
    """

    name: str
    kind: str
    streams: tuple[str, ...]
    layers: tuple[str, ...]
    main: str
    skips: tuple[Skip, ...]
    index: int | None
    branch: Skip | None = None


#: How far a traced program can be trusted; see :class:`Verification`.
Faithfulness = Literal["exact", "fixed batch", "fixed shape", "this input only", "not verified"]


@dataclass(frozen=True)
class Verification:
    """What is known of how a graph was made, and how far its program can be trusted.

    Parameters
    ----------
    label
        ``"exact"``: replayed, the program gives the model's own output, also on new input and with
        another number of samples. ``"fixed batch"``: on new input, but not with another number of
        samples. ``"fixed shape"``: the model itself takes no other number of samples, so nothing
        else could be tried. ``"this input only"``: the path depends on the values of the input, or
        a replay differs. ``"not verified"``: there was no example to replay.
    tracer
        ``"recorder"``, which watches one run, or ``"symbolic"``, where there was no example.
    checks
        What the program was replayed on, with the output of the model itself.
    notes
        What was done to the model, and what cannot be known, in words.
    unseen
        Names of weights (parameters of two or more dimensions) on which the output depends, and
        that are in no layer and no operation that was seen.
    """

    label: Faithfulness
    tracer: Literal["recorder", "symbolic"]
    checks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether a replay stands for the model on any input of this kind."""
        return self.label == "exact"

    def __str__(self) -> str:
        seen = f", replayed on {', '.join(self.checks)}" if self.checks else ""
        return "\n".join([f"{self.label} ({self.tracer}{seen})", *self.notes])


def total(numbers: Iterable[int | None]) -> int | None:
    """Return the sum of some numbers, None where one of them is not known.

    Examples
    --------
    >>> total([1, 2]), total([1, None])
    (3, None)
    """
    known = list(numbers)
    return None if None in known else sum(number for number in known if number is not None)
