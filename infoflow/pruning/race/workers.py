"""The training of one net of a race, in a process that knows nothing of the others."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

from infoflow.graph.running.random_state import seeded
from infoflow.pruning.race.race_verdicts import checked_bits


def train_and_judge(
    sent: bytes, net_sent: bytes, lessons: Sequence[tuple[int, int]], is_whole: bool
) -> tuple[float, bytes]:
    """Return a net's bits and its weights after lessons, each of so many epochs from a seed.

    Weights travel as bytes: tensors would go through shared memory, which other machines lack.
    """
    parts, net = pickle.loads(sent), pickle.loads(net_sent)["net"]
    for epochs, seed in lessons:
        with seeded(seed):
            parts["train"](net, epochs, seed)
    bits = checked_bits(parts["evaluate"](net), is_whole=is_whole)
    return bits, pickle.dumps(net.state_dict())
