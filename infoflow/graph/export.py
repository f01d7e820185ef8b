"""A layer graph in the languages of other tools: Graphviz, Mermaid and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from infoflow.graph.layer_graph import LayerGraph
from infoflow.interface import Merge

_MERGE_COLOUR = "#c2410c"
_SKIP_COLOUR = "#3b6fb6"
#: What Mermaid draws unless its host allows more; no diagram can raise these itself.
_MERMAID_EDGES, _MERMAID_CHARACTERS = 500, 50_000


def to_json(graph: LayerGraph) -> str:
    """Return ``graph.to_dict()`` as JSON, which :meth:`LayerGraph.from_dict` can read again.

    Examples
    --------
    >>> import infoflow, torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 2))
    >>> json.loads(to_json(infoflow.trace(net, torch.ones(2, 3))))["layers"][0]["name"]
    '0'
    """
    return json.dumps(graph.to_dict(), indent=2, ensure_ascii=False)


def to_dot(graph: LayerGraph) -> str:
    r"""Return the graph for Graphviz: merges in colour, skip connections dashed and labelled.

    Examples
    --------
    >>> import infoflow, torch
    >>> print(to_dot(infoflow.trace(torch.nn.Sequential(torch.nn.Linear(3, 2)), torch.ones(2, 3))))
    digraph "Sequential" {
      graph [nslimit=2, nslimit1=2];
      node [shape=box, style=rounded, fontname="sans-serif", fontsize=11];
      edge [fontname="sans-serif", fontsize=10];
      input0 [label="input", shape=ellipse];
      layer0 [label="0 · 0\nLinear · 2"];
      output [label="output", shape=ellipse];
      input0 -> layer0;
      layer0 -> output;
    }
    """
    lines = [
        f"digraph {_dot_string(graph.model)} {{",
        # without these limits, hundreds of skips take Graphviz minutes
        "  graph [nslimit=2, nslimit1=2];",
        '  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11];',
        '  edge [fontname="sans-serif", fontsize=10];',
    ]
    for node in _nodes(graph):
        look = {"end": ", shape=ellipse", "merge": f', color="{_MERGE_COLOUR}", penwidth=2'}
        label = r"\n".join(map(_dot_escaped, node.lines))
        lines.append(f'  {node.key} [label="{label}"{look.get(node.kind, "")}];')
    for edge in _edges(graph):
        look_of_skip = (
            # of no weight, so that the main streams are straight lines
            f' [label={_dot_string(edge.skip)}, style=dashed, weight=0, color="{_SKIP_COLOUR}", '
            f'fontcolor="{_SKIP_COLOUR}"]'
        )
        lines.append(f"  {edge.source} -> {edge.target}{look_of_skip if edge.skip else ''};")
    return "\n".join([*lines, "}"])


def to_mermaid(graph: LayerGraph) -> str:
    """Return the graph as a Mermaid flowchart: merges in colour, skip connections dashed.

    Examples
    --------
    >>> import infoflow, torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 2))
    >>> print(to_mermaid(infoflow.trace(net, torch.ones(2, 3))))
    flowchart TD
      classDef merge stroke:#c2410c,stroke-width:3px
      input0(["input"])
      layer0["0 · 0<br/>Linear · 2"]
      output(["output"])
      input0 --> layer0
      layer0 --> output
    """
    lines = ["flowchart TD", f"  classDef merge stroke:{_MERGE_COLOUR},stroke-width:3px"]
    for node in _nodes(graph):
        label = "<br/>".join(map(_mermaid_escaped, node.lines))
        shape = f'(["{label}"])' if node.kind == "end" else f'["{label}"]'
        lines.append(f"  {node.key}{shape}{':::merge' if node.kind == 'merge' else ''}")
    edges = list(_edges(graph))
    for edge in edges:
        arrow = f'-.->|"{_mermaid_escaped(edge.skip)}"|' if edge.skip else "-->"
        lines.append(f"  {edge.source} {arrow} {edge.target}")
    skips = ",".join(str(i) for i, edge in enumerate(edges) if edge.skip)
    lines += [f"  linkStyle {skips} stroke:{_SKIP_COLOUR},color:{_SKIP_COLOUR}"] if skips else []
    return "\n".join([*_mermaid_limits(len(edges), len("\n".join(lines))), *lines])


def _mermaid_limits(edges: int, characters: int) -> list[str]:
    """Return a comment on what has to be set to draw the graph, where something has."""
    needed = [
        f"{name} {size:,} (usually {usual:,})"
        for name, size, usual in (
            ("maxEdges", edges, _MERMAID_EDGES),
            ("maxTextSize", characters, _MERMAID_CHARACTERS),
        )
        if size > usual
    ]
    return [f"%% To draw this, configure Mermaid with {' and '.join(needed)}"] if needed else []


# --------------------------------------------------------------------------- nodes and edges


@dataclass(frozen=True)
class _Node:
    key: str
    lines: tuple[str, ...]
    kind: str = "layer"


@dataclass(frozen=True)
class _Edge:
    source: str
    target: str
    skip: str


def _nodes(graph: LayerGraph) -> Iterator[_Node]:
    """Yield inputs, layers and the output, with keys that need no quoting."""
    for number, name in enumerate(graph.inputs):
        yield _Node(f"input{number}", (name,), "end")
    for layer in graph.layers:
        operations = " + ".join((layer.kind, *layer.followed_by))
        shape = "×".join(map(str, layer.shape)) or "1"
        lines = (f"{layer.index} · {layer.name}", f"{operations} · {shape}")
        met = _met(merge for merge in graph.merges if layer.name in merge.layers)
        yield _Node(f"layer{layer.index}", lines + met, "merge" if layer.is_merge else "layer")
    yield _Node("output", ("output", *_met(m for m in graph.merges if not m.layers)), "end")


def _met(merges: Iterable[Merge]) -> tuple[str, ...]:
    kinds = dict.fromkeys(merge.kind for merge in merges)
    return (f"merge: {', '.join(kinds)}",) if kinds else ()


def _edges(graph: LayerGraph) -> Iterator[_Edge]:
    """Yield each stream once; ``skip`` names the connection where it is one."""
    keys = {name: f"input{number}" for number, name in enumerate(graph.inputs)}
    keys |= {layer.name: f"layer{layer.index}" for layer in graph.layers}
    skips = {
        (skip.source, reader): str(skip)
        for merge in graph.merges
        for skip in merge.skips
        for reader in merge.layers or ("",)
    }
    for layer in graph.layers:
        for source in layer.streams:
            yield _Edge(keys[source], keys[layer.name], skips.get((source, layer.name), ""))
    for source in graph.outputs:
        yield _Edge(keys[source], "output", skips.get((source, ""), ""))


# --------------------------------------------------------------------------- escaping


def _printable(text: str) -> str:
    """Return ``text`` on one line, with what cannot be printed as Python writes it."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _dot_escaped(text: str) -> str:
    # Graphviz reads \ as the start of an escape, and &name; as HTML does, within strings too
    escapes = {"&": "&amp;", "\\": "\\\\", '"': '\\"'}
    return "".join(escapes.get(c, c) for c in _printable(text))


def _dot_string(text: str) -> str:
    return f'"{_dot_escaped(text)}"'


def _mermaid_escaped(text: str) -> str:
    """Return ``text`` for a quoted label; all but letters and plain marks become ``#number;``."""
    plain = " .,:_+-()→×·"
    return "".join(c if c.isalnum() or c in plain else f"#{ord(c)};" for c in _printable(text))
