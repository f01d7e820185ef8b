"""Every multiply-add of a net counts once, with the layer that reads it, and "?" is no zero."""

import json

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

import infoflow
from infoflow.graph.export import to_json
from tests import small_nets
from tests.graph.operations.test_costs import counted_by_torch

T, D = 7, 8
LINEAR, PRODUCTS = T * D * D, 2 * T * T * D


class SelfAttention(nn.Module):
    """Queries, keys and values are cut from one linear layer, so attention is no merge."""

    def __init__(self, how):
        super().__init__()
        self.qkv, self.out, self.how = nn.Linear(D, 3 * D), nn.Linear(D, D), how

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        if self.how == "fused":
            return self.out(F.scaled_dot_product_attention(q, k, v))
        return self.out((q @ k.mT * D**-0.5).softmax(-1) @ v)


@pytest.mark.parametrize("how", ["fused", "written out"])
def test_attention_between_parts_of_one_layer_counts_with_its_reader(how):
    """Nothing was counted: it is an edge, and edges were in no layer's number."""
    graph = infoflow.trace(SelfAttention(how).eval(), torch.rand(2, T, D))
    assert [layer.name for layer in graph] == ["qkv", "out"]
    assert [layer.multiply_adds for layer in graph] == [3 * LINEAR, PRODUCTS + LINEAR]


class Edges(nn.Module):
    """A product of one layer's value with itself, which two layers and the output read."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(D, D) for _ in range(3))

    def forward(self, x):
        a = self.first(x)
        b = a @ a.mT @ a
        return self.second(b), self.third(b), b


def test_an_edge_with_several_readers_counts_once_with_the_first():
    graph = infoflow.trace(Edges(), torch.rand(2, T, D))
    assert [layer.multiply_adds for layer in graph] == [LINEAR, LINEAR + PRODUCTS, LINEAR]


class Ends(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(D, D)

    def forward(self, x):
        a = self.first(x)
        return a.reshape(-1), a @ a.mT


def test_an_edge_that_only_the_output_reads_counts_with_its_source():
    graph = infoflow.trace(Ends(), torch.rand(2, T, D))
    assert [layer.multiply_adds for layer in graph] == [LINEAR + T * T * D]


class Skipped(nn.Module):
    """A residual branch with attention inside."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(D, D), nn.Linear(D, 3)
        self.attention = SelfAttention("fused")

    def forward(self, x):
        x = self.first(x)
        return self.last(x + self.attention(x))


def test_a_branch_saves_the_edges_inside_it():
    x = torch.rand(2, T, D)
    graph = infoflow.trace(Skipped().eval(), x)
    (merge,) = graph.merges
    assert merge.branch.multiply_adds == 4 * LINEAR + PRODUCTS
    slim = infoflow.prune(graph.source.model, [merge.branch.name], x)
    assert slim.pruning.multiply_adds == 4 * LINEAR + PRODUCTS


class Mixed(nn.Module):
    """A Fourier transform, as FNet and neural operators have."""

    def __init__(self):
        super().__init__()
        self.first, self.side, self.last = (nn.Linear(D, D) for _ in range(3))

    def forward(self, x):
        x = self.first(x)
        return self.last(x + self.side(torch.fft.fft(x, dim=1).real))


@pytest.fixture(scope="module")
def mixed():
    torch.manual_seed(0)
    return infoflow.trace(Mixed().eval(), torch.rand(2, T, D))


def test_what_is_not_known_is_none_in_layers_and_savings(mixed):
    known = {layer.name: layer.multiply_adds for layer in mixed}
    assert known == {"first": LINEAR, "side": None, "add": 0, "last": LINEAR}
    (merge,) = mixed.merges
    assert merge.branch.multiply_adds is None
    assert merge.branch.parameters == D * D + D
    assert [skip.multiply_adds for skip in merge.skips] == [0]


