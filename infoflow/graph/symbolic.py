"""Record a module as a torch.fx program by symbolic tracing."""

from __future__ import annotations

import inspect
import traceback
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from infoflow.interface import UntraceableModelError

_TORCH = Path(torch.__file__).parent
_OURS = Path(__file__).parents[1]


def symbolic_trace(model: nn.Module, arguments: int) -> fx.GraphModule:
    """Trace ``model`` with ``arguments`` positional inputs; the others keep their defaults.

    Raises
    ------
    UntraceableModelError
        Names the line of the model that stopped the tracing.
    """
    tracer = fx.Tracer()
    try:
        graph = tracer.trace(model, concrete_args=_defaults(model, arguments))
    except Exception as error:
        raise UntraceableModelError(_explain(model, error)) from error
    return fx.GraphModule(tracer.root, graph, type(model).__name__)


def _defaults(model: nn.Module, arguments: int) -> dict[str, Any]:
    """Return the defaults of the parameters of ``forward`` that the example does not fill."""
    parameters = list(inspect.signature(model.forward).parameters.values())
    return {
        parameter.name: parameter.default
        for parameter in parameters[arguments:]
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
        "a forward whose path does not depend on the values of tensors. Move that line into a "
        "function marked with torch.fx.wrap, or trace the part of the model around it."
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
