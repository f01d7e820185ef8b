"""Nets of few symbols, whose mutual information follows from counting."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from infoflow.interface import ArgumentError
from infoflow.testing.counting import counted_entropy, counted_information
from infoflow.testing.truth import KnownNet, LayerTruth, StreamTruth

#: Distance between two symbols' values. At a noise variance of 1 they cannot be mistaken.
SEPARATION = 20.0
_COUNTED = "M itself, counted over all that can happen; infoflow.KDE(1.0) and binning see the same"

Bits = tuple[int, ...]
Carries = Literal["all", "nothing", "synergy", "copy"]


class BitNet(nn.Module):
    """Streams that carry chosen bits of the input and meet in a concatenation.

    Layer ``first`` keeps all bits. The main stream goes through ``main`` and ``deeper``, each other
    one through ``sides.NAME``; ``output`` reads them all.

    Parameters
    ----------
    bits
        Number of bits of an input.
    main
        The bits that the main stream carries.
    sides
        The bits of each other stream, by name.
    """

    def __init__(self, bits: int, main: Bits, sides: Mapping[str, Bits]) -> None:
        super().__init__()
        self.first = _choose(bits, tuple(range(bits)), SEPARATION)
        self.main = _choose(bits, main, 1.0)
        self.deeper = _choose(len(main), tuple(range(len(main))), 1.0)
        self.sides = nn.ModuleDict({name: _choose(bits, kept, 1.0) for name, kept in sides.items()})
        width = len(main) + sum(len(kept) for kept in sides.values())
        self.output = _choose(width, tuple(range(width)), 1.0)

    def forward(self, bits: Tensor) -> Tensor:
        """Return (N, width) values for (N, bits) zeros and ones."""
        value = self.first(bits)
        streams = [side(value) for side in self.sides.values()]
        output: Tensor = self.output(torch.cat([self.deeper(self.main(value)), *streams], 1))
        return output


def noisy_xor(
    *, flipped: int = 1, of: int = 8, samples: int | None = None, seed: int = 0
) -> KnownNet:
    """Return a net whose main stream and skip carry one bit each; Y is their XOR, at times wrong.

    Neither stream knows anything alone. Together they know log 2 − h(flipped / of).

    Parameters
    ----------
    flipped, of
        Y is wrong in ``flipped`` of ``of`` equally likely cases.
    samples, seed
        How many samples to draw, and with which seed; without ``samples``, every case occurs once.

    Raises
    ------
    ArgumentError
        If ``flipped`` is not between 0 and ``of``.

    Examples
    --------
    >>> net = noisy_xor(flipped=0)
    >>> net.truth("deeper").iym, round(net.truth("output").iym, 6)
    (0.0, 0.693147)
    """
    if not 0 <= flipped <= of or of < 1:
        raise ArgumentError(f"flipped must be between 0 and of, got {flipped} of {of}. Try 1 of 8.")
    cases = [(a, b, c) for a, b in itertools.product((0, 1), repeat=2) for c in range(of)]
    labels = [a ^ b ^ (c < flipped) for a, b, c in cases]
    rows = [(a, b) for a, b, _ in cases]
    name = f"noisy XOR, {flipped} of {of} wrong"
    return _known(name, rows, labels, (0,), {"side": (1,)}, samples, seed)


def stream_net(carries: Carries, *, samples: int | None = None, seed: int = 0) -> KnownNet:
    """Return a net with one skip, which carries what its name says of Y.

    Parameters
    ----------
    carries
        ``"all"``: the skip knows Y and the main stream nothing; ``"nothing"``: the other way round;
        ``"synergy"``: neither knows anything alone, both together know Y; ``"copy"``: the skip has
        what the main stream has.
    samples, seed
        How many samples to draw, and with which seed; without ``samples``, every case occurs four
        times.

    Raises
    ------
    ArgumentError
        For another name.

    Examples
    --------
    >>> [round(stream_net(name).streams[0].added, 3) for name in ("all", "nothing", "copy")]
    [1.386, 0.0, 0.0]
    """
    pair: Callable[[Bits], int] = lambda bits: 2 * bits[0] + bits[1]  # noqa: E731
    plans: dict[str, tuple[Callable[[Bits], int], Bits, Bits]] = {
        "all": (pair, (2,), (0, 1)),
        "nothing": (pair, (0, 1), (2,)),
        "synergy": (lambda bits: bits[0] ^ bits[1], (0,), (1,)),
        "copy": (pair, (0, 1), (0, 1)),
    }
    if carries not in plans:
        raise ArgumentError(f"carries must be one of {', '.join(plans)}, got {carries!r}.")
    label, main, side = plans[carries]
    rows = list(itertools.product((0, 1), repeat=3)) * 4
    labels = [label(row) for row in rows]
    return _known(f"skip carries {carries}", rows, labels, main, {"side": side}, samples, seed)


def ranked_streams(*, samples: int | None = None, seed: int = 0) -> KnownNet:
    """Return a net where three streams meet that add two bits about Y, one bit, and none.

    They are ``sides.two``, the main stream ``deeper``, and ``sides.none``.

    Parameters
    ----------
    samples, seed
        How many samples to draw, and with which seed; without ``samples``, every case occurs four
        times.

    Examples
    --------
    >>> import math
    >>> net = ranked_streams()
    >>> {stream.source: round(stream.added / math.log(2), 6) for stream in net.streams}
    {'sides.two': 2.0, 'sides.none': 0.0, 'deeper': 1.0}
    """
    rows = list(itertools.product((0, 1), repeat=4)) * 4
    labels = [4 * row[0] + 2 * row[1] + row[2] for row in rows]
    sides = {"two": (1, 2), "none": (3,)}
    return _known("streams of two, one and no bits", rows, labels, (0, 3), sides, samples, seed)


def discrete_table(counts: ArrayLike, *, samples: int | None = None, seed: int = 0) -> KnownNet:
    """Return a net on symbols whose joint distribution with Y is a table.

    Layer ``code`` tells all symbols apart; ``merged`` puts two neighbours together.

    Parameters
    ----------
    counts
        (symbols, classes) whole numbers: how often each pair occurs.
    samples, seed
        How many samples to draw, and with which seed; without ``samples``, the table itself.

    Raises
    ------
    ArgumentError
        If the table is not two-dimensional, or has no positive or a negative count.

    Examples
    --------
    >>> round(discrete_table([[3, 1], [1, 3]]).truth("code").iym, 6)
    0.130812
    """
    table = np.asarray(counts)
    if table.ndim != 2 or table.dtype.kind not in "iu" or table.min() < 0 or not table.sum():
        raise ArgumentError(
            "counts must be whole numbers of shape (symbols, classes), none negative and not all "
            f"0, got {table.tolist()}."
        )
    cases = [(int(x), int(y)) for x, y in np.ndindex(table.shape) for _ in range(table[x, y])]
    symbols, labels = [x for x, _ in cases], [y for _, y in cases]
    truths = tuple(
        LayerTruth(name, counted_entropy(known), counted_information(known, labels))
        for name, known in (("code", symbols), ("merged", [x // 2 for x in symbols]))
    )
    model = nn.Sequential()
    model.add_module("code", _choose(len(table), tuple(range(len(table))), SEPARATION))
    model.add_module("merged", _merge_neighbours(len(table)))
    inputs = torch.eye(len(table))[symbols]
    chosen = _drawn(len(labels), samples, seed)
    classes = torch.tensor(labels)[chosen]
    return KnownNet("discrete table", model, inputs[chosen], classes, truths, _COUNTED)


def _known(
    name: str,
    rows: Sequence[Bits],
    labels: Sequence[int],
    main: Bits,
    sides: Mapping[str, Bits],
    samples: int | None,
    seed: int,
) -> KnownNet:
    def carried(kept: Bits) -> list[Hashable]:
        return [tuple(row[bit] for bit in kept) for row in rows]

    everything = tuple(range(len(rows[0])))
    sided = {f"sides.{side}": kept for side, kept in sides.items()}
    streams = {**sided, "deeper": main}
    together = tuple(bit for kept in streams.values() for bit in kept)
    layers = {"first": everything, **sided, "main": main, "deeper": main, "output": together}
    truths = tuple(
        LayerTruth(
            layer, counted_entropy(carried(kept)), counted_information(carried(kept), labels)
        )
        for layer, kept in layers.items()
    )
    parts = tuple(
        StreamTruth(
            source,
            counted_information(carried(kept), labels),
            counted_information(carried(_others(streams, source)), labels),
            counted_information(carried(together), labels),
        )
        for source, kept in streams.items()
    )
    chosen = _drawn(len(rows), samples, seed)
    inputs = torch.tensor(rows, dtype=torch.float32)[chosen]
    model = BitNet(len(everything), main, sides)
    return KnownNet(name, model, inputs, torch.tensor(labels)[chosen], truths, _COUNTED, parts)


def _others(streams: Mapping[str, Bits], source: str) -> Bits:
    return tuple(bit for name, kept in streams.items() if name != source for bit in kept)


def _drawn(cases: int, samples: int | None, seed: int) -> Tensor:
    """Return the cases to use: each once, or ``samples`` drawn."""
    if samples is None:
        return torch.arange(cases)
    return torch.randint(cases, (samples,), generator=torch.Generator().manual_seed(seed))


def _choose(inputs: int, kept: Bits, scale: float) -> nn.Linear:
    """Return a linear layer that passes some of its inputs on."""
    return _linear(torch.eye(inputs)[list(kept)] * scale)


def _merge_neighbours(symbols: int) -> nn.Linear:
    weight = torch.zeros(-(-symbols // 2), symbols)
    weight[torch.arange(symbols) // 2, torch.arange(symbols)] = 1.0
    return _linear(weight)


def _linear(weight: Tensor) -> nn.Linear:
    """Return a linear layer with this weight, without touching the global generator."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, *reversed(weight.shape), bias=False)
    layer.load_state_dict({"weight": weight})
    return layer
