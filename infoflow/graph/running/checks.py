"""What a model is before it is traced: unwrapped, checked, and refused where that is due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from infoflow.graph.running.arguments import Arguments
from infoflow.graph.running.comparison import is_plain
from infoflow.graph.running.members import is_training, modules_of, named_modules, parameters_in
from infoflow.graph.running.model_state import check_model
from infoflow.graph.running.pytree import first_tensor, tensors_in
from infoflow.graph.running.ragged import is_ragged
from infoflow.interface import (
    ArgumentError,
    ArgumentTypeError,
    InfoflowError,
    UntraceableModelError,
)
from infoflow.interface.errors import OUT_OF_MEMORY, is_out_of_memory

T = TypeVar("T")


def unwrapped(model: nn.Module) -> tuple[nn.Module, list[str]]:
    """Return the model inside ``torch.compile``, DataParallel or DDP, and what was done.

    Raises
    ------
    ArgumentError
        For what is no module.
    UntraceableModelError
        For scripted and quantised models, whose inside torch does not show.
    """
    check_model(model)
    notes = []
    while True:
        inner = getattr(model, "_orig_mod", None)
        if isinstance(inner, nn.Module):
            notes.append("the model inside torch.compile was traced")
        elif isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            inner = model.module
            notes.append(f"the model inside {type(model).__name__} was traced")
        else:
            break
        model = inner
    modules = dict(named_modules(model))
    _refuse(model, modules)
    if any(map(is_training, modules.values())):
        notes.append("the model was in training mode: traced in evaluation mode, and put back")
    return model, notes


def _refuse(model: nn.Module, modules: Mapping[str, nn.Module]) -> None:
    name = type(model).__name__
    if isinstance(model, torch.jit.ScriptModule):
        raise UntraceableModelError(
            f"{name} is scripted by torch.jit, which hides its layers. Expected the Python module "
            "that it was made from: pass that one."
        )
    for path, module in modules.items():
        if ".quantized" in type(module).__module__:
            raise UntraceableModelError(
                f"{name} holds a quantised module, {path or 'itself'} ({type(module).__name__}), "
                "whose weights are no tensors that can be measured or pruned. Pass the float model."
            )


def explain_failure(
    model: nn.Module, call: Arguments, error: Exception, what: str = "the example"
) -> InfoflowError:
    """Return the model's own error on its example, or on a batch, with a sentence in front."""
    tensors = tensors_in((call.args, dict(call.kwargs)))
    shapes = ", ".join(f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in tensors)
    text = str(error).strip().rstrip(".") or "no message"
    return InfoflowError(
        f"{type(model).__name__} does not run on {what}, {shapes or 'without a tensor'}: "
        f"{type(error).__name__}: {text}. {_advice(model, call, error)}"
    )


def output_of(model: nn.Module, call: Arguments) -> Any:
    """Return what a model gives for a batch; its own error with a sentence in front."""
    return next(explained((call.of(model) for _ in range(1)), model, call))


def explained(steps: Iterable[T], model: nn.Module, call: Arguments) -> Iterator[T]:
    """Yield the steps of a run on a batch; the model's own error comes with a sentence in front."""
    iterator = iter(steps)
    while True:
        try:
            step = next(iterator)
        except StopIteration:
            return
        except InfoflowError:
            raise
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            if is_out_of_memory(error):
                raise
            raise explain_failure(model, call, error, "this batch") from error
        yield step


def _advice(model: nn.Module, call: Arguments, error: Exception) -> str:
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    tensors = tensors_in((call.args, dict(call.kwargs)))
    weights = [p for p in parameters_in(model) if p.is_floating_point()]
    homes = {str(p.device) for p in weights}
    elsewhere = {str(t.device) for t in tensors} - homes
    if homes and elsewhere:
        return (
            f"The example is on {', '.join(sorted(elsewhere))}, the model on "
            f"{', '.join(sorted(homes))}: move one of them with .to(device)."
        )
    kinds = {p.dtype for p in weights}
    whole = [t for t in tensors if t.dtype == torch.uint8]
    if kinds and whole and len(whole) == len(tensors):
        return (
            "The example is of whole numbers from 0 to 255, the model of "
            f"{', '.join(map(str, kinds))}: convert and scale it, as in images.float() / 255."
        )
    other = {t.dtype for t in tensors if t.is_floating_point()} - kinds
    if kinds and other:
        return (
            f"The example is {', '.join(map(str, other))}, the model {', '.join(map(str, kinds))}: "
            "convert one of them with .to(dtype)."
        )
    beyond = _beyond_table(model, tensors) if isinstance(error, IndexError) else None
    if beyond is not None:
        return beyond
    if not call.args and call.kwargs and isinstance(error, (TypeError, LookupError)):
        names = ", ".join(call.kwargs)
        return (
            f"The dictionary was given as the arguments {names}: where forward takes the "
            "dictionary itself, pass ({...},), a tuple of one."
        )
    return (
        "Pass inputs that model(*inputs) accepts, with kwargs= for keyword arguments; on the "
        "command line, --input-shape."
    )


def _beyond_table(model: nn.Module, tensors: Sequence[Tensor]) -> str | None:
    """Return what to do about token ids that an embedding has no row for; None without any."""
    tables = [m for m in modules_of(model) if isinstance(m, (nn.Embedding, nn.EmbeddingBag))]
    rows = [table.num_embeddings for table in tables]
    for ids in tensors:
        if rows and ids.numel() and not ids.is_floating_point() and ids.dtype is not torch.bool:
            low, high = int(ids.min()), int(ids.max())
            if low < 0 or high >= max(rows):
                got = low if low < 0 else high
                return (
                    f"Token ids must lie between 0 and {max(rows) - 1}, as many as the embedding "
                    f"has rows, got {got}: take the tokenizer of this model, or a larger embedding."
                )
    return None


def check_arguments(call: Arguments) -> None:
    """Raise for an example without a tensor, or without samples."""
    tensors = tensors_in((call.args, dict(call.kwargs)))
    if all(tensor.ndim == 0 for tensor in tensors):
        values = (*call.args, *call.kwargs.values())
        got = type(values[0]).__name__ if values else "nothing"
        got = "a single number" if tensors else got
        raise ArgumentTypeError(
            f"example must be a tensor with a batch dimension, or a tuple of the model's "
            f"arguments, got {got}. Pass one batch, such as torch.zeros(1, 3, 128, 128)."
        )
    strange = [t.layout for t in tensors if not (is_plain(t) or is_ragged(t))]
    if strange:
        raise ArgumentError(
            f"example must hold dense, sparse, nested or packed tensors, got {strange[0]}. Convert "
            "it with .to_dense()."
        )
    first = first_tensor(call.first)
    if first is not None and not first.is_nested and len(first) == 0:
        raise ArgumentError(
            f"example must hold at least one sample, got a tensor of shape {tuple(first.shape)}. "
            "Pass a batch of at least one."
        )
