"""Trace a module without an example, by torch.fx's symbolic tracing."""

from __future__ import annotations

import inspect
import traceback
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from infoflow.graph.operations.lookup import is_about_shape, operation_of
from infoflow.graph.tracing.node_info import NodeInfo
from infoflow.graph.tracing.program import Program
from infoflow.interface import UntraceableModelError

_TORCH = Path(torch.__file__).parent
_OURS = Path(__file__).parents[1]


def symbolic_trace(model: nn.Module) -> Program:
    """Trace ``model``; arguments with a default keep it.

    Raises
    ------
    UntraceableModelError
        Names the line of the model that stopped the tracing.
    """
    tracer = fx.Tracer()
    try:
        graph = tracer.trace(model, concrete_args=_defaults(model))
    except Exception as error:
        raise UntraceableModelError(_explain(model, error)) from error
    module = fx.GraphModule(tracer.root, graph, type(model).__name__)
    for node in module.graph.nodes:
        stack = list(node.meta.get("nn_module_stack", {}))
        node.meta["path"] = stack[-1].split("@")[0] if stack else ""
    inputs = {
        node: str(node.target)
        for node in module.graph.nodes
        if node.op == "placeholder" and node.users
    }
    return Program(model, module.graph, inputs, root=module)


def symbolic_facts(program: Program) -> dict[fx.Node, NodeInfo]:
    """Return what can be said of the nodes without running them: which of them hold tensors."""
    facts: dict[fx.Node, NodeInfo] = {}
    for node in program.nodes:
        shape: tuple[int, ...] = ()
        carries = node in program.sources if node.op == "placeholder" else True
        if node.op == "get_attr":
            value = program.attribute(node)
            shape = tuple(getattr(value, "shape", ()))
            carries = isinstance(value, torch.Tensor)
        elif node.op == "call_function" or node.op == "call_method":
            before = [facts[argument] for argument in node.all_input_nodes]
            carries = any(fact.carries_tensor for fact in before) and not is_about_shape(node)
            shape = max((fact.shape for fact in before), key=len, default=())
        facts[node] = NodeInfo(carries, torch.Tensor, shape, _cost_without_shapes(program, node))
    return facts


def _cost_without_shapes(program: Program, node: fx.Node) -> int | None:
    """Return 0 for what multiplies nothing; without shapes, no more can be said."""
    if node.op not in ("call_module", "call_function", "call_method"):
        return 0
    return 0 if operation_of(node, program.module(node)).multiply_adds == 0 else None


def _defaults(model: nn.Module) -> dict[str, Any]:
    """Return the defaults of the parameters of ``forward``."""
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(model.forward).parameters.values()
        if parameter.default is not inspect.Parameter.empty
    }


def _explain(model: nn.Module, error: Exception) -> str:
    name = type(model).__name__
    frame = _last_frame_of_the_model(error)
    reason = str(error).strip().split(". ")[0].split("\n")[0] or type(error).__name__
    where = ""
    if frame is not None:
        where = f" at {Path(frame.filename).name}:{frame.lineno}, in {frame.name}: `{frame.line}`"
    return (
        f"{name} cannot be traced symbolically: it stopped{where} ({reason.rstrip('.')}). Expected "
        "a forward whose path does not depend on its input. Pass an example, and the model is "
        "recorded while it runs."
    )


def _last_frame_of_the_model(error: Exception) -> traceback.FrameSummary | None:
    """Return the user's last frame, or torch's where a module of torch itself is the reason."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(Path(frame.filename).is_relative_to(place) for place in (_OURS, _TORCH / "fx"))
        and not frame.filename.startswith("<")
    ]
    own = [frame for frame in frames if not Path(frame.filename).is_relative_to(_TORCH)]
    return next(reversed(own or frames), None)
