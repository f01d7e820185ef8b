"""Random nets, built together with the layer graph that they must have."""

from collections import Counter
from dataclasses import dataclass, field

import networkx as nx
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import nn

import infoflow
from tests.tiers import examples

OPERATIONS = ("conv", "again", "add", "mul", "add in place", "relu in place", "concat", "write")


@st.composite
def recipes(draw):
    """A list of (operation, values that it reads); value 0 is the input."""
    steps = []
    for number in range(draw(st.integers(2, 10))):
        operation = draw(st.sampled_from(OPERATIONS))
        few = 1 if operation in ("conv", "again", "relu in place") else 2
        most = {"concat": 3, "write": 3}.get(operation, few)
        read = draw(st.lists(st.integers(0, number), min_size=few, max_size=most, unique=few == 1))
        steps.append((operation, tuple(read)))
    return steps


class Net(nn.Module):
    """Follows a recipe; every value has 2 channels, so that all fit together."""

    def __init__(self, recipe):
        super().__init__()
        self.recipe = recipe
        self.convs = nn.ModuleList(nn.Conv1d(2, 2, 1) for _ in recipe)
        self.shared = nn.Conv1d(2, 2, 1)

    def forward(self, x):
        values = [x.clone()]
        for (operation, read), conv in zip(self.recipe, self.convs, strict=True):
            parts = [values[i] for i in read]
            if operation == "conv":
                value = conv(parts[0])
            elif operation == "again":
                value = self.shared(parts[0])
            elif operation == "add":
                value = parts[0] + parts[1]
            elif operation == "mul":
                value = parts[0] * torch.sigmoid(parts[1])
            elif operation == "add in place":
                value = parts[0].add_(parts[1].clone())
            elif operation == "relu in place":
                value = parts[0].relu_()
            elif operation == "concat":
                value = torch.cat(parts, 2)[:, :, :: len(parts)]  # some of each part
            else:
                value = torch.zeros(x.shape[0], 2, 5)
                for place, part in enumerate(parts):
                    value[:, :, place] = part.mean(2)
            values.append(value)
        return values[-1]


@dataclass
class Truth:
    """The layer graph by the definitions, on sources alone."""

    layers: list = field(default_factory=list)
    merges: list = field(default_factory=list)
    calls: Counter = field(default_factory=Counter)

    def name(self, name):
        self.calls[name] += 1
        return name if self.calls[name] == 1 else f"{name}:{self.calls[name]}"

    def layer(self, name, arguments):
        name = self.name(name)
        streams = tuple(dict.fromkeys(s for flow in arguments for s in flow.sources))
        for flow in arguments:
            if flow.bundle is not None and name not in flow.bundle["layers"]:
                flow.bundle["layers"].append(name)
        self.layers.append((name, streams))
        return name, streams


@dataclass
class Flow:
    sources: tuple
    bundle: dict | None = None


def expected(recipe):
    """Follow a recipe on sources; an operation in place changes the value for all who see it."""
    truth, bundles = Truth(), []
    cells = [[Flow(("x",))]]  # a cell is shared by the values that are the same tensor

    def join(flows, kind):
        sources = tuple(dict.fromkeys(s for flow in flows for s in flow.sources))
        if len(sources) == 1:
            return Flow(sources)
        bundles.append({"kind": kind, "streams": sources, "layers": []})
        return Flow(sources, bundles[-1])

    def meet(kind, flows):
        if len({(flow.sources, id(flow.bundle)) for flow in flows}) == 1:
            return flows[0]
        name, streams = truth.layer(kind, flows)
        truth.merges.append({"kind": kind, "streams": streams, "layers": [name]})
        return Flow((name,))

    for number, (operation, read) in enumerate(recipe):
        flows = [cells[i][0] for i in read]
        if operation in ("conv", "again"):
            name = f"convs.{number}" if operation == "conv" else "shared"
            cells.append([Flow((truth.layer(name, flows)[0],))])
        elif operation in ("add", "mul"):
            cells.append([meet(operation, flows)])
        elif operation == "add in place":
            cells[read[0]][0] = meet("add", flows)
            cells.append(cells[read[0]])
        elif operation == "relu in place":
            cells.append(cells[read[0]])
        else:
            cells.append([join(flows, "concat" if operation == "concat" else "index write")])
    last = cells[-1][0]
    if last.bundle is not None:
        last.bundle["is_output"] = True
    truth.merges += [b for b in bundles if b["layers"] or b.get("is_output")]
    return truth


def summary(merges):
    return Counter((m["kind"], tuple(m["streams"]), tuple(m["layers"])) for m in merges)


@examples(25)
@given(recipes())
@example([("conv", (0,)), ("concat", (0, 1)), ("concat", (0, 1)), ("add", (2, 3))])
def test_layers_streams_and_merges_are_those_of_the_recipe(recipe):
    net = Net(recipe)
    graph = infoflow.trace(net, torch.rand(2, 2, 5))
    truth = expected(recipe)
    assert [(layer.name, layer.streams) for layer in graph] == truth.layers
    found = [{"kind": m.kind, "streams": m.streams, "layers": m.layers} for m in graph.merges]
    assert summary(found) == summary(truth.merges)
    assert graph.verification.label == "exact"


@examples(25)
@given(recipes())
def test_skips_and_dominators_by_enumeration_of_all_paths(recipe):
    graph = infoflow.trace(Net(recipe), torch.rand(2, 2, 5))
    plain = graph.to_networkx()
    for merge in graph.merges:
        assert {skip.source for skip in merge.skips} == set(merge.streams) - {merge.main}
    for name, dominator in graph.dominators.items():
        paths = [set(path[:-1]) for path in nx.all_simple_paths(plain, "x", name)]
        common = set.intersection(*paths) - {"x"}
        assert dominator == max(common, key=lambda d: graph[d].index, default=None)
