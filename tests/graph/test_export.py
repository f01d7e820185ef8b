"""Graphs for other tools: what is drawn is the graph, whatever its layers are called."""

import html
import json
import re
import shutil
import subprocess

import pytest
import torch
from torch import nn

import infoflow
from infoflow.graph.export import to_dot, to_json, to_mermaid
from infoflow.testing import UNet

#: Names that mean something to Graphviz, Mermaid, HTML or Python, and one that cannot be printed.
NAMES = (
    *('a"b', "back\\", "\\n", "<i>&amp;", "end", "new\nline", "ünï→", "[x](y){z}|`w`"),
    *("#35;", ";--%%", "1", "- list", "class", "\udcff"),
)


class Awkward(nn.Module):
    """A residual add after each layer, all of them concatenated at the end, and two inputs."""

    def __init__(self):
        super().__init__()
        for name in NAMES:
            self.add_module(name, nn.Linear(3, 3))

    def forward(self, x, y):
        values = []
        for layer in self._modules.values():
            x = layer(x) + y
            values.append(x)
        return torch.cat(values, 1)


@pytest.fixture(scope="module")
def unet():
    return infoflow.trace(UNet(base_channels=2), torch.rand(2, 3, 32, 32))


@pytest.fixture(scope="module")
def awkward():
    return infoflow.trace(Awkward(), (torch.rand(2, 3), torch.rand(2, 3)))


def printable(name):
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def streams_of(graph):
    """All streams by the names of their ends, with the label of those that are skips."""
    streams = {(s, layer.name): None for layer in graph for s in layer.streams}
    streams |= {(source, "output"): None for source in graph.outputs}
    for merge in graph.merges:
        for skip in merge.skips:
            for reader in merge.layers or ("output",):
                streams[skip.source, reader] = str(skip)
    return {tuple(map(printable, ends)): label for ends, label in streams.items()}


_STRING = r'"(?:[^"\\]|\\.)*"'


def read_dot(text):
    """Return labels by key, edges by keys, and the keys of merges, of what Graphviz would read."""
    labels, edges, merges = {}, {}, set()
    first, *lines, last = text.split("\n")
    assert re.fullmatch(rf"digraph {_STRING} {{", first)
    assert last == "}"
    attribute = rf"\w+=(?:{_STRING}|[\w.#-]+)"
    statement = re.compile(
        rf"  (\w+)(?: -> (\w+))?(?: \[({attribute}(?:, {attribute})*)\])?;", re.ASCII
    )
    for line in lines:
        source, target, about = statement.fullmatch(line).groups()
        given = dict(part.split("=", 1) for part in re.findall(attribute, about or ""))
        escaped = given.get("label", '""')[1:-1]
        label = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], escaped)
        if target:
            edges[source, target] = html.unescape(label) or None
            assert ("style" in given) == bool(label)
        elif source not in ("graph", "node", "edge"):
            labels[source] = html.unescape(label)
            merges |= {source} if "penwidth" in given else set()
    return labels, edges, merges


def read_mermaid(text):
    """Return the same of a flowchart."""
    labels, edges, merges = {}, {}, set()
    styled = set()
    node = re.compile(r'  (\w+)(?:\["([^"]*)"\]|\(\["([^"]*)"\]\))(:::merge)?')
    edge = re.compile(r'  (\w+) (?:-->|-\.->\|"([^"]*)"\|) (\w+)')
    first, *lines = text.split("\n")
    assert first == "flowchart TD"
    for line in lines:
        if line.startswith("  classDef merge"):
            continue
        if line.startswith("  linkStyle"):
            styled = {list(edges)[int(n)] for n in line.split()[1].split(",")}
        elif found := node.fullmatch(line):
            key, box, round_box, mark = found.groups()
            labels[key] = read_mermaid_label(box or round_box)
            merges |= {key} if mark else set()
        else:
            source, label, target = edge.fullmatch(line).groups()
            edges[source, target] = None if label is None else read_mermaid_label(label)
    assert styled == {ends for ends, label in edges.items() if label}
    return labels, edges, merges


def read_mermaid_label(label):
    assert not set(label.replace("<br/>", "")) & set('"<>&`[]{}|\\')
    return re.sub(r"#(\d+);", lambda m: chr(int(m[1])), label.replace("<br/>", "\n"))


@pytest.mark.parametrize(("form", "read"), [(to_dot, read_dot), (to_mermaid, read_mermaid)])
@pytest.mark.parametrize("net", ["unet", "awkward"])
def test_nodes_and_edges_are_those_of_the_graph(form, read, net, request):
    graph = request.getfixturevalue(net)
    labels, edges, merges = read(form(graph))
    names = {
        key: label.split("\n")[0].partition(" · ")[2] or label.split("\n")[0]
        for key, label in labels.items()
    }
    assert sorted(names.values()) == sorted(map(printable, (*graph.inputs, *graph.names, "output")))
    ends = {(names[source], names[target]): label for (source, target), label in edges.items()}
    assert ends == streams_of(graph)
    assert {names[key] for key in merges} == {printable(x.name) for x in graph if x.is_merge}


def test_labels_say_what_a_layer_is_and_what_meets_in_it(unet, awkward):
    labels, edges, _ = read_dot(to_dot(unet))
    assert labels["layer11"] == "11 · decoder.0.0\nConv2d + ReLU · 16×4×4\nmerge: concat"
    assert labels["input0"] == "image"
    assert edges["layer7", "layer11"] == "7→11"
    assert read_dot(to_dot(awkward))[0]["output"] == "output\nmerge: concat"


def test_json_makes_the_same_graph_again(awkward):
    data = json.loads(to_json(awkward))
    assert data["verification"]["label"] == awkward.verification.label
    again = infoflow.LayerGraph.from_dict(data)
    assert to_dot(again) == to_dot(awkward)
    assert to_mermaid(again) == to_mermaid(awkward)


def test_a_net_too_large_for_mermaids_limits_says_what_to_set():
    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(i + 1, 1) for i in range(33))

        def forward(self, x):
            for layer in self.layers:
                x = torch.cat([x, layer(x)], 1)
            return x

    graph = infoflow.trace(Dense(), torch.rand(2, 1))
    edges = len(streams_of(graph))
    assert edges > 500
    assert to_mermaid(graph).startswith(f"%% To draw this, configure Mermaid with maxEdges {edges}")


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("net", ["unet", "awkward"])
def test_graphviz_reads_it(net, request):
    graph = request.getfixturevalue(net)
    text = to_dot(graph).encode()
    done = subprocess.run(["dot", "-Tjson"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    drawn = json.loads(done.stdout)
    assert len(drawn["objects"]) == len(graph) + len(graph.inputs) + 1
    assert len(drawn["edges"]) == len(streams_of(graph))
