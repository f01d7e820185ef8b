"""What a model is called with: from the data, from --input-shape, or as the model itself says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from infoflow.capture.batches import Samples
from infoflow.cli.spec import Spec, parse_spec
from infoflow.cli.usual import (
    SAMPLES,
    image_shape,
    is_detector,
    is_flow,
    transformers_inputs,
    uniform,
)
from infoflow.graph.running.arguments import Arguments
from infoflow.interface import ArgumentError


def parse_shape(text: str) -> tuple[int, ...]:
    """Return ``"3,128,128"`` as numbers."""
    try:
        shape = tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise ArgumentError(
            f"--input-shape must be whole numbers such as 3,128,128, the shape of one sample "
            f"without the batch, got {text!r}."
        )
    return shape


def example_input(
    model: nn.Module, text: str, shapes: Sequence[str], loader: Iterable[Any] | None
) -> Any:
    """Return what to trace ``model`` with: two samples, where they are made here.

    Parameters
    ----------
    model, text
        The module, and what was typed for it.
    shapes
        Shapes of one sample, one for each argument; ``"16:int"`` for whole numbers.
    loader
        Where the samples are taken from, if anywhere.

    Raises
    ------
    ArgumentError
        Where nothing tells the shape.
    """
    if loader is not None:
        return Samples(loader, model=model).example().call
    spec = parse_spec(text) or Spec(text, "", text)
    if is_detector(model):
        return Arguments((_images(model, shapes),))
    named = transformers_inputs(model)
    if named:
        return _named(named, shapes, text)
    if shapes:
        inputs = tuple(_draw(shape) for shape in shapes)
        return Arguments(inputs * 2 if is_flow(model) and len(inputs) == 1 else inputs)
    own = _own_example(model)
    if own is not None:
        return own
    shape = image_shape(model, spec)
    if shape is not None:
        return Arguments(tuple(uniform(SAMPLES, *shape) for _ in range(1 + is_flow(model))))
    raise ArgumentError(
        f"The shape of {text}'s input is not known. Pass --input-shape, such as 3,128,128, once "
        "for each argument, or --data."
    )


def _own_example(model: Any) -> Any:
    """Return what a model says itself that it is called with, None where it says nothing."""
    example = getattr(model, "example_input_array", None)
    if example is not None:
        return example
    inputs = getattr(model, "dummy_inputs", None)
    # all models of transformers say tokens, whatever they take
    is_its_own = getattr(model, "main_input_name", None) in (None, *(inputs or ()))
    return Arguments(kwargs=inputs) if isinstance(inputs, dict) and is_its_own else None


def _images(model: Any, shapes: Sequence[str]) -> list[Tensor]:
    """Return a list of images, as detectors want them: they resize these to one size."""
    if shapes:
        chosen = [parse_shape(shape) for shape in shapes]
        return [uniform(*shape) for shape in (chosen * SAMPLES if len(chosen) == 1 else chosen)]
    size = min(model.transform.min_size)
    return [uniform(3, size, size) for _ in range(SAMPLES)]


def _named(usual: dict[str, Tensor], shapes: Sequence[str], text: str) -> Arguments:
    """Return keyword arguments; given shapes replace the usual ones, in their order."""
    if len(shapes) > len(usual):
        raise ArgumentError(
            f"{text} takes {', '.join(usual)}, got {len(shapes)} shapes. Pass --input-shape once "
            "for each, or not at all."
        )
    given = dict(zip(usual, shapes, strict=False))
    kwargs = {
        name: _like(tensor, parse_shape(given[name])) if name in given else tensor
        for name, tensor in usual.items()
    }
    return Arguments(kwargs=kwargs)


def _like(usual: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return random numbers of the usual kind and range."""
    if usual.is_floating_point():
        return uniform(SAMPLES, *shape)
    return torch.randint(int(usual.min()), int(usual.max()) + 1, (SAMPLES, *shape), device="cpu")


def _draw(text: str) -> Tensor:
    shape, _, kind = text.partition(":")
    if kind not in ("", "int"):
        raise ArgumentError(
            f"--input-shape can end in :int, for whole numbers such as tokens, got {text!r}."
        )
    size = (SAMPLES, *parse_shape(shape))
    # 0 and 1 are in every vocabulary
    return torch.randint(0, 2, size, device="cpu") if kind else uniform(*size)
