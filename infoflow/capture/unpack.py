"""What a loader's batch holds: inputs and target."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from torch import Tensor

from infoflow.graph.running.arguments import holds_samples
from infoflow.graph.running.pytree import tensors_in
from infoflow.interface import LoaderError

#: Turns what a loader gives into ``(inputs, target)``; target may be None.
Unpack = Callable[[Any], tuple[Any, Any]]

_INPUT_KEYS = ("image", "images", "input", "inputs", "pixel_values", "x", "data")
_TARGET_KEYS = ("label", "labels", "mask", "masks", "target", "targets", "y")


def unpack_batch(
    batch: Any,
    arguments: Collection[str] = (),
    required: Collection[str] = (),
    *,
    is_collated: bool = False,
) -> tuple[Any, Any]:
    """Split a batch into inputs and target: a tensor, a pair, or a dictionary.

    Of a dictionary, what has the name of one of the model's ``arguments`` is an input, but for the
    usual names of targets that are not ``required``; where there is none, the usual names of inputs
    are looked for. A list that torch has collated holds a column per argument, and no samples.
    """
    if isinstance(batch, Tensor):
        return batch, None
    if isinstance(batch, Mapping):
        targets = [key for key in _TARGET_KEYS if key not in required]
        target = next((batch[key] for key in targets if key in batch), None)
        named = {k: v for k, v in batch.items() if k in arguments and k not in targets}
        if named:
            return named, target
        inputs = next((batch[key] for key in _INPUT_KEYS if key in batch), None)
        if inputs is None:
            raise LoaderError(
                f"A batch is a dictionary with keys {sorted(map(str, batch))}, expected one of "
                f"{', '.join(_INPUT_KEYS)} for the input. Pass unpack=, a function from a batch to "
                "(inputs, target)."
            )
        return inputs, target
    is_list = isinstance(batch, list) and not is_collated
    if is_list and holds_samples(batch) and not are_columns(batch):
        return batch, None
    if isinstance(batch, Sequence) and 1 <= len(batch) <= 2:
        return batch[0], batch[1] if len(batch) == 2 else None
    size = f" of {len(batch)}" if isinstance(batch, Sequence) else ""
    raise LoaderError(
        f"A batch is a {type(batch).__name__}{size}, expected a tensor, an (inputs, target) pair "
        "or a dictionary. Pass unpack=, a function from a batch to (inputs, target)."
    )


def are_columns(values: list[Any]) -> bool:
    """Tell whether a list is what a DataLoader makes of tuples: a tensor per argument.

    A list of images is none; of numbers and waveforms, only what has several lengths.
    """
    if not holds_samples(values):
        return True
    tensors = tensors_in(values)
    return tensors[0].ndim == 1 and len({len(tensor) for tensor in tensors}) == 1


def have_rows(values: list[Any], target: Any) -> bool:
    """Tell whether a target says that tensors have a row for each sample, as images have not.

    A batch of 3 sequences, (3, L, D), looks like an image, and several like a list of images.
    """
    try:
        samples = len(target)
    except TypeError:
        return False
    tensors = [value for value in values if isinstance(value, Tensor) and value.ndim]
    is_all = len(tensors) == len(values)
    return is_all and samples != len(values) and {len(one) for one in tensors} == {samples}
