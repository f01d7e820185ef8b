"""Entropies of symbols that are counted over all that can happen."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence


def counted_entropy(symbols: Sequence[Hashable]) -> float:
    """Return H, in nats, of equally likely cases."""
    total = len(symbols)
    counts = Counter(symbols).values()
    return math.fsum(count / total * math.log(total / count) for count in counts)


def counted_information(symbols: Sequence[Hashable], labels: Sequence[int]) -> float:
    """Return I(symbol; label) = Σ p(s, y) log p(s, y) / p(s) p(y) of equally likely cases."""
    total = len(labels)
    one, other = Counter(symbols), Counter(labels)
    both = Counter(zip(symbols, labels, strict=True))
    return math.fsum(
        count / total * math.log(count * total / (one[symbol] * other[label]))
        for (symbol, label), count in both.items()
    )
