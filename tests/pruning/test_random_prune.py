"""Nets with several streams, made at random, that know how to leave a stream out themselves."""

import itertools

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import infoflow
from infoflow.pruning.choice import find_stream
from tests.tiers import examples

WIDTH = 4
JOINS = (
    "concat",
    "normed concat",
    "depthwise concat",
    "grouped concat",
    "add",
    "add in place",
    "mul",
)


@st.composite
def recipes(draw):
    """Steps (join, the values that it reads); value 0 is the input, and each step makes one."""
    steps = []
    for number in range(2, draw(st.integers(3, 6))):
        join = draw(st.sampled_from(JOINS))
        most = min(3, number) if "concat" in join else 2
        read = draw(st.lists(st.integers(0, number - 1), min_size=2, max_size=most, unique=True))
        steps.append((join, tuple(read)))
    return tuple(steps)


class Streams(nn.Module):
    """Two convolutions, then a convolution for each step, of what the step joins.

    The head reads all values that no step reads. ``without = (step, place)`` leaves the stream at a
    place of a step out: zeros, where the convolution reads the concatenation; nothing, where it is
    added; no gate, where it multiplies.
    """

    def __init__(self, recipe):
        super().__init__()
        self.recipe = recipe
        self.first = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.second = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.norms, self.deep, self.convs = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for join, read in recipe:
            width = WIDTH * len(read) * (1 + ("grouped" in join)) if "concat" in join else WIDTH
            groups = 2 if "grouped" in join else 1
            deeper = width * (1 + ("depthwise" in join))
            self.norms.append(nn.BatchNorm2d(width))
            self.deep.append(nn.Conv2d(width, 2 * width, 3, padding=1, groups=width))
            self.convs.append(nn.Conv2d(deeper, WIDTH, 3, groups=groups, padding=1))
        every = set(range(len(recipe) + 2))
        self.ends = sorted(every - {value for _, read in recipe for value in read})
        self.head = nn.Conv2d(WIDTH * len(self.ends), 2, 1)
        for norm in self.norms:
            nn.init.normal_(norm.bias)
            nn.init.normal_(norm.running_mean)

    def forward(self, x, without=None):
        values = [self.first(x).relu()]
        values.append(self.second(values[0]).relu())
        for step, (join, read) in enumerate(self.recipe):
            gone = without[1] if without and without[0] == step else None
            parts = [values[i] for i in read]
            joined = self.concat if "concat" in join else self.meet
            values.append(self.convs[step](joined(step, join, parts, gone)))
        return self.head(torch.cat([values[end] for end in self.ends], 1))

    def concat(self, step, join, parts, gone):
        twice = [*parts, *parts] if "grouped" in join else parts
        value = torch.cat(twice, 1)
        if join == "normed concat":
            value = torch.nn.functional.relu_(self.norms[step](value))
        elif join == "depthwise concat":
            value = self.deep[step](value)
        if gone is None:
            return value
        kept = torch.ones(len(twice))
        kept[gone :: len(parts)] = 0
        return value * kept.repeat_interleave(value.shape[1] // len(twice)).view(1, -1, 1, 1)

    def meet(self, step, join, parts, gone):
        if gone is not None:
            other = parts[1 - gone]
            return other.relu() if "in place" in join else other
        if join == "mul":
            return parts[0] * torch.sigmoid(parts[1])
        return (parts[0] + parts[1]).relu_() if "in place" in join else parts[0] + parts[1]


def removable(net):
    """Return each stream, with the step and the place where the net reads it."""
    names = ["first", "second", *(f"convs.{i}" for i in range(len(net.recipe)))]
    counters = {"add": itertools.count(1), "mul": itertools.count(1)}
    found = []
    for step, (join, read) in enumerate(net.recipe):
        if "concat" in join:
            merge = f"deep.{step}" if "depthwise" in join else names[step + 2]
        else:
            kind = join.split()[0]
            number = next(counters[kind])
            merge = kind if number == 1 else f"{kind}:{number}"
        places = range(1, 2) if join == "mul" else range(len(read))
        found += [(f"{names[read[place]]}->{merge}", step, place) for place in places]
    return found


@examples(12)
@given(recipe=recipes(), choice=st.integers(0, 10))
def test_a_pruned_net_is_the_net_without_the_stream(recipe, choice):
    torch.manual_seed(0)
    net = Streams(recipe).eval()
    x = torch.randn(2, 3, 6, 6)
    every = removable(net)
    name, step, place = every[choice % len(every)]
    slim = infoflow.prune(net, name, x)
    assert slim.pruning.streams[0].how == "cut", slim.pruning
    for batch in (x, torch.randn(5, 3, 6, 6)):
        torch.testing.assert_close(slim(batch), net(batch, without=(step, place)))
    skip = find_stream(infoflow.trace(net, x), name)
    if skip.parameters is not None:
        assert slim.pruning.parameters == skip.parameters
        assert slim.pruning.multiply_adds == skip.multiply_adds
