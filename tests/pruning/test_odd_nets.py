"""Nets written in ways of their own: what is cut there, and what a request that cannot be gets."""

import pickle
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import infoflow
from infoflow.interface import ArgumentError, ArgumentTypeError, PruningError, PruningWarning
from infoflow.pruning.choice import StreamNames
from infoflow.testing import UNet

IMAGE = torch.randn(2, 3, 8, 8)


class TwoBranches(nn.Module):
    """Concatenates 4 and 6 channels; ``read`` makes the output of them."""

    def __init__(self, read, **modules):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 6, 1)
        for name, module in modules.items():
            self.add_module(name, module)
        self.read = read

    def forward(self, x):
        return self.read(self, torch.cat([self.a(x), self.b(x)], 1))


def conv_net():
    return TwoBranches(lambda net, value: net.c(value), c=nn.Conv2d(10, 2, 1))


class Numbered(nn.ModuleList):
    """Its modules are named by numbers, which are not those of the layers."""

    def forward(self, x):
        return self[0](torch.cat([self[1](x), self[2](x)], 1))


@pytest.fixture
def numbered():
    return Numbered([nn.Conv2d(10, 2, 1), nn.Conv2d(3, 4, 1), nn.Conv2d(3, 6, 1)])


def gone(slim):
    (stream,) = slim.pruning.streams
    assert stream.how == "cut"
    return stream.stream


def test_modules_named_by_numbers_are_not_taken_for_indices(numbered):
    # layers 0, 1 and 2 are the modules 1, 2 and 0
    (skip,) = infoflow.trace(numbered, IMAGE).merges[0].skips
    assert (skip.name, str(skip)) == ("1->0", "0→2")
    assert gone(infoflow.prune(numbered, skip, IMAGE)) == "1->0"
    assert gone(infoflow.prune(numbered, "#0->#2", IMAGE)) == "1->0"
    assert gone(infoflow.prune(numbered, "#1->#2", IMAGE)) == "2->0"


def test_a_text_with_two_meanings_is_refused():
    class Swapped(Numbered):
        def forward(self, x):
            return self[2](torch.cat([self[1](x), self[0](x)], 1))

    net = Swapped([nn.Conv2d(3, 4, 1), nn.Conv2d(3, 6, 1), nn.Conv2d(10, 2, 1)])
    with pytest.raises(ArgumentError, match=r"'0->2' means several streams") as raised:
        infoflow.prune(net, "0->2", IMAGE)
    assert "Write #1->#2 (0->2 by names) or #0->#2 (1->2 by names)" in str(raised.value)
    graph = infoflow.trace(net, IMAGE)
    (skip,) = graph.merges[0].skips
    assert skip.name == "1->2"
    assert gone(infoflow.prune(net, StreamNames.of(["0->2"], graph), IMAGE)) == "0->2"


@pytest.mark.parametrize(
    "read",
    [
        lambda net, value: net.l(value.view(-1, 640)),
        lambda net, value: net.l(value.view((-1, 640))),
        lambda net, value: net.l(value.reshape(shape=(value.shape[0], 640))),
        lambda net, value: net.l(torch.reshape(value, (value.shape[0], 640))),
        lambda net, value: net.l(torch.flatten(value, start_dim=1)),
    ],
)
def test_however_the_shape_is_told_a_flattened_stream_is_cut(read):
    net = TwoBranches(read, l=nn.Linear(640, 3))
    slim = infoflow.prune(net, "a->l", IMAGE)
    assert gone(slim) == "a->l"
    assert slim.l.in_features == 6 * 64


@pytest.mark.parametrize(
    "reader",
    [
        nn.ConvTranspose2d(10, 10, 2, 2, groups=10),
        nn.ConvTranspose2d(10, 20, 2, 2, groups=5),
        nn.Conv2d(10, 10, 3, padding=1, groups=10),
        nn.Conv2d(10, 20, 3, padding=1, groups=5, bias=False),
    ],
    ids=["depthwise transposed", "grouped transposed", "depthwise", "grouped"],
)
def test_grouped_readers_lose_whole_groups_and_say_what_becomes_of_their_biases(reader):
    last = nn.Conv2d(reader.out_channels, 2, 1)
    net = TwoBranches(lambda net, value: net.last(net.c(value)), c=reader, last=last)
    slim = infoflow.prune(net, "a->c", IMAGE)
    assert gone(slim) == "a->c"
    assert slim.c.groups == reader.groups * 6 // 10
    says_constants = any("would leave constants there" in note for note in slim.pruning.notes)
    assert says_constants == (reader.bias is not None)


