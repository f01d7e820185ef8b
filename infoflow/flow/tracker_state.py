"""What a Tracker knows, as plain values that any checkpoint can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from infoflow.capture.labels import KnownLabels
from infoflow.flow.flow_result import FlowResult
from infoflow.interface import ArgumentError, ArgumentTypeError, Labels
from infoflow.interface.argument_checks import shown
from infoflow.results.packed import packed, unpacked

#: Version of the state; raised when older states can no longer be read.
STATE = 1


@dataclass(frozen=True)
class TrackerState:
    """What a Tracker has measured, and what it needs to go on with the same numbers.

    Parameters
    ----------
    result
        All that was measured, or None.
    known
        Y of the samples, or None.
    own
        Epochs that the Tracker recorded itself.
    has_warned
        Whether a SaturationWarning was given.
    """

    result: FlowResult | None
    known: KnownLabels | None
    own: frozenset[int]
    has_warned: bool

    def to_dict(self) -> dict[str, Any]:
        """Return texts, numbers and lists only, so that JSON and ``weights_only`` hold them."""
        return {
            "infoflow_tracker": STATE,
            "result": None if self.result is None else packed(self.result),
            "labels": None if self.known is None else _of_labels(self.known),
            "own": sorted(self.own),
            "has_warned": self.has_warned,
        }

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> TrackerState:
        """Return the state that :meth:`to_dict` gave.

        Raises
        ------
        ArgumentError, ArgumentTypeError, ResultFileError
            For what is no such state, one of another version, or a damaged one.
        """
        if not isinstance(state, Mapping):
            raise ArgumentTypeError(
                f"state must be what Tracker.state_dict() returned, got {shown(state)}."
            )
        found = state.get("infoflow_tracker")
        if found != STATE:
            raise ArgumentError(
                f"state must be what Tracker.state_dict() returned, of version {STATE}, got "
                f"{'another mapping' if found is None else f'version {shown(found)}'}. Use the "
                "version of infoflow that wrote it, or measure again."
            )
        lacking = [key for key in ("result", "labels", "own", "has_warned") if key not in state]
        if lacking:
            raise ArgumentError(
                f"state lacks {', '.join(lacking)}, which Tracker.state_dict() writes. Take the "
                "checkpoint from a complete copy."
            )
        result, labels = state["result"], state["labels"]
        return cls(
            None if result is None else unpacked(result, FlowResult),
            None if labels is None else _known(labels),
            frozenset(int(epoch) for epoch in state["own"]),
            bool(state["has_warned"]),
        )


def _of_labels(known: KnownLabels) -> dict[str, Any]:
    labels = known.labels
    return {
        "classes": labels.classes.tolist(),
        "description": labels.description,
        "entropy": float(labels.entropy),
        "singleton_classes": int(labels.singleton_classes),
        "checksums": [int(one) for one in known.checksums],
    }


def _known(state: Mapping[str, Any]) -> KnownLabels:
    classes = torch.tensor(state["classes"], dtype=torch.int64, device="cpu")
    labels = Labels(classes, state["description"], state["entropy"], state["singleton_classes"])
    return KnownLabels(labels, tuple(state["checksums"]))
