"""Layers that mix all channels of what they read, and whose weights shrink with it."""

from __future__ import annotations

from typing import Any

from torch import fx, nn

from infoflow.graph.tracing.operations import CONVOLUTIONS, TRANSPOSED, operation_name
from infoflow.pruning.rewriting.kept_channels import KeptChannels
from infoflow.pruning.rewriting.passing import Channels
from infoflow.pruning.rewriting.surgery import Changes, Surgery

_FUNCTIONS = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), 1),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 0),
    "linear": 1,
}


def reading(work: Surgery, node: fx.Node, value: fx.Node, channels: Channels) -> Changes | None:
    """Return what a dense layer loses with channels that it reads, None where it is none.

    Raises
    ------
    CannotCutError
        If its weights are shared or computed.
    """
    module = work.module(node)
    if module is None:
        return _function(work, node, value, channels)
    if not isinstance(module, (nn.Linear, *CONVOLUTIONS, *TRANSPOSED)):
        return None
    work.check_alone(node)
    axis = work.rank(value) - 1 if isinstance(module, nn.Linear) else 1
    if channels.axis != axis:
        return None
    weight: Any = module.weight
    shape, name = tuple(weight.shape), str(node.target)
    changes = Changes()
    if isinstance(module, nn.Linear):
        changes.slices[f"{name}.weight"] = KeptChannels(shape, 1, (channels.indices,))
        changes.settings[name, "in_features"] = len(channels.indices)
        return changes
    kept = _by_group(channels, int(module.groups))
    if kept is None:
        return None
    is_transposed = isinstance(module, TRANSPOSED)
    changes.slices[f"{name}.weight"] = (
        KeptChannels(shape, 0, (channels.indices,))
        if is_transposed
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


def _function(work: Surgery, node: fx.Node, value: fx.Node, channels: Channels) -> Changes | None:
    name = operation_name(node)
    first = node.args[0] if node.args else node.kwargs.get("input")
    if name not in _FUNCTIONS or first is not value:
        return None
    axis = work.rank(value) - 1 if name == "linear" else 1
    groups = node.args[6] if len(node.args) > 6 else node.kwargs.get("groups", 1)
    if channels.axis != axis or (name != "linear" and groups != 1):
        return None
    given = node.args[1] if len(node.args) > 1 else node.kwargs.get("weight")
    weight = work.owned_attribute(given, "weight")
    assert isinstance(given, fx.Node)
    shape = tuple(work.attribute(given).shape)
    return Changes({weight: KeptChannels(shape, _FUNCTIONS[name], (channels.indices,))})
