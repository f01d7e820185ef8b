"""``infoflow.trace``: from a module and an example to a layer graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import fx, nn
from torch.nn.parameter import is_lazy

from infoflow.graph.graph_assembly import NodeFacts, build_graph, layer_positions
from infoflow.graph.layer_graph import LayerGraph
from infoflow.graph.proving import note_unseen, prove
from infoflow.graph.reduce import Reduce, check_reduce
from infoflow.graph.running.arguments import Arguments, as_arguments
from infoflow.graph.running.checks import check_arguments, explain_failure, unwrapped
from infoflow.graph.running.collection import full_collections_put_off
from infoflow.graph.running.lists import told_apart
from infoflow.graph.running.members import parameters_in
from infoflow.graph.running.model_state import countable_attention, counted_writes, evaluation_mode
from infoflow.graph.running.process_lock import alone
from infoflow.graph.running.pytree import first_tensor
from infoflow.graph.running.random_state import seeded
from infoflow.graph.streams import find_streams
from infoflow.graph.tracing.axes import find_axes
from infoflow.graph.tracing.leaves import Choice, Leaves
from infoflow.graph.tracing.program import Program, fixed_arguments
from infoflow.graph.tracing.record import record
from infoflow.graph.tracing.recording import Recording
from infoflow.graph.tracing.sample_wise import is_sample_wise
from infoflow.graph.tracing.source import Source
from infoflow.graph.tracing.symbolic import symbolic_facts, symbolic_trace
from infoflow.graph.tracing.trial_run import Axes, TrialRun
from infoflow.graph.tracing.unseen import unseen_weights
from infoflow.interface import (
    InfoflowError,
    UntraceableModelError,
    Verification,
)


def trace(
    model: nn.Module,
    example: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    leaves: Sequence[Choice] = (),
    opened: Sequence[Choice] = (),
    reduce: Reduce = "flatten",
) -> LayerGraph:
    """Turn a module into a graph of layers, streams and merges.

    The module runs once on the example, in evaluation mode, and each of its calls becomes a node of
    a torch.fx graph. The graph is then replayed on the example, on new input and with another
    number of samples, and compared with the module (:attr:`LayerGraph.verification`). The module
    stays as it was.

    Parameters
    ----------
    model
        Any module. Wrappers by ``torch.compile``, DataParallel or DDP are removed.
    example
        A batch of inputs: a tensor; a tuple of positional arguments; a dictionary of keyword
        arguments; or a list of images, for detectors. Tensors may be nested. None traces
        symbolically, without shapes and without a check.
    kwargs
        Keyword arguments, beside ``example``.
    leaves, opened
        Modules to keep whole as one layer, or to open, by class or by pattern of names. By default
        torch.nn's own modules are kept whole, except containers and ``nn.Transformer*``.
    reduce
        Which part to measure of values with positions: ``"flatten"`` (all), ``"mean"`` over
        positions, or the number of one, such as ``-1``.

    Returns
    -------
    LayerGraph
        With ``.layers``, ``.merges``, ``.skips``; ``print`` shows it as a table.

    Raises
    ------
    UntraceableModelError
        The model is scripted or quantised, returns no tensor, or, without an example, cannot be
        traced symbolically (the message names the line).
    InfoflowError
        The model raises on the example; its own error is in the message.

    Examples
    --------
    >>> import torch
    >>> from infoflow.testing import UNet
    >>> graph = trace(UNet(base_channels=4), torch.zeros(1, 3, 32, 32))
    >>> len(graph.layers), [str(skip) for skip in graph.skips]
    (23, ['7→11', '5→14', '3→17', '1→20'])
    >>> graph.verification.label
    'exact'
    """
    check_reduce(reduce)
    with alone(), full_collections_put_off():
        return _trace(model, example, kwargs, leaves, opened, reduce)


def _trace(
    model: nn.Module,
    example: Any,
    kwargs: Mapping[str, Any] | None,
    leaves: Sequence[Choice],
    opened: Sequence[Choice],
    reduce: Reduce,
) -> LayerGraph:
    model, notes = unwrapped(model)
    if example is None and kwargs is None:
        return _trace_symbolically(model, notes)
    call = as_arguments(model, example, kwargs)
    check_arguments(call)
    with ExitStack() as stack:
        snapshot = stack.enter_context(evaluation_mode(model))
        chosen = Leaves(model, leaves, opened, found=snapshot.found)
        for context in (countable_attention(), seeded()):
            stack.enter_context(context)
        call = told_apart(model, call)
        if any(map(is_lazy, parameters_in(model))):
            _run(model, call)
            notes.append("lazy modules were given the sizes of the example, and stay so")
        recording, gradients = _record_as_it_runs(model, call, chosen)
        stack.enter_context(counted_writes(gradients=gradients))
        program = _program(model, recording, chosen, call)
        streams = find_streams(program, recording.facts)
        values = {draft.value: draft.name for draft in streams.layers}
        source = _source_of(program, recording, values, chosen, call, gradients=gradients)
        trial = TrialRun(call, source, recording.output, values, recording.facts)
        proof = prove(trial, recording)
        unseen = unseen_weights(program, chosen, call) or ()
        note_unseen(proof, recording, unseen)
        source.is_faithful = proof.label == "exact"
        is_tried = source.is_faithful and bool(proof.axes)
        source.is_divisible = is_tried and is_sample_wise(program)
        axes = proof.axes or find_axes(trial, is_random=recording.is_random)
    if chosen.scripted:
        inside = "torch.jit hides what is inside"
        notes.append(f"{', '.join(chosen.scripted[:3])}: scripted, kept as one layer: {inside}")
    verification = Verification(
        proof.label, "recorder", tuple(proof.checks), (*notes, *proof.notes), unseen
    )
    positions = layer_positions(trial, streams, axes)
    known = NodeFacts(recording.facts, axes, max(call.samples, 1), positions)
    return build_graph(model, streams, known, source, verification, reduce)


def _program(model: nn.Module, recording: Recording, chosen: Leaves, call: Arguments) -> Program:
    return Program(
        model,
        recording.graph,
        recording.sources,
        fixed=fixed_arguments(model, call),
        constants=recording.constants,
        hidden=chosen.hidden,
        outcomes=recording.outcomes,
    )


def _run(model: nn.Module, call: Arguments) -> None:
    try:
        with torch.no_grad():
            call.of(model)
    except Exception as error:
        raise explain_failure(model, call, error) from error


def _record_as_it_runs(model: nn.Module, call: Arguments, leaves: Leaves) -> tuple[Recording, bool]:
    """Record a model without gradients, or with them where it differentiates and needs them on."""
    try:
        with counted_writes():
            return _record(model, call, leaves), False
    except InfoflowError as error:
        if not isinstance(error.__cause__, RuntimeError) or "grad" not in str(error.__cause__):
            raise
        first = error
    try:
        with counted_writes(gradients=True):
            return _record(model, call, leaves), True
    except InfoflowError:
        raise first from first.__cause__


def _record(model: nn.Module, call: Arguments, leaves: Leaves) -> Recording:
    try:
        with seeded():
            recording = record(model, call, leaves)
    except InfoflowError:
        raise
    except Exception as error:
        raise explain_failure(model, call, error) from error
    if first_tensor(recording.output) is None:
        raise UntraceableModelError(
            f"{type(model).__name__} returns {type(recording.output).__name__}, which holds no "
            "tensor; expected at least one. Wrap the model so that its forward returns the tensor."
        )
    return recording


def _source_of(
    program: Program,
    recording: Recording,
    values: Mapping[fx.Node, str],
    leaves: Leaves,
    call: Arguments,
    *,
    gradients: bool,
) -> Source:
    source = Source(
        program,
        values,
        leaves,
        recording.events,
        tuple(recording.trail),
        example=call,
        gradients=gradients,
    )
    source.ranks = {name: len(recording.facts[node].shape) for node, name in values.items()}
    source.ranks[""] = first_tensor(recording.output).dim()  # type: ignore[union-attr]
    return source


def _trace_symbolically(model: nn.Module, notes: list[str]) -> LayerGraph:
    with evaluation_mode(model):
        program = symbolic_trace(model)
        facts = symbolic_facts(program)
        streams = find_streams(program, facts)
    values = {draft.value: draft.name for draft in streams.layers}
    notes = [*notes, "there was no example: shapes are not known, and nothing was replayed"]
    verification = Verification("not verified", "symbolic", (), tuple(notes))
    axes: Axes = dict.fromkeys(values.values(), (0, None))
    source = Source(program, values, Leaves(model), {}, ())
    source.is_faithful = True
    return build_graph(
        model, streams, NodeFacts(facts, axes, 0, {}), source, verification, "flatten"
    )
