"""Streams that are put side by side and then taken apart again."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import infoflow


class Three(nn.Module):
    """Three layers side by side, and what a function makes of their values."""

    def __init__(self, after):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(4, 4, 1) for _ in range(3))
        self.last = nn.LazyConv2d(4, 1)
        self._after = after

    def forward(self, x):
        return self.last(self._after(self.a(x), self.b(x), self.c(x)))


def merges(after):
    graph = infoflow.trace(Three(after), torch.rand(2, 4, 8, 8))
    assert graph.verification.label == "exact"
    return [(merge.kind, merge.streams) for merge in graph.merges]


def product(parts):
    return parts[0] @ parts[1]


def third(a, b, c):
    return torch.cat([a, b, c], 1).unflatten(1, (3, 4))


TAKEN_APART = {
    "stack and unbind": lambda a, b, c: product(torch.stack([a, b, c]).unbind(0)),
    "stack along another axis": lambda a, b, c: product(torch.stack([a, b, c], 2).unbind(2)),
    "cat and chunk": lambda a, b, c: product(torch.cat([a, b, c], 1).chunk(3, 1)),
    "activation between": lambda a, b, c: product(F.relu(torch.cat([a, b, c], 1)).split(4, 1)),
    "in place": lambda a, b, c: product(torch.cat([a, b, c], 1).relu_().split([4, 4, 4], 1)),
    "slices": lambda a, b, c: (h := torch.cat([a, b, c], 1), h[:, :4] @ h[:, 4:8])[1],
    "narrow": lambda a, b, c: (
        h := torch.cat([a, b, c], 1),
        h.narrow(1, 0, 4) @ h.narrow(1, 4, 4),
    )[1],
    "reshape and select": lambda a, b, c: (h := third(a, b, c), h[:, 0] @ h.select(1, 1))[1],
    "permute": lambda a, b, c: product(third(a, b, c).permute(1, 0, 2, 4, 3)),
    "channels last": lambda a, b, c: product(
        torch.cat([h.to(memory_format=torch.channels_last) for h in (a, b, c)], 1).chunk(3, 1)
    ),
    "nested": lambda a, b, c: product(torch.cat([torch.cat([a, b], 1), c], 1).tensor_split(3, 1)),
    "along the batch": lambda a, b, c: product(torch.cat([a, b, c], 0).chunk(3, 0)),
}


@pytest.mark.parametrize("name", TAKEN_APART)
def test_what_is_taken_apart_again_meets_where_it_meets(name):
    assert merges(TAKEN_APART[name]) == [("matmul", ("a", "b"))]


def test_a_part_that_holds_two_of_three_streams_is_a_merge_of_those():
    assert merges(lambda a, b, c: torch.cat([a, b, c], 1)[:, 2:7]) == [("concat", ("a", "b"))]


def test_every_second_channel_holds_all_streams():
    assert merges(lambda a, b, c: torch.cat([a, b, c], 1)[:, ::2]) == [("concat", ("a", "b", "c"))]


def test_rows_of_the_image_hold_all_streams():
    assert merges(lambda a, b, c: torch.cat([a, b, c], 1)[:, :, 2:5]) == [
        ("concat", ("a", "b", "c"))
    ]


@pytest.mark.parametrize(
    "mix",
    [
        lambda h: h.roll(1, 1),
        lambda h: h.flip(1),
        lambda h: F.channel_shuffle(h, 3),
        lambda h: h.index_select(1, torch.tensor([*range(4, 12), *range(4)])),
    ],
)
def test_where_channels_change_places_no_stream_is_left_out(mix):
    ((kind, streams),) = merges(lambda a, b, c: mix(torch.cat([a, b, c], 1))[:, :4])
    assert (kind, streams) == ("concat", ("a", "b", "c"))


def test_values_of_a_split_net_are_those_of_the_model():
    def after(a, b, c):
        first, second, _ = torch.stack([a, b, c]).unbind(0)
        return first @ second

    model, x = Three(after), torch.rand(2, 4, 8, 8)
    values = infoflow.trace(model, x).values(x)
    assert torch.equal(values["matmul"], (model.a(x) @ model.b(x)))
