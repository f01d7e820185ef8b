"""``infoflow.trace``: from a module and an example to a layer graph."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from infoflow.graph.facts import Fact, collect_facts
from infoflow.graph.layer_graph import LayerGraph
from infoflow.graph.merges import find_merges
from infoflow.graph.modes import check_model, evaluation_mode
from infoflow.graph.paths import Paths
from infoflow.graph.program import Program, copied, first_tensor, per_sample
from infoflow.graph.rows import find_unmeasurable
from infoflow.graph.streams import LayerDraft, Streams, find_streams
from infoflow.graph.symbolic import symbolic_trace
from infoflow.interface import (
    ArgumentError,
    InfoflowError,
    Layer,
    Merge,
    UntraceableModelError,
)


def trace(model: nn.Module, example: Any) -> LayerGraph:
    """Turn a module into a graph of layers, streams and merges.

    The module is traced in evaluation mode by torch.fx, run on the example, and checked: the traced
    program must give the module's own output. The module is left as it was.

    Parameters
    ----------
    model
        Any module whose forward does not branch on the values of tensors.
    example
        A batch of inputs: a tensor, or a tuple of the positional arguments of ``model.forward``.
        Its first dimension counts the samples.

    Returns
    -------
    LayerGraph
        With ``.layers``, ``.merges``, ``.skips``; ``print`` shows it as a table.

    Raises
    ------
    UntraceableModelError
        The tracing stopped (the message names the line), or gave a program with another output.

    Examples
    --------
    >>> import torch
    >>> from infoflow.testing import UNet
    >>> graph = trace(UNet(base_channels=4), torch.zeros(1, 3, 32, 32))
    >>> len(graph.layers), [str(skip) for skip in graph.skips]
    (23, ['7→11', '5→14', '3→17', '1→20'])
    """
    check_model(model)
    arguments = as_arguments(example)
    samples = _batch_size(arguments)
    with evaluation_mode(model):
        expected = _run_model(model, arguments)
        program = Program(symbolic_trace(model, len(arguments)))
        facts, output = collect_facts(program, arguments)
        _check_replay(model, expected, output)
        streams = find_streams(program, facts)
        values = {draft.value: draft.name for draft in streams.layers}
        with torch.no_grad():
            unmeasurable = find_unmeasurable(program, values, arguments, samples)
    paths = Paths(streams)
    layers = {
        draft.name: _finish_layer(index, draft, facts, 0 if draft.name in unmeasurable else samples)
        for index, draft in enumerate(streams.layers)
    }
    merges = find_merges(streams, paths, layers, program)
    return LayerGraph(
        model=type(model).__name__,
        inputs=streams.inputs,
        layers=_mark_merges(layers, merges),
        merges=merges,
        outputs=_output_sources(streams),
        dominators={name: paths.dominating_layer(name) for name in layers},
        program=program,
        value_nodes={draft.name: draft.value for draft in streams.layers},
        unmeasurable=unmeasurable,
    )


def as_arguments(example: Any) -> tuple[Any, ...]:
    """Return the positional arguments that an example stands for."""
    return tuple(example) if isinstance(example, (tuple, list)) else (example,)


def _batch_size(arguments: tuple[Any, ...]) -> int:
    tensor = first_tensor(arguments)
    if tensor is None or tensor.ndim == 0:
        got = type(arguments[0]).__name__ if arguments else "nothing"
        raise TypeError(
            f"example must be a tensor with a batch dimension, or a tuple of the model's "
            f"arguments, got {got}. Pass one batch, such as torch.zeros(1, 3, 128, 128)."
        )
    if tensor.shape[0] == 0:
        raise ArgumentError("example must hold at least one sample, got a batch of size 0.")
    return tensor.shape[0]


def _run_model(model: nn.Module, arguments: tuple[Any, ...]) -> Any:
    try:
        with torch.no_grad():
            return model(*copied(arguments))
    except Exception as error:
        shapes = [tuple(a.shape) for a in arguments if isinstance(a, torch.Tensor)]
        raise InfoflowError(
            f"{type(model).__name__} does not run on the example, of shape {shapes}: "
            f"{type(error).__name__}: {str(error).rstrip('.')}. Pass inputs that model(*inputs) "
            "accepts; on the command line, --input-shape."
        ) from error


def _check_replay(model: nn.Module, expected: Any, output: Any) -> None:
    wanted, got = first_tensor(expected), first_tensor(output)
    if wanted is None:
        raise UntraceableModelError(
            f"{type(model).__name__} returns {type(expected).__name__}, which holds no tensor; "
            "expected at least one. Wrap the model so that its forward returns the tensor."
        )
    if got is None or got.shape != wanted.shape or not torch.allclose(got, wanted, equal_nan=True):
        raise UntraceableModelError(
            f"{type(model).__name__} was traced, but the traced program gives another output than "
            "the model. Symbolic tracing has lost part of it: look for type checks on tensors, "
            "such as torch.jit.isinstance, or for randomness in forward."
        )


def _finish_layer(index: int, draft: LayerDraft, facts: dict[Any, Fact], samples: int) -> Layer:
    """Describe a layer; with 0 samples, where there is no row per sample, for the whole batch."""
    shape = facts[draft.value].shape
    if samples:
        shape = tuple(per_sample(torch.empty(shape, device="meta"), samples).shape[1:])
    return Layer(
        index=index,
        name=draft.name,
        kind=draft.kind,
        shape=shape,
        streams=draft.streams,
        followed_by=tuple(draft.followed_by),
        parameters=draft.parameters,
        multiply_adds=facts[draft.node].multiply_adds // max(samples, 1),
    )


def _mark_merges(layers: dict[str, Layer], merges: tuple[Merge, ...]) -> tuple[Layer, ...]:
    met = {name for merge in merges for name in merge.layers}
    return tuple(replace(layer, is_merge=layer.name in met) for layer in layers.values())


def _output_sources(streams: Streams) -> tuple[str, ...]:
    return tuple(dict.fromkeys(s for flow in streams.outputs for s in flow.sources))
