"""What a model is called with: a batch, in whatever form its ``forward`` takes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from infoflow.graph.running.pytree import (
    Columns,
    first_tensor,
    leaves_of,
    map_leaves,
    map_tensors,
    tensors_in,
)
from infoflow.graph.running.ragged import change_samples, is_ragged, samples_in, shape_of
from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import shown


@dataclass(frozen=True, eq=False)
class Arguments:
    """The arguments of one call of a model.

    Parameters
    ----------
    args, kwargs
        As in ``model(*args, **kwargs)``; tensors may be nested in them.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def of(self, model: nn.Module) -> Any:
        """Call ``model`` with copies of the tensors, since it may work in place on them."""
        copied = self.map(torch.clone)
        return model(*copied.args, **copied.kwargs)

    def map(self, change: Callable[[Tensor], Any]) -> Arguments:
        """Return a call with every tensor changed."""
        return Arguments(map_tensors(change, self.args), map_tensors(change, dict(self.kwargs)))

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors, however they are nested."""
        return tensors_in((self.args, dict(self.kwargs)))

    @property
    def first(self) -> Any:
        """The first argument that holds a tensor, before single numbers, or None."""
        values = [v for v in (*self.args, *self.kwargs.values()) if first_tensor(v) is not None]
        batches = (value for value in values if _has_rows(first_tensor(value)))
        return next(batches, values[0] if values else None)

    @property
    def samples(self) -> int:
        """Number of samples; 0 where nothing tells it.

        The first dimension of the first tensor; for a list of images, of waveforms or of
        dictionaries, the number of them.
        """
        first = self.first
        if is_ragged(first):
            return samples_in(first)
        if holds_samples(first):
            return len(first)
        tensor = first_tensor(first)
        return 0 if tensor is None or tensor.ndim == 0 else int(tensor.size(0))

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of all tensors."""
        return tuple(shape_of(t) for t in tensors_in((self.args, dict(self.kwargs))))

    @property
    def sample_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of all tensors, without the dimension that counts the samples."""
        return tuple(s[1:] if s[:1] == (self.samples,) else s for s in self.shapes)

    @property
    def has_rows_only(self) -> bool:
        """Whether every tensor is a plain one with a row for each sample."""
        leaves = tensors_in((self.args, dict(self.kwargs)))
        is_listed = holds_samples(self.first) or any(map(is_ragged, leaves))
        return not is_listed and all(s[:1] == (self.samples,) for s in self.shapes)

    def select(self, rows: slice) -> Arguments:
        """Return the call with some of its samples only."""
        return self.combine(lambda leaf: leaf[rows])

    def twice(self) -> Arguments:
        """Return the call with all of its samples, and then all of them again."""
        return self.combine(
            lambda leaf: torch.cat([leaf, leaf]) if isinstance(leaf, Tensor) else [*leaf, *leaf]
        )

    def combine(self, change: Callable[[Any], Any]) -> Arguments:
        """Return a call with ``change`` applied to what has a row, or an item, per sample."""
        count = self.samples

        def visit(value: Any) -> Any:
            if is_ragged(value):
                return change_samples(change, value) if samples_in(value) == count else value
            if holds_samples(value) and len(value) == count:
                return change(value)
            if isinstance(value, Tensor):
                return change(value) if value.ndim and len(value) == count else value
            return value

        return Arguments(
            tuple(_visit(visit, value) for value in self.args),
            {name: _visit(visit, value) for name, value in self.kwargs.items()},
        )

    def per_sample(self) -> list[Any]:
        """Return what has a row, or an item, per sample, in the order of :meth:`combine`."""
        found: list[Any] = []

        def keep(leaf: Any) -> Any:
            found.append(leaf)
            return leaf

        self.combine(keep)
        return found


def _has_rows(tensor: Tensor | None) -> bool:
    return tensor is not None and (tensor.is_nested or tensor.ndim > 0)


def _visit(visit: Callable[[Any], Any], value: Any) -> Any:
    return visit(value) if holds_samples(value) else map_leaves(visit, value)


def holds_samples(value: Any) -> bool:
    """Tell whether a list holds a sample an item: images (C, H, W), waveforms, or dictionaries.

    Waveforms that all have one length, and images of 4 channels that all have one size, are taken
    for a list of batches.
    """
    if not isinstance(value, (list, tuple)) or not value or is_ragged(value):
        return False
    if isinstance(value, Columns):
        return False
    if all(isinstance(item, Tensor) for item in value):
        has_sizes = len(value) == 1 or len({item.shape for item in value}) > 1
        if all(item.ndim == 1 for item in value):
            return has_sizes
        return all(map(_is_image, value)) and (has_sizes or value[0].shape[0] != 4)
    return isinstance(value, list) and all(
        isinstance(item, dict) and first_tensor(item) is not None for item in value
    )


def _is_image(tensor: Tensor) -> bool:
    return tensor.ndim == 3 and tensor.shape[0] in (1, 3, 4)


def as_arguments(
    model: nn.Module, example: Any, kwargs: Mapping[str, Any] | None = None
) -> Arguments:
    """Return the call that an example stands for.

    A tuple is the positional arguments. A dictionary whose keys are all parameters of ``forward``
    is the keyword arguments. Anything else is the one argument. NumPy arrays become tensors, and
    tensors of a subclass plain ones.
    """
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise ArgumentTypeError(
            f"kwargs must be a dictionary of keyword arguments, got {shown(kwargs)}. Pass what "
            "forward takes by name, such as kwargs={'mask': mask}."
        )
    if isinstance(example, Arguments):
        return example
    if isinstance(example, Mapping) and not kwargs and set(example) <= parameters_of(model):
        args: tuple[Any, ...] = ()
        named = dict(example)
    else:
        args = example if type(example) is tuple else (example,)
        args, named = (() if example is None else args), dict(kwargs or {})
    return Arguments(tuple(map_leaves(_as_plain, a) for a in args), map_leaves(_as_plain, named))


def _as_plain(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biufc":
        return torch.from_numpy(leaf)
    is_wrapper = isinstance(leaf, Tensor) and is_traceable_wrapper_subclass(leaf)
    if isinstance(leaf, Tensor) and type(leaf) is not Tensor and not is_wrapper:
        return leaf.as_subclass(Tensor)
    return leaf


def signature_of(model: nn.Module) -> inspect.Signature:
    """Return the signature of ``forward``; one that takes anything where Python knows none."""
    try:
        return inspect.signature(model.forward)
    except ValueError:  # a method that torch.jit has compiled
        return inspect.signature(lambda *args, **kwargs: None)


def parameters_of(model: nn.Module, *, required: bool = False) -> frozenset[str]:
    """Return the names of the arguments that ``forward`` takes by name, or those it must have."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = signature_of(model).parameters.values()
    return frozenset(
        p.name
        for p in parameters
        if p.kind in by_name and (p.default is inspect.Parameter.empty or not required)
    )


