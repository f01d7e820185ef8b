"""What is asked of every model of the zoo; each check returns what goes into its record."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import networkx as nx
import torch
from torch import Tensor, nn

import infoflow
from infoflow.graph.layer_graph import LayerGraph
from infoflow.graph.running.arguments import as_arguments
from infoflow.graph.running.model_state import countable_attention
from infoflow.graph.running.pytree import tensors_in
from infoflow.interface import InfoflowError, Merge
from tests.zoo.entry import Arguments, Make, Subject, copied, one_line
from tests.zoo.state import fingerprint, moved

_Result = TypeVar("_Result")

#: How far a replay may be from the model, relative to each value and to the largest one.
_RELATIVE, _ABSOLUTE = 1e-3, 1e-4


def trace(subject: Subject) -> tuple[LayerGraph | None, dict[str, Any]]:
    """(a) Trace the model, or be refused with a reason."""
    record: dict[str, Any] = {"input": _shapes(subject.arguments())}
    try:
        graph, seconds = _timed(subject)
    except InfoflowError as error:
        return None, {**record, "status": "refused", "reason": one_line(error, 400)}
    except Exception as error:
        return None, {**record, "status": "failed", "reason": one_line(error, 400)}
    return graph, {**record, "status": "traced", **seconds, **_describe(graph)}


def cost(model: nn.Module, make: Make) -> dict[str, Any]:
    """Time tracing on input of another size."""
    subject = Subject(model, make)
    return {"usual": {"input": _shapes(subject.arguments()), **_timed(subject)[1]}}


def _timed(subject: Subject) -> tuple[LayerGraph, dict[str, Any]]:
    """Trace a model; time it, and one plain forward pass, in seconds of the processor.

    What tracing has changed of the model is named, too.
    """
    args, kwargs = arguments = subject.arguments()
    with torch.no_grad():
        subject.model(*copied(args), **copied(kwargs))
        forward = statistics.median(
            _seconds(lambda: subject.model(*copied(args), **copied(kwargs)))[1] for _ in range(3)
        )
    args, kwargs = copied(arguments)
    before = fingerprint(subject.model)
    graph, seconds = _seconds(lambda: infoflow.trace(subject.model, args, kwargs))
    return graph, {
        "changed": moved(before, fingerprint(subject.model)),
        "forward_seconds": round(forward, 4),
        "trace_seconds": round(seconds, 4),
        "ratio": round(seconds / forward, 2),
    }


def _describe(graph: LayerGraph) -> dict[str, Any]:
    return {
        "label": graph.verification.label,
        "verified": list(graph.verification.checks),
        "notes": list(graph.verification.notes),
        "layers": len(graph.layers),
        "merges": len(graph.merges),
        "skips": len(graph.skips),
        "kinds": kinds_of(graph.merges),
        "unmeasurable": len(graph.unmeasurable),
        "unseen": list(graph.verification.unseen),
    }


def kinds_of(merges: Iterable[Merge]) -> dict[str, int]:
    """Count merges by kind."""
    return dict(sorted(Counter(merge.kind for merge in merges).items()))


def alive(graph: LayerGraph) -> list[Merge]:
    """Return the merges from which some path leads to an output; export has no others."""
    net = graph.to_networkx()
    reached = set(graph.outputs)
    for name in graph.outputs:
        reached |= nx.ancestors(net, name)
    return [m for m in graph.merges if not m.layers or not reached.isdisjoint(m.layers)]


def replay(subject: Subject, graph: LayerGraph) -> dict[str, Any]:
    """(b) Run the graph's program on new input and on another batch size."""
    found = {}
    for name, arguments in (
        ("new input", subject.arguments(2, seed=1)),
        ("another batch", subject.arguments(3, seed=2)),
    ):
        try:
            wanted = tensors_in(subject.run(arguments))
        except Exception as error:
            found[name] = f"the model stops with {one_line(error, 80)}"
            continue
        found[name] = _replayed(subject, graph, arguments, wanted)
    return {"replay": found}


def _replayed(
    subject: Subject, graph: LayerGraph, arguments: Arguments, wanted: list[Tensor]
) -> str:
    args, kwargs = copied(arguments)
    torch.manual_seed(0)
    try:
        with torch.no_grad():
            *_, (_, value) = graph.program.run(as_arguments(subject.model, args, kwargs))
    except Exception as error:
        return one_line(error, 120)
    got = tensors_in(value)
    if len(got) != len(wanted):
        return f"{len(got)} tensors, the model gives {len(wanted)}"
    return "ok" if all(map(_is_close, got, wanted)) else "another output than the model's"


def _is_close(got: Tensor, wanted: Tensor) -> bool:
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return False
    if not got.is_floating_point() or not wanted.numel():
        return torch.equal(got, wanted)
    scale = float(wanted.nan_to_num(0, 0, 0).abs().max())
    return torch.allclose(
        got, wanted, rtol=_RELATIVE, atol=_ABSOLUTE * max(scale, 1e-30), equal_nan=True
    )


def hooks(subject: Subject, graph: LayerGraph) -> dict[str, Any]:
    """(c) Compare every module layer's value, bit for bit, with a hook on the model itself."""
    arguments = subject.arguments()
    targets = {str(node.target) for node in graph.program.nodes if node.op == "call_module"}
    seen, missed = _watch(subject, arguments, targets)
    replayed: dict[str, list[str]] = {}
    args, kwargs = copied(arguments)
    torch.manual_seed(0)
    with torch.no_grad(), countable_attention():
        for node, value in graph.program.run(as_arguments(subject.model, args, kwargs)):
            if node.op == "call_module":
                replayed.setdefault(str(node.target), []).append(_digest(value))
    different = sorted(name for name in targets if seen.get(name) != replayed.get(name))
    return {
        "hooks": {
            "compared": sum(map(len, replayed.values())),
            "different": different[:5],
            "missed": sorted(missed)[:5],
        }
    }


def _watch(
    subject: Subject, arguments: Arguments, targets: set[str]
) -> tuple[dict[str, list[str]], set[str]]:
    """Run the model with hooks; return digests by name, and torch.nn layers that are no target."""
    seen: dict[str, list[str]] = {}
    missed: set[str] = set()

    def hook(name: str) -> Callable[..., None]:
        def keep(module: nn.Module, args: Any, output: Any) -> None:
            if name in targets:
                seen.setdefault(name, []).append(_digest(output))
            elif not any(name.startswith(f"{target}.") for target in targets):
                missed.add(name)

        return keep

    handles = [
        module.register_forward_hook(hook(name))
        for name, module in subject.model.named_modules()
        if name in targets or (name and _is_plain_layer(module))
    ]
    try:
        subject.run(arguments)
    finally:
        for handle in handles:
            handle.remove()
    return seen, missed


def _is_plain_layer(module: nn.Module) -> bool:
    home = getattr(module.forward, "__module__", "")
    is_container = isinstance(module, nn.Sequential) or any(True for _ in module.children())
    return home.startswith("torch.nn.modules") and not is_container


def _digest(value: Any) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for tensor in tensors_in(value):
        digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        plain = tensor.detach().dequantize() if tensor.is_quantized else tensor.detach()
        digest.update(plain.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _seconds(call: Callable[[], _Result]) -> tuple[_Result, float]:
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


def _shapes(arguments: Arguments) -> str:
    shapes = ["×".join(map(str, tensor.shape)) for tensor in tensors_in(arguments)]
    return ", ".join(shapes[:4]) + (", …" if len(shapes) > 4 else "")
