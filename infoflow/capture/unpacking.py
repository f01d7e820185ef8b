"""From a loader's batch to a model's arguments, and samples of one shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from infoflow.capture.unpack import Unpack, are_columns, have_rows, unpack_batch
from infoflow.graph.reduce import Reduce
from infoflow.graph.running.arguments import Arguments, as_arguments, parameters_of, takes
from infoflow.graph.running.pytree import Columns
from infoflow.interface import InfoflowError, LoaderError, PaddingWarning, warn
from infoflow.interface.argument_checks import shown
from infoflow.interface.errors import is_out_of_memory


class Unpacker:
    """Makes arguments and a target of batches, and remembers what lists of them are.

    Parameters
    ----------
    model
        What the inputs are for: the names of its arguments tell what a dictionary holds.
    unpack
        The caller's own function; None for tensors, ``(x, y)`` pairs and the usual dictionaries.
    is_collated
        Whether a list is known to hold a column for each argument.
    """

    def __init__(self, model: nn.Module, unpack: Unpack | None, is_collated: bool) -> None:
        self._model = model
        self._is_collated = is_collated
        known, required = parameters_of(model), parameters_of(model, required=True)
        self._unpack = unpack or (
            lambda batch: unpack_batch(batch, known, required, is_collated=self._is_collated)
        )

    def read(self, number: int, raw: Any) -> tuple[Arguments, Any]:
        """Return the arguments and the target of a batch; a LoaderError where that fails."""
        try:
            found = self._unpack(raw)
        except InfoflowError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise LoaderError(
                f"unpack failed on batch {number}, a {type(raw).__name__}, with "
                f"{type(error).__name__}: {error}. Expected a function that returns (inputs, "
                "target)."
            ) from error
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise LoaderError(
                f"unpack must return (inputs, target), got {shown(found)} for batch {number}. "
                "Return None as the target where there is none."
            )
        inputs, target = found
        if isinstance(inputs, list) and self._has_columns(inputs, target):
            # what a DataLoader makes of a tuple, unless it is one argument
            is_one = len(inputs) > 1 and not takes(self._model, inputs)
            inputs = (Columns(inputs),) if is_one else tuple(inputs)
        return as_arguments(self._model, inputs), target

    def _has_columns(self, inputs: list[Any], target: Any) -> bool:
        """Tell whether a list holds columns; where one batch tells, so do the later ones."""
        if self._is_collated or have_rows(inputs, target):
            self._is_collated = True
        return self._is_collated or are_columns(inputs)


@dataclass
class SampleShapes:
    """The shapes that samples have been seen to have.

    Parameters
    ----------
    reduce
        What of values with positions is measured. Where that is not all of them, samples may have
        several lengths.
    """

    reduce: Reduce
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def check(self, number: int, shape: tuple[int, ...]) -> None:
        """Raise a LoaderError, or warn of padding, where a batch has samples of another shape."""
        if not self.seen:
            self.seen.append(shape)
        if shape in self.seen:
            return
        if self.reduce == "flatten" or len(self.seen[0]) != len(shape):
            pair = "If they are inputs and targets, pass [(inputs, target)]. " * (number == 1)
            raise LoaderError(
                f"Samples must all have one shape, got {self.seen[0]} in batch 0 and {shape} in "
                f"batch {number}. {pair}Resize or crop them in the dataset, pad sequences to one "
                "length, or measure one position with reduce='first'."
            )
        if len(self.seen) == 1 and self.reduce not in ("first", 0):
            warn(
                f"Samples have several shapes, such as {self.seen[0]} and {shape}. Where they "
                f"are padded, reduce={self.reduce!r} takes the padding for a part of them, and "
                "numbers depend on how the loader puts batches together. reduce='first' does not.",
                PaddingWarning,
            )
        self.seen.append(shape)
