"""What is known of an operation: its part in a graph, its dimensions, its cost, and cuts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from torch import Tensor, nn

from infoflow.graph.running.pytree import tensor_of, tensors_in


class Role(Enum):
    """The part that an operation plays in a layer graph."""

    KERNEL = "a learned map with weights of two or more dimensions"
    CONCAT = "puts streams side by side and loses nothing"
    WRITE = "writes streams into a part of a tensor"
    OVERWRITE = "gives its first argument the value of another"
    FOLLOW = "belongs to the layer before it, where it is the only reader"
    SHAPE = "depends on the shape of its argument only"
    EDGE = "passes its streams on; a merge, where they come from different layers"


class Moves(Enum):
    """What an operation makes of the dimensions of what it reads."""

    AS_READ = "its result has channels where the value that it reads has them"
    PRODUCT = "rows come from one factor, columns from another"
    EXPANDED = "dimensions are added in front"
    RESHAPED = "the numbers keep their order, the dimensions change"


class Passing(Enum):
    """How channels that are cut pass through an operation."""

    ELEMENTWISE = "every number comes from one number, in the same place"
    SPATIAL = "each channel's positions change among themselves"
    NORM = "each channel has its own statistics, weight and bias"
    SLOPES = "each channel has its own slope, or all have one"
    GROUPS = "groups of channels are normalised together"
    CONVOLUTION = "each group of channels makes channels of its own"
    MEAN = "the mean over other dimensions than the channels"
    FLATTENED = "each channel becomes a run of numbers"


@dataclass(frozen=True)
class OperationCall:
    """One call of an operation, from which its cost is told.

    Parameters
    ----------
    args, kwargs
        What it was called with; of a module, the arguments of its ``forward``.
    result
        What it returned.
    module
        The module that was called; None for a function or method.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any
    module: Any = None

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors among the arguments, in order."""
        return tensors_in((self.args, self.kwargs))

    @property
    def output(self) -> Tensor:
        """The result; of several tensors, the first."""
        return tensor_of(self.result)

    def get(self, position: int, name: str, default: Any = None) -> Any:
        """Return an argument by its position or its name."""
        if len(self.args) > position:
            return self.args[position]
        return self.kwargs.get(name, default)


#: Counts the multiply-adds of a call; None where they cannot be said.
Formula = Callable[[OperationCall], int | None]
#: A formula; 0 for what multiplies no weights or values with each other and adds up; "counted" for
#: what ``torch.utils.flop_counter`` counts while it runs; None where the cost is not known.
Cost = Formula | Literal[0, "counted"] | None


@dataclass(frozen=True, kw_only=True)
class Operation:
    """All that is known of an operation.

    Parameters
    ----------
    name
        The field's usual name: ``operator.iadd`` is ``add``.
    family
        The kind of operation, such as ``"convolution"``.
    functions
        Names of the functions and methods that do it, without underscores at their ends.
    attributes
        Attributes of a tensor that do it, such as ``shape``.
    exactly
        Names of functions and methods, as they are written, that come before ``functions``.
    in_place
        Of ``functions``, the operators that overwrite their first argument.
    modules
        Classes of modules that do it; a subclass is its parent where it has no record.
    class_names
        Names of classes of other libraries that do it.
    role
        Its part in a graph. ``Role.KERNEL`` is for functions that read learned numbers; where there
        are none, they are edges.
    kind
        What a layer or merge that it makes is called; its name where this is empty.
    reads
        Whose values it uses: of all arguments, of the first, or of the second; the others give
        their shape or dtype.
    channels
        The dimension of its result that counts channels, from the end; None where that depends on
        what it reads.
    moves
        What it makes of the dimensions that it reads.
    factors
        Of a product's arguments, the one whose rows and the one whose columns the result has.
    positions
        For how many dimensions of positions it is made; None for any number.
    passing
        How cut channels pass through it; None where it mixes them.
    weight_inputs
        The dimension of its weight that counts the channels that it reads; None where its weight
        does not shrink in proportion to them.
    arguments
        Of a function that a refit can stand in for, the names of its arguments, in order.
    varies_in_shape
        Whether the size of its result depends on the values that it reads.
    neutral
        The number that can stand for an operand that is gone: 0 in a sum, 1 in a product.
    commutes
        Whether either operand can go; otherwise only the second one.
    is_idle
        Whether its result has the numbers that it reads, in evaluation mode, as dropout and copies.
    is_statistic
        Whether it reduces a tensor to what a norm needs of it.
    multiply_adds
        What it costs.
    """

    name: str
    family: str
    functions: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    exactly: tuple[str, ...] = ()
    in_place: tuple[str, ...] = ()
    modules: tuple[type[nn.Module], ...] = ()
    class_names: tuple[str, ...] = ()
    role: Role = Role.EDGE
    kind: str = ""
    reads: Literal["all", "first", "second"] = "all"
    channels: int | None = None
    moves: Moves = Moves.AS_READ
    factors: tuple[int, int] = (0, 1)
    positions: int | None = None
    passing: Passing | None = None
    weight_inputs: int | None = None
    arguments: tuple[str, ...] = ()
    varies_in_shape: bool = False
    neutral: Literal[0, 1] | None = None
    commutes: bool = True
    is_idle: bool = False
    is_statistic: bool = False
    multiply_adds: Cost = field(default=None, compare=False)

    @property
    def usual_kind(self) -> str:
        """What a layer or merge that it makes is called."""
        return self.kind or self.name

    @property
    def is_elementwise(self) -> bool:
        """Whether every number of the result comes from one number, in the same place."""
        return self.passing is Passing.ELEMENTWISE

    @property
    def is_per_channel(self) -> bool:
        """Whether it treats the channels (dimension 1) one by one."""
        return self.passing in (Passing.SPATIAL, Passing.NORM, Passing.SLOPES)
