"""Lists of tensors that may be images, a sample each, or batches: a run of the model tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from infoflow.graph.running.arguments import Arguments, holds_samples
from infoflow.graph.running.pytree import Columns, first_tensor


def told_apart(model: nn.Module, call: Arguments) -> Arguments:
    """Return a call whose lists of batches are marked as such, where they look like images.

    Tensors (B, L, D) of one shape look like images where B is 1, 3 or 4. The model runs with
    another B: if its output has as many rows each time, they are batches. A net for images fails
    with another number of channels.

    Parameters
    ----------
    model
        In evaluation mode.
    call
        A call of it.
    """
    marked = _mapped(call, lambda value: Columns(value) if _may_be_batches(value) else value)
    if not any(isinstance(value, Columns) for value in (*marked.args, *marked.kwargs.values())):
        return call
    rows = marked.samples
    other = marked.select(slice(0, rows - 1)) if rows > 1 else marked.twice()
    try:
        with torch.no_grad():
            found = [(_rows(one.of(model)), one.samples) for one in (marked, other)]
    except (RuntimeError, ValueError, TypeError, IndexError):
        return call
    return marked if all(got == wanted for got, wanted in found) else call


def marked_as(example: Arguments | None, call: Arguments) -> Arguments:
    """Return a call whose lists are marked as lists of batches where those of an example are."""
    if example is None:
        return call
    values = (*example.args, *example.kwargs.values())
    if not any(isinstance(value, Columns) for value in values):
        return call
    return _mapped(call, lambda value: Columns(value) if type(value) is list else value)


def _mapped(call: Arguments, change: Callable[[Any], Any]) -> Arguments:
    named = {name: change(value) for name, value in call.kwargs.items()}
    return Arguments(tuple(change(value) for value in call.args), named)


def _may_be_batches(value: Any) -> bool:
    if type(value) is not list or not all(isinstance(one, Tensor) for one in value):
        return False
    return holds_samples(value) and len({(one.shape, one.ndim) for one in value}) == 1


def _rows(output: Any) -> int:
    first = first_tensor(output)
    return 0 if first is None or not first.ndim else len(first)