def test_a_function_takes_its_arguments_by_name():
    net = TwoBranches(
        lambda net, value: F.conv2d(input=value, weight=net.c.weight), c=nn.Conv2d(10, 2, 1)
    )
    assert gone(infoflow.prune(net, "a->c", IMAGE)) == "a->c"


def test_pooling_that_takes_samples_for_channels_is_not_cut():
    class Line(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv1d(3, 4, 1), nn.Conv1d(3, 6, 1)
            self.c = nn.Conv1d(10, 2, 1)

        def forward(self, x):
            return self.c(F.max_pool2d(torch.cat([self.a(x), self.b(x)], 1), 3, 1, 1))

    with pytest.warns(PruningWarning, match="max_pool2d reads the channels of all streams"):
        slim = infoflow.prune(Line(), "a->c", torch.randn(2, 3, 8))
    assert slim.pruning.streams[0].how == "zeroed"
    assert slim.pruning.checks[0] == "the example"


def test_what_a_function_does_otherwise_in_training_is_told():
    def read(net, value):
        value = F.batch_norm(net.c(value), net.mean, net.var, training=net.training)
        return F.dropout(value, 0.5, net.training)

    net = TwoBranches(read, c=nn.Conv2d(10, 2, 1))
    net.register_buffer("mean", torch.zeros(2))
    net.register_buffer("var", torch.ones(2))
    notes = " ".join(infoflow.prune(net, "a->c", IMAGE).pruning.notes)
    assert "batch_norm, called as a function, keeps using the statistics" in notes
    assert "functional dropout drops when the net trains" in notes


def test_a_spectral_norm_does_not_move_on():
    net = conv_net()
    net.c = nn.utils.parametrizations.spectral_norm(nn.Conv2d(10, 5, 3)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    infoflow.trace(net, IMAGE)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_weights_that_several_layers_use_are_not_saved():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.c, self.out = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 2, 1)

        def forward(self, x):
            value = self.a(x)
            for _ in range(3):
                value = value + self.c(value).relu()
            return self.out(value)

    net = Loop()
    branches = [merge.branch for merge in infoflow.trace(net, IMAGE).merges]
    assert [branch.parameters for branch in branches] == [0, 0, 0]
    assert infoflow.prune(net, branches[0], IMAGE).pruning.parameters == 0


class OneWeight(nn.Module):
    """Reads one matrix as the weight of several functions, and one norm for both of a sum."""

    def __init__(self, forward):
        super().__init__()
        self.a, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.weight = nn.Parameter(torch.rand(4, 4))
        self._forward = forward

    def forward(self, x):
        return self._forward(self, self.a(x))


@pytest.mark.parametrize(
    ("forward", "saved"),
    [
        (lambda m, h: h + F.linear(F.linear(h, m.weight).relu(), m.weight), 16),
        (lambda m, h: m.norm(h) + m.norm(F.linear(h, m.weight)), 16),
        (lambda m, h: F.linear(h, m.weight) + m.a(F.linear(h, m.weight)), 0),
    ],
)
def test_a_parameter_with_several_readers_is_saved_once_or_not_at_all(forward, saved):
    model, x = OneWeight(forward), torch.rand(3, 4)
    (merge,) = infoflow.trace(model, x).merges
    for stream in (merge.branch, *merge.skips):
        assert infoflow.prune(model, stream, x).pruning.parameters == stream.parameters
    assert merge.branch.parameters == saved


def test_a_mean_is_kept_with_the_weights_in_their_own_precision():
    net = conv_net().double()
    batches = [torch.randn(4, 3, 8, 8).double() for _ in range(2)]
    slim = infoflow.prune(net, "a->c", batches[0], mode="mean", data=batches)
    (name,) = set(slim.state_dict()) - set(net.state_dict())
    assert slim.state_dict()[name].dtype == torch.float64
    slim.load_state_dict(net.state_dict())
    assert set(slim.full_state_dict(net.state_dict())) == set(net.state_dict())
    with pytest.raises(PruningError, match="over data=, where it stops"):
        infoflow.prune(net, "a->c", batches[0], mode="mean", data=[torch.zeros(2, 4, 8, 8)])


def locked():
    net = conv_net()
    net.lock = threading.Lock()
    return net


def with_an_attribute():
    net = conv_net()
    net.pruning = nn.Identity()
    return net


@pytest.mark.parametrize(
    ("net", "streams", "example", "error", "says"),
    [
        (conv_net, 5, IMAGE, ArgumentTypeError, "or several, got int"),
        (conv_net, None, IMAGE, ArgumentTypeError, "or several, got NoneType"),
        (conv_net, [["a->c"]], IMAGE, ArgumentTypeError, "or Skips, got list"),
        (conv_net, "", IMAGE, ArgumentError, "has a stream ''. print"),
        (locked, "a->c", IMAGE, PruningError, "cannot be copied"),
        (with_an_attribute, "a->c", IMAGE, PruningError, "an attribute pruning of its own"),
        (lambda: nn.DataParallel(conv_net()), "a->c", IMAGE, ArgumentTypeError, "model.module"),
    ],
)
def test_what_cannot_be(net, streams, example, error, says):
    with pytest.raises(error, match=says):
        infoflow.prune(net(), streams, example)


@pytest.mark.parametrize(
    ("given", "kind"), [((IMAGE, 2.0), "float"), (([IMAGE, IMAGE],), "list")], ids=["float", "list"]
)
def test_arguments_that_are_no_tensors_are_refused(given, kind):
    class Takes(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = conv_net()

        def forward(self, x, scale=1.0):
            x = sum(x) if isinstance(x, list) else x
            return self.net(x) * scale

    with pytest.raises(PruningError, match=f"arguments that are no tensors \\({kind}"):
        infoflow.prune(Takes(), "net.a->net.c", given)


def test_no_reset_leaves_the_weights():
    net = conv_net()
    slim = infoflow.prune(net, "a->c", IMAGE, reset=False)
    assert torch.equal(slim.b.weight, net.b.weight)


class ByHand(nn.Module):
    """Attention written out, with a factor made by NumPy, and calls by name."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.a, self.b = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        x = self.first(input=x)
        a = self.a(x) / np.sqrt(4)
        return self.last(torch.cat([a, self.b(x) * np.float32(0.5)], 1))


def test_numbers_of_numpy_and_arguments_by_name():
    example = torch.randn(2, 3, 8, 8)
    net = ByHand().eval()
    graph = infoflow.trace(net, example)
    assert graph["first"].multiply_adds == 8 * 8 * 4 * 27
    slim = infoflow.prune(net, "a->last", example)
    assert slim.pruning.streams[0].how == "cut"
    assert pickle.loads(pickle.dumps(slim))(example).shape == (2, 2, 8, 8)


def test_a_net_that_fx_made_is_pruned():
    example, net = torch.rand(1, 3, 32, 32), UNet(base_channels=2).eval()
    slim = infoflow.prune(torch.fx.symbolic_trace(net), "1->20", example)
    expected = infoflow.prune(net, "1->20", example)
    torch.testing.assert_close(slim(example), expected(example))


def test_advice_on_a_compiled_net_is_advice_on_the_net():
    example = torch.randn(4, 3, 8, 8)
    net = torch.compile(ByHand().eval(), backend="eager")
    batches = [(example, torch.arange(4) % 2)]
    result = infoflow.analyze(net, batches, noise=100.0, progress=False)
    trial = infoflow.verify_pruning(
        net, infoflow.suggest_pruning(result), evaluate=lambda one: one(example).sum().item()
    )
    assert len(trial.rows) >= 2


class WithState(ByHand):
    """A net with a version in its checkpoints."""

    def get_extra_state(self):
        return {"version": 3}

    def set_extra_state(self, state):
        assert state["version"] == 3


def test_a_checkpoint_with_extra_state_is_taken():
    example, net = torch.randn(2, 3, 8, 8), WithState().eval()
    slim = infoflow.prune(net, "a->last", example)
    assert slim.load_state_dict(net.state_dict()).missing_keys == []
    full = slim.full_state_dict(net.state_dict())
    assert net.load_state_dict(full).missing_keys == []


def test_attention_of_torch_is_reset():
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 2)
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x):
            x = self.first(x)
            return self.last(x + self.attention(x, x, x, need_weights=False)[0])

    net, example = Attends().eval(), torch.randn(2, 5, 4)
    slim = infoflow.prune(net, "attention->add", example, reset=True)
    assert not torch.equal(slim.first.weight, net.first.weight)


class Pads(ByHand):
    """A net that does something else with larger images."""

    def forward(self, x):
        return super().forward(x[..., :8] if x.shape[-1] > 8 else x)


def test_a_path_that_depends_on_sizes_is_noted():
    slim = infoflow.prune(Pads().eval(), "a->last", torch.randn(2, 3, 8, 8))
    assert any("compares sizes of its input" in note for note in slim.pruning.notes)
    plain = infoflow.prune(ByHand().eval(), "a->last", torch.randn(2, 3, 8, 8))
    assert not any("compares sizes" in note for note in plain.pruning.notes)
