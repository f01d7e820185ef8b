"""Which tensor of a model's output is the prediction, and whether it holds probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, fx

from infoflow.graph import LayerGraph
from infoflow.graph.running.pytree import items_of, leaves_of
from infoflow.interface import ArgumentError

Scale = Literal["logits", "probabilities"]
Link = Literal["softmax", "sigmoid", "log_softmax", "tanh"]

#: Names under which models return their prediction beside other things, in order of preference.
PREDICTION_NAMES = ("logits", "prediction_logits", "out", "output", "prediction", "predictions")
LOSS_NAME = "loss"

_LINKS: dict[str, Link] = {
    **dict.fromkeys(("softmax", "softmax2d"), "softmax"),
    **dict.fromkeys(("log_softmax", "logsoftmax"), "log_softmax"),
    "tanh": "tanh",
    **dict.fromkeys(("sigmoid", "sigmoid_", "hardsigmoid"), "sigmoid"),
}

#: Operations that leave probabilities what they are: they move them, or average neighbours.
_PASSING = frozenset(
    (
        *("view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "movedim", "flatten"),
        *("unflatten", "squeeze_", "unsqueeze_", "flatten_", "contiguous", "clone", "detach"),
        *("float", "double", "to", "type", "identity", "dropout", "dropout2d", "getitem"),
        *("interpolate", "upsample", "upsamplingbilinear2d", "upsamplingnearest2d"),
    )
)


def prediction_of(output: Any) -> Tensor:
    """Return the prediction in a model's output: a tensor, or one in a nesting.

    Of a mapping or a model output the one called ``logits`` or ``out``; else the first tensor of
    floating point with more than one number that is not called ``loss``.

    Raises
    ------
    ArgumentError
        If there is none.

    Examples
    --------
    >>> prediction_of({"loss": torch.tensor(2.0), "logits": torch.zeros(4, 10)}).shape
    torch.Size([4, 10])
    """
    return _find(output)[1]


def _find(output: Any) -> tuple[tuple[str, ...], Tensor]:
    """Return the way to the prediction, and the prediction."""
    leaves = _predictions(output)
    for name in PREDICTION_NAMES:
        for path, leaf in leaves:
            if path and path[-1] == name:
                return path, leaf
    if leaves:
        return leaves[0]
    if any(isinstance(leaf, Tensor) and leaf.is_floating_point() for _, leaf in leaves_of(output)):
        raise ArgumentError(
            f"The model's output, a {type(output).__name__}, holds its loss only, or one number "
            "where a squeeze() took away the dimension of a batch of one sample; expected a row "
            "for each sample. Pass loss='model' for a loss, else batches of two samples or more."
        )
    raise ArgumentError(
        f"The model's output, a {type(output).__name__}, holds no tensor of floating point that "
        "could be a prediction. Return scores and no argmax, or pass loss=, a function from "
        "(output, target) to the loss of each sample in nats."
    )


def choice_note(output: Any) -> tuple[str, ...]:
    """Say which of several possible predictions is taken; nothing where a name tells, or one is.

    Examples
    --------
    >>> choice_note({"aux": torch.zeros(2, 3), "main": torch.zeros(2, 3)})[0][:54]
    'the model returns several tensors (aux, main), and aux'
    """
    leaves = _predictions(output)
    if len(leaves) < 2 or any(path[-1] in PREDICTION_NAMES for path, _ in leaves):
        return ()
    names = [".".join(path) for path, _ in leaves]
    first = names[0] if not names[0].isdigit() else f"the first, of shape {_shape(leaves[0][1])},"
    listed = ", ".join(names[:4]) if not names[0].isdigit() else f"{len(names)}"
    return (
        f"the model returns several tensors ({listed}), and {first} is taken for the prediction; "
        "to choose another one, return it as 'logits' or alone, or pass loss=, a function from "
        "(output, target) to the loss of each sample in nats",
    )


def sole_loss_of(output: Any) -> Tensor | None:
    """Return the one tensor of a model that returns nothing but its loss, () or (B,); else None."""
    leaves = [leaf for _, leaf in leaves_of(output) if isinstance(leaf, Tensor)]
    if len(leaves) != 1 or leaves[0].ndim > 1 or not leaves[0].is_floating_point():
        return None
    return leaves[0]


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)


def _predictions(output: Any) -> list[tuple[tuple[str, ...], Tensor]]:
    """Return every tensor that could be a prediction, with the way to it."""
    return [
        (path, leaf)
        for path, leaf in leaves_of(output)
        if isinstance(leaf, Tensor)
        and leaf.is_floating_point()
        and leaf.ndim > 0
        and LOSS_NAME not in path
    ]


def own_loss_of(output: Any) -> Tensor | None:
    """Return the loss that a model returns beside its prediction, None where there is none."""
    named = items_of(output)
    if isinstance(output, Tensor) or named is None:
        return None
    by_name = dict(named).get(LOSS_NAME)
    if isinstance(by_name, Tensor):
        return by_name
    scalars = [part for _, part in named if isinstance(part, Tensor) and part.ndim == 0]
    if isinstance(output, Mapping) or len(scalars) != 1:
        return None
    return scalars[0] if scalars[0].is_floating_point() else None


def link_of(graph: LayerGraph | None, output: Any) -> Link | None:
    """Return the function that the net's prediction went through last, None for logits.

    The program is read backwards from the output, over what only moves values; a graph without a
    program tells it by what follows its output layer.
    """
    if graph is None:
        return None
    if not graph.has_program:
        last = [graph[name] for name in graph.outputs if name in graph.names][:1]
        return _last_link(last[0].followed_by if last else ())
    path, _ = _find(output)
    node = _follow(next(n for n in graph.program.nodes if n.op == "output").args[0], path)
    while isinstance(node, fx.Node):
        name = _operation(graph, node)
        if name in _LINKS:
            return _LINKS[name]
        if name not in _PASSING or not node.args:
            return None
        node = node.args[0]
    return None


def _follow(value: Any, path: tuple[str, ...]) -> Any:
    """Follow the way through a recorded output; the first node where the way is another one."""
    for step in path:
        parts = None if isinstance(value, fx.Node) else items_of(value)
        if parts is None:
            break
        value = dict(parts).get(step)
    return value


def _last_link(followed_by: tuple[str, ...]) -> Link | None:
    for name in reversed(followed_by):
        short = name.rpartition(".")[2].lower()
        if short in _LINKS:
            return _LINKS[short]
        if short not in _PASSING:
            return None
    return None


def _operation(graph: LayerGraph, node: fx.Node) -> str:
    module = graph.program.module(node)
    if module is not None:
        return type(module).__name__.lower()
    target = node.target
    name = target if isinstance(target, str) else getattr(target, "__name__", "")
    return name.rpartition(".")[2].lower()


def holds_distributions(prediction: Tensor, axis: int) -> bool:
    """Tell whether the values are at least 0 and sum to 1 along ``axis``, to 1e-3."""
    with torch.no_grad():
        sums = prediction.detach().double().sum(axis)
        return bool((prediction.detach() >= 0).all() and (sums - 1).abs().max() < 1e-3)


def lies_between_0_and_1(values: Tensor) -> bool:
    """Tell whether no value is below 0 or above 1."""
    return bool(((values.detach() >= 0) & (values.detach() <= 1)).all())