def test_tables_and_json_show_what_is_not_known(mixed):
    line = next(line for line in str(mixed).splitlines() if " side " in line)
    assert line.split()[-1] == "?"
    layers = json.loads(to_json(mixed))["layers"]
    assert [layer["multiply_adds"] for layer in layers] == [LINEAR, None, 0, LINEAR]
    again = infoflow.LayerGraph.from_dict(mixed.to_dict())
    assert again.layers == mixed.layers


def test_plans_do_not_guess(mixed):
    plan = infoflow.plan(mixed, samples=100)
    assert (plan.forward, plan.relative_time) == (None, None)
    assert "Forward pass: ? multiply-adds" in str(plan)
    assert "Time: about ? plain" in str(plan)
    assert plan.memory > 0


def test_without_an_example_only_what_multiplies_nothing_is_known():
    """Every layer was shown as 0."""
    graph = infoflow.trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.MaxPool1d(2)))
    assert [layer.multiply_adds for layer in graph] == [None]


def torchvision_net(name):
    if name == "vit":
        return torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 24, num_classes=3)
    if name == "swin":
        return torchvision.models.SwinTransformer([4, 4], 8, [1, 2], [2, 2], [4, 4], num_classes=3)
    return getattr(torchvision.models, name)(weights=None)


@pytest.mark.parametrize(
    "make",
    [
        lambda: (torchvision_net("vit"), (3, 32, 32)),
        lambda: (torchvision_net("swin"), (3, 32, 32)),
        lambda: (small_nets.shufflenet(), (3, 64, 64)),
        lambda: (torchvision_net("squeezenet1_1"), (3, 64, 64)),
        lambda: (nn.TransformerEncoder(nn.TransformerEncoderLayer(D, 2, 6), 2), (T, D)),
        lambda: (nn.Sequential(nn.GRU(D, 3), Only(), nn.Linear(3, 2)), (T, D)),
    ],
    ids=["vit", "swin", "shufflenet", "squeezenet", "encoder", "gru"],
)
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
def test_the_layers_of_a_net_cost_what_torch_counts_in_all(make):
    """Torch's own counter, with attention written out as products of matrices."""
    model, shape = make()
    x = torch.rand(2, *shape)
    graph = infoflow.trace(model.eval(), x)
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        right = counted_by_torch(model, x)
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
    assert sum(layer.multiply_adds for layer in graph) == right // 2


class Only(nn.Module):
    def forward(self, pair):
        return pair[0]


class Many(nn.Module):
    """One of each kind of product."""

    def __init__(self):
        super().__init__()
        self.conv, self.lstm = nn.Conv1d(D, D, 3, padding=1), nn.LSTM(D, D, batch_first=True)
        self.attention = nn.MultiheadAttention(D, 2, batch_first=True)
        self.bilinear, self.out = nn.Bilinear(D, D, D), nn.Linear(D, 2)

    def forward(self, x):
        x = self.conv(x.mT).mT
        y = self.lstm(x)[0]
        z = self.attention(x, y, y, need_weights=False)[0]
        q = F.scaled_dot_product_attention(x, y, z)
        return self.out(self.bilinear(q, x) + torch.einsum("ntd,nsd,nse->nte", x, y, z))


def test_costs_go_by_shapes_and_are_the_same_without_numbers():
    """The command line traces on the meta device, where other kernels run."""
    real = infoflow.trace(Many().eval(), torch.rand(2, T, D))
    with torch.device("meta"):
        model = Many().eval()
    graph = infoflow.trace(model, torch.rand(2, T, D, device="meta"))
    assert [layer.multiply_adds for layer in graph] == [layer.multiply_adds for layer in real]
    assert [layer.multiply_adds for layer in real] == [
        *(3 * LINEAR, T * 4 * D * 2 * D, 4 * LINEAR + PRODUCTS, PRODUCTS),
        *(T * D * (D + 1) * D, PRODUCTS, 0, T * D * 2),
    ]
