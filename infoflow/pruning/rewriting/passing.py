"""Operations that treat channels one by one, so that those of a stream can be left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import fx, nn

from infoflow.graph.operations.lookup import operation_name, operation_of, reduced_dimensions
from infoflow.graph.operations.operation import Operation, Passing
from infoflow.pruning.rewriting.kept_channels import KeptChannels
from infoflow.pruning.rewriting.surgery import CannotCutError, Changes, Surgery


@dataclass(frozen=True)
class Channels:
    """Which channels of a value stay.

    Parameters
    ----------
    kept
        True for each index along ``axis`` that stays.
    axis
        The dimension that counts channels.
    """

    kept: tuple[bool, ...]
    axis: int

    @property
    def indices(self) -> tuple[int, ...]:
        """The indices that stay."""
        return tuple(i for i, stays in enumerate(self.kept) if stays)

    def repeated(self, times: int) -> Channels:
        """Return the channels where each has become ``times`` next to each other."""
        return replace(self, kept=tuple(k for k in self.kept for _ in range(times)))


@dataclass(frozen=True)
class Passage:
    """What an operation makes of channels that go through it.

    Parameters
    ----------
    channels
        Those of the operation's value.
    changes
        What becomes of its parameters and settings.
    arguments
        Arguments that name the number of channels, by position or name, as they are to be.
    """

    channels: Channels
    changes: Changes = field(default_factory=Changes)
    arguments: Mapping[int | str, Any] = field(default_factory=dict)


def passage(work: Surgery, node: fx.Node, value: fx.Node, channels: Channels) -> Passage | None:
    """Return how channels of ``value`` go through ``node``, None where it mixes them."""
    module = work.module(node)
    operation = operation_of(node, module)
    if module is not None:
        return _through_module(work, node, module, operation, channels)
    passing = operation.passing
    if passing is Passing.NORM and channels.axis == 1:
        return Passage(channels, _sliced_norm(work, node, channels))
    if work.tensors_into(node) != [value] or not node.args or node.args[0] is not value:
        return None
    shape, before = work.shapes[node], work.shapes[value]
    if shape is None or before is None:
        return None
    if operation.is_elementwise and shape == before:
        return Passage(channels)
    if passing is Passing.SPATIAL and shape[:2] == before[:2]:
        is_kept = channels.axis == 1 and _leaves_channels(operation, len(before))
        return Passage(channels) if is_kept else None
    if passing is Passing.MEAN:
        return _through_mean(node, before, channels)
    if passing is Passing.FLATTENED:
        return _through_flattening(node, before, shape, channels)
    return None


def _through_module(
    work: Surgery, node: fx.Node, module: nn.Module, operation: Operation, channels: Channels
) -> Passage | None:
    shape, passing = work.shapes[node], operation.passing
    if operation.is_elementwise:
        return Passage(channels)
    if shape is None or channels.axis != 1:
        return None
    if passing is Passing.SPATIAL and _leaves_channels(operation, len(shape)):
        return Passage(channels) if shape[1] == len(channels.kept) else None
    if passing is Passing.FLATTENED:
        (before,) = (work.shapes[n] for n in work.tensors_into(node))
        assert before is not None
        return _through_flattening(node, before, shape, channels)
    rule = None if passing is None else _RULES.get(passing)
    if rule is None or getattr(module, "groups", 2) == 1:
        return None
    work.check_alone(node)
    settings = _Settings(str(node.target), module, operation, channels)
    after = rule(settings)
    return Passage(after, settings.changes)


def _leaves_channels(operation: Operation, rank: int) -> bool:
    """Tell whether an operation leaves dimensions 0 and 1 alone: not where it takes no batch."""
    return rank > 2 and operation.positions in (None, rank - 2)


class _Settings:
    """A module that loses channels, and the changes that this makes to it."""

    def __init__(self, name: str, module: Any, operation: Operation, channels: Channels) -> None:
        self.name = name
        self.module = module
        self.operation = operation
        self.channels = channels
        self.changes = Changes()

    def slice(self, parameter: str, kept: Sequence[int], dim: int = 0) -> None:
        """Keep some of a parameter or buffer, where the module has it."""
        tensor = getattr(self.module, parameter, None)
        if tensor is not None:
            self.changes.slices[f"{self.name}.{parameter}"] = KeptChannels(
                tuple(tensor.shape), dim, (tuple(kept),)
            )

    def set(self, attribute: str, value: int) -> None:
        """Give an attribute another value."""
        self.changes.settings[self.name, attribute] = value


def _norm(lost: _Settings) -> Channels:
    for parameter in ("weight", "bias", "running_mean", "running_var"):
        lost.slice(parameter, lost.channels.indices)
    lost.set("num_features", len(lost.channels.indices))
    return lost.channels


def _prelu(lost: _Settings) -> Channels:
    if lost.module.num_parameters > 1:
        lost.slice("weight", lost.channels.indices)
        lost.set("num_parameters", len(lost.channels.indices))
    return lost.channels


def _group_norm(lost: _Settings) -> Channels:
    groups = _whole_groups(lost.channels, lost.module.num_groups)
    if groups is None:
        raise CannotCutError(f"{lost.name} normalises channels of the stream together with others")
    for parameter in ("weight", "bias"):
        lost.slice(parameter, lost.channels.indices)
    lost.set("num_channels", len(lost.channels.indices))
    lost.set("num_groups", groups)
    return lost.channels


def _grouped(lost: _Settings) -> Channels:
    """Drop whole groups of a convolution; in a depthwise one, each channel is a group."""
    module = lost.module
    groups = _whole_groups(lost.channels, module.groups)
    if groups is None:
        raise CannotCutError(f"{lost.name} reads channels of the stream in one group with others")
    size, width = module.in_channels // module.groups, module.out_channels // module.groups
    stays = [lost.channels.kept[group * size] for group in range(module.groups)]
    after = Channels(tuple(stays), 1).repeated(width)
    is_transposed = lost.operation.weight_inputs == 0
    lost.slice("weight", lost.channels.indices if is_transposed else after.indices)
    lost.slice("bias", after.indices)
    lost.set("in_channels", groups * size)
    lost.set("out_channels", groups * width)
    lost.set("groups", groups)
    return after


#: What modules with a weight for each channel, or each group of channels, lose.
_RULES: Mapping[Passing, Callable[[_Settings], Channels]] = {
    Passing.NORM: _norm,
    Passing.SLOPES: _prelu,
    Passing.GROUPS: _group_norm,
    Passing.CONVOLUTION: _grouped,
}


def _whole_groups(channels: Channels, groups: int) -> int | None:
    """Return how many groups of channels stay, None where one would lose a part."""
    size = len(channels.kept) // groups
    parts = [set(channels.kept[i * size : (i + 1) * size]) for i in range(groups)]
    return None if any(len(part) > 1 for part in parts) else parts.count({True})


def _sliced_norm(work: Surgery, node: fx.Node, channels: Channels) -> Changes:
    """Keep some of the statistics and weights of ``F.batch_norm``."""
    changes = Changes()
    for argument in work.tensors_into(node)[1:]:
        name = work.owned_attribute(argument, "statistic")
        changes.slices[name] = KeptChannels((len(channels.kept),), 0, (channels.indices,))
    return changes


def _through_mean(node: fx.Node, before: tuple[int, ...], channels: Channels) -> Passage | None:
    keeps = node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False)
    gone = reduced_dimensions(node, len(before))
    if gone is None:
        return None
    if channels.axis in gone:
        return None
    axis = channels.axis if keeps else channels.axis - sum(dim < channels.axis for dim in gone)
    return Passage(replace(channels, axis=axis))


def _through_flattening(
    node: fx.Node, before: tuple[int, ...], shape: tuple[int, ...], channels: Channels
) -> Passage | None:
    """(N, C, …) to (N, C · …): every channel becomes a run of numbers."""
    if shape != (before[0], math.prod(before[1:])) or channels.axis != 1:
        return None
    after = channels.repeated(math.prod(before[2:]))
    if operation_name(node) == "flatten":
        return Passage(after)

    def smaller(size: Any) -> Any:
        if isinstance(size, (list, tuple)):
            return tuple(map(smaller, size))
        return len(after.indices) if size == shape[1] else size

    given: dict[int | str, Any] = dict(enumerate(node.args[1:], 1))
    given.update(node.kwargs)
    named = {place: smaller(argument) for place, argument in given.items()}
    return Passage(after, arguments={p: new for p, new in named.items() if new != given[p]})