def takes(model: nn.Module, arguments: Sequence[Any]) -> bool:
    """Tell whether ``forward`` can be called with as many arguments by position."""
    try:
        signature_of(model).bind(*arguments)
    except TypeError:
        return False
    return True


def named_leaves(model: nn.Module, call: Arguments) -> Iterator[tuple[str, str, Any]]:
    """Yield what is no container in a call: its argument, its own name, and itself.

    The order is that of the parameters of ``forward``. The argument of an item of a list of samples
    is the list; of another nested tensor, its whole path.
    """
    bound = list(_bound(model, call))
    given = {name for name, _ in bound}
    for name, value in bound:
        is_list = holds_samples(value)
        for path, leaf in leaves_of(value):
            own = "_".join((name, *path))
            while path and own in given:
                own += "_"
            given.add(own)
            yield (name if is_list else own), own, leaf


def _bound(model: nn.Module, call: Arguments) -> Iterator[tuple[str, Any]]:
    signature = signature_of(model)
    try:
        arguments = signature.bind(*call.args, **call.kwargs).arguments
    except TypeError as error:
        raise ArgumentError(
            f"{type(model).__name__}.forward{signature} cannot be called with the example: "
            f"{error}. Pass a tensor, a tuple of positional arguments, or kwargs=."
        ) from error
    for name, value in arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            yield from ((f"{name}_{i}", item) for i, item in enumerate(value))
        elif kind is inspect.Parameter.VAR_KEYWORD:
            yield from value.items()
        else:
            yield name, value
