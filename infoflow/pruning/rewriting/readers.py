"""Layers that mix all channels of what they read, and whose weights shrink with it."""

from __future__ import annotations

from typing import Any

from torch import fx

from infoflow.graph.operations.lookup import operation_of
from infoflow.graph.operations.operation import Operation
from infoflow.pruning.rewriting.kept_channels import KeptChannels
from infoflow.pruning.rewriting.passing import Channels
from infoflow.pruning.rewriting.surgery import Changes, Surgery


def reading(work: Surgery, node: fx.Node, value: fx.Node, channels: Channels) -> Changes | None:
    """Return what a dense layer loses with channels that it reads, None where it is none.

    Raises
    ------
    CannotCutError
        If its weights are shared or computed.
    """
    module: Any = work.module(node)
    operation = operation_of(node, module)
    if operation.weight_inputs is None:
        return None
    if module is None:
        return _function(work, node, operation, value, channels)
    work.check_alone(node)
    if channels.axis != _axis(work, operation, value):
        return None
    shape, name = tuple(module.weight.shape), str(node.target)
    changes = Changes()
    if operation.positions is None:
        changes.slices[f"{name}.weight"] = KeptChannels(shape, 1, (channels.indices,))
        changes.settings[name, "in_features"] = len(channels.indices)
        return changes
    kept = _by_group(channels, int(module.groups))
    if kept is None:
        return None
    changes.slices[f"{name}.weight"] = (
        KeptChannels(shape, 0, (channels.indices,))
        if operation.weight_inputs == 0
        else KeptChannels(shape, 1, kept)
    )
    changes.settings[name, "in_channels"] = len(channels.indices)
    return changes


def _by_group(channels: Channels, groups: int) -> tuple[tuple[int, ...], ...] | None:
    """Return the channels that each group keeps, None where their numbers differ."""
    size = len(channels.kept) // groups
    parts = [channels.kept[i * size : (i + 1) * size] for i in range(groups)]
    kept = tuple(tuple(i for i, stays in enumerate(part) if stays) for part in parts)
    return None if len({len(part) for part in kept}) > 1 else kept


def _axis(work: Surgery, operation: Operation, value: fx.Node) -> int:
    """Return the dimension of a layer's input that counts channels: the last of a linear map."""
    return work.rank(value) - 1 if operation.positions is None else 1


def _function(
    work: Surgery, node: fx.Node, operation: Operation, value: fx.Node, channels: Channels
) -> Changes | None:
    first = node.args[0] if node.args else node.kwargs.get("input")
    if first is not value or channels.axis != _axis(work, operation, value):
        return None
    groups = node.args[6] if len(node.args) > 6 else node.kwargs.get("groups", 1)
    if operation.positions is not None and groups != 1:
        return None
    given = node.args[1] if len(node.args) > 1 else node.kwargs.get("weight")
    weight = work.owned_attribute(given, "weight")
    assert isinstance(given, fx.Node)
    assert operation.weight_inputs is not None
    shape = tuple(work.attribute(given).shape)
    return Changes({weight: KeptChannels(shape, operation.weight_inputs, (channels.indices,))})
