"""What a pruned net stands for, and what it leaves out."""

from __future__ import annotations

from torch import Tensor

from infoflow.graph import LayerGraph
from infoflow.graph.running.members import named_parameters


def unused_parameters(graph: LayerGraph) -> tuple[str, ...]:
    """Say which parameters the path of the example does not use."""
    used = used_parameters(graph)
    unused = [name for name, _ in named_parameters(graph.program.model) if name not in used]
    if not unused:
        return ()
    return (
        f"{len(unused)} tensors, such as {unused[0]}, are not used in evaluation mode, and are "
        "not part of it",
    )


def limits(graph: LayerGraph) -> list[str]:
    """Say where the path of the example is not that of other input."""
    notes = []
    if graph.verification.label != "exact":
        notes.append(
            f"the recording of {graph.model} is of {graph.verification.label}: for other numbers "
            "or shapes of samples the pruned net may give something else"
        )
    if graph.program.compares_sizes:
        notes.append(
            f"{graph.model} compares sizes of its input, and the pruned net does what came out "
            "for the example, whatever the sizes: prune with an example of the size that it will "
            "be used with"
        )
    return notes


def used_parameters(graph: LayerGraph) -> dict[str, Tensor]:
    """Return, by name, the parameters that the path of the example uses."""
    used = {str(n.target) for n in graph.program.nodes if n.op in ("call_module", "get_attr")}
    prefixes = tuple(f"{name}." for name in used)
    named = named_parameters(graph.program.model)
    return {name: p for name, p in named if name in used or name.startswith(prefixes)}
