"""Streams that are put side by side and then taken apart again."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import infoflow
import infoflow.graph.concat_parts
import infoflow.graph.tracing.node_info


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


@pytest.mark.parametrize(
    "mix",
    [
        lambda h: h.softmax(1),
        lambda h: F.normalize(h, dim=1),
        lambda h: F.layer_norm(h, h.shape[1:]),
        lambda h: h / h.norm(dim=1, keepdim=True),
        lambda h: h * torch.sigmoid(h.flip(1)),
    ],
)
def test_a_part_of_what_was_mixed_holds_all_streams(mix):
    ((kind, streams),) = merges(lambda a, b, c: mix(torch.cat([a, b, c], 1))[:, :4])
    assert (kind, streams) == ("concat", ("a", "b", "c"))


def test_two_concatenations_of_the_same_streams_meet():
    def after(a, b, c):
        return torch.cat([a, b], 1) + torch.cat([c.relu() * 0 + a, b.tanh()], 1).mul(2)

    def pooled(a, b, c):
        parts = [[pool(h, 2) for h in (a, b)] for pool in (F.avg_pool2d, F.max_pool2d)]
        return torch.cat(parts[0], 1) + torch.cat(parts[1], 1)

    assert merges(pooled)[0] == ("add", ("a", "b"))
    assert ("add", ("a", "b")) in [(kind, streams[:2]) for kind, streams in merges(after)]


def test_the_axis_by_its_other_name():
    assert merges(lambda a, b, c: product(torch.cat([a, b, c], axis=1).split(4, 1))) == [
        ("matmul", ("a", "b"))
    ]


def test_parts_of_large_maps_are_found_without_listing_their_numbers():
    """Of 512×512 positions the channels alone are looked at."""
    part = infoflow.graph.concat_parts.ConcatPart(
        (infoflow.graph.concat_parts.Piece("a", 8), infoflow.graph.concat_parts.Piece("b", 8)),
        step=512 * 512,
        start=0,
        size=4 * 16 * 512 * 512,
        placement=infoflow.graph.tracing.node_info.Placement(1, 0, (16 * 512**2, 512**2, 512, 1)),
        shape=(4, 8, 512, 512),
    )
    assert part._steps() == [(8, 512 * 512)]
    assert part.widths() == {"a": 8}


def test_a_loop_over_a_bundle_behind_a_norm_takes_no_time_of_its_own():
    class Flow(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.last = nn.GroupNorm(1, 8), nn.Conv2d(8, 2, 1)

        def forward(self, x):
            h = self.norm(torch.cat([x, x.flip(1)], 1))
            for _ in range(40):
                h = h + 0.1 * torch.tanh(h)
            return self.last(h)

    assert infoflow.trace(Flow(), torch.rand(2, 4, 8, 8)).names == ("last",)


def test_a_whole_slice_of_what_was_flattened_is_no_part_of_an_axis_that_is_gone():
    class Flat(Three):
        def forward(self, x):
            return self.out(torch.cat([self.a(x), self.b(x)], 3).flatten(1)[:])

    net = Flat(None)
    net.out = nn.LazyLinear(2)
    (merge,) = infoflow.trace(net, torch.rand(2, 4, 8, 8)).merges
    assert merge.streams == ("a", "b")
    assert [skip.parameters for skip in merge.skips] == [None]
