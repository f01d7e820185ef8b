"""The object that ``trace`` returns: values, selection, forms, and errors."""

import json

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import infoflow
from infoflow.graph import LayerGraph
from infoflow.interface import (
    ActivationError,
    InfoflowError,
    LayerNotFoundError,
    UnmeasurableWarning,
    UntraceableModelError,
)


@pytest.fixture
def graph(unet):
    return infoflow.trace(unet, torch.rand(1, 3, 32, 32))


def hooked_values(model, images):
    """Values of all modules by forward hooks: the oracle for layers that nothing follows."""
    values = {}
    handles = [
        module.register_forward_hook(lambda m, i, o, name=name: values.update({name: o}))
        for name, module in model.named_modules()
    ]
    with torch.no_grad():
        output = model(images)
    for handle in handles:
        handle.remove()
    return values, output


def test_values_equal_forward_hooks_bit_for_bit(graph, unet):
    images = torch.rand(5, 3, 32, 32)
    hooked, output = hooked_values(unet, images)
    values = graph.values(images)
    assert list(values) == [layer.name for layer in graph]
    for layer in graph:
        assert values[layer.name].shape == (5, *layer.shape)
        if layer.followed_by == ("ReLU",):
            stem, number = layer.name.rsplit(".", 1)
            assert torch.equal(values[layer.name], hooked[f"{stem}.{int(number) + 1}"])
    assert torch.equal(values["output"], output)


def test_values_of_a_net_with_in_place_operations_are_not_overwritten():
    model = torchvision.models.resnet18(weights=None).eval()
    graph = infoflow.trace(model, torch.rand(2, 3, 64, 64))
    values = graph.values(torch.rand(2, 3, 64, 64))
    assert torch.equal(values["layer1.0.add"], values["layer1.0.add"].relu())
    assert bool((values["layer1.0.conv2"] < 0).any())


def test_training_flags_parameters_and_gradients_stay(unet):
    unet.train()
    unet.encoder[0].eval()
    before = {name: module.training for name, module in unet.named_modules()}
    weights = [p.clone() for p in unet.parameters()]
    infoflow.trace(unet, torch.rand(2, 3, 32, 32)).values(torch.rand(2, 3, 32, 32))
    assert {name: module.training for name, module in unet.named_modules()} == before
    assert all(torch.equal(a, b) for a, b in zip(weights, unet.parameters(), strict=True))
    assert all(p.grad is None for p in unet.parameters())


def test_a_trained_model_shows_its_new_values_without_a_new_trace(graph, unet):
    images = torch.rand(2, 3, 32, 32)
    before = graph.values(images)["output"]
    with torch.no_grad():
        unet.output.bias += 1.0
    assert not torch.equal(graph.values(images)["output"], before)


def test_select(graph):
    def names(selected):
        return [layer.index for layer in selected]

    assert names(graph.select("all")) == list(range(23))
    assert names(graph.select("merges")) == [1, 3, 5, 7, 10, 11, 13, 14, 16, 17, 19, 20]
    assert names(graph.select("upsample.*")) == [10, 13, 16, 19]
    assert names(graph.select(["output", "encoder.0.*", 5])) == [0, 1, 5, 22]


@pytest.mark.parametrize("key", ["decoder.9.9", 23, -24])
def test_a_layer_that_is_not_there(graph, key):
    with pytest.raises(LayerNotFoundError, match=r"nearest names are decoder|has layers 0 to 22"):
        graph.select(key)


def test_goes_through_json_and_back(graph):
    again = LayerGraph.from_dict(json.loads(json.dumps(graph.to_dict())))
    assert again.layers == graph.layers
    assert again.merges == graph.merges
    assert again.dominators == graph.dominators
    assert str(again) == str(graph)
    with pytest.raises(InfoflowError, match="read from a file and has no program"):
        again.values(torch.rand(1, 3, 32, 32))


def test_a_file_of_the_first_version_has_no_unmeasurable_layers(graph):
    data = graph.to_dict()
    del data["unmeasurable"]
    assert LayerGraph.from_dict(data).unmeasurable == {}


def test_to_networkx_has_the_streams_as_edges(graph):
    plain = graph.to_networkx()
    assert plain.number_of_nodes() == 24
    assert plain.edges["encoder.0.2", "decoder.3.0"] == {"merge": "decoder.3.0", "skip": True}
    assert plain.nodes["image"]["kind"] == "input"


def test_prints_layers_and_merges(graph):
    lines = str(graph).splitlines()
    assert lines[0] == "UNet: 23 layers, 4 merges, 4 skips"
    assert any("decoder.3.0" in line and "1+19 *" in line for line in lines)


def test_recurrent_multiply_adds_are_counted():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(5, 4, batch_first=True)

        def forward(self, x):
            return self.lstm(x)[0]

    layer = infoflow.trace(Recurrent(), torch.randn(2, 7, 5))["lstm"]
    assert layer.shape == (7, 4)
    assert layer.multiply_adds == 7 * (4 * 4 * 5 + 4 * 4 * 4)


def test_savings_need_the_concatenation_along_the_readers_features():
    class Tall(nn.Module):
        def __init__(self, axis):
            super().__init__()
            self.axis = axis
            self.a, self.b = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)
            self.c = nn.Conv2d(4 if axis == 1 else 2, 3, 1)

        def forward(self, x):
            return self.c(torch.cat([self.a(x), self.b(x)], self.axis))

    class ByFunction(Tall):
        def forward(self, x):
            both = torch.cat([self.a(x), self.b(x)], self.axis)
            return torch.nn.functional.conv2d(both, self.c.weight)

    by_function = infoflow.trace(ByFunction(1), torch.rand(2, 2, 4, 4))
    assert by_function.skips[0].parameters == (2 * 2 + 2) + 2 * 3

    def saved(axis):
        return infoflow.trace(Tall(axis), torch.rand(2, 2, 4, 4)).skips[0].parameters

    assert saved(1) == (2 * 2 + 2) + 2 * 3
    assert saved(2) is None


def test_a_chain_has_no_merges():
    graph = infoflow.trace(
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.ones(2, 3)
    )
    assert (len(graph), graph.merges, graph.skips) == (2, (), ())
    assert graph.dominators == {"0": None, "2": "0"}


# --------------------------------------------------------------------------- wrong input


class Branches(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x


class Lies(nn.Module):
    """Loses its skip under symbolic tracing, as MONAI's BasicUNet does."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        return self.layer(x) + x if torch.jit.isinstance(x, torch.Tensor) else self.layer(x)


def test_without_an_example_a_u_net_keeps_its_merges():
    graph = infoflow.trace(infoflow.testing.UNet(base_channels=4))
    assert [str(skip) for skip in graph.skips] == ["7→11", "5→14", "3→17", "1→20"]
    assert graph.verification.label == "not verified"


def test_without_an_example_what_stops_symbolic_tracing_is_named():
    with pytest.raises(UntraceableModelError, match=r"test_layer_graph.py:\d+, in forward: `if x"):
        infoflow.trace(Branches())


def test_a_path_that_depends_on_values_is_labelled():
    graph = infoflow.trace(Branches(), torch.ones(2, 3))
    assert graph.verification.label == "this input only"
    assert "test_layer_graph.py" in graph.verification.notes[-1]


def test_type_checks_on_tensors_are_recorded_as_they_are():
    """Symbolic tracing loses this skip without an error, as in MONAI's BasicUNet."""
    graph = infoflow.trace(Lies(), torch.ones(2, 3))
    assert [merge.kind for merge in graph.merges] == ["add"]
    assert graph.verification.label == "exact"


def test_model_that_fails_on_its_example(unet):
    with pytest.raises(InfoflowError, match=r"UNet does not run on the example.*\(2, 5, 32, 32\)"):
        infoflow.trace(unet, torch.rand(2, 5, 32, 32))


@pytest.mark.parametrize("example", ["text", torch.tensor(3.0), ()])
def test_example_that_is_no_batch(unet, example):
    with pytest.raises(TypeError, match="example must be a tensor with a batch dimension"):
        infoflow.trace(unet, example)


def test_empty_batch(unet):
    with pytest.raises(ValueError, match="at least one sample"):
        infoflow.trace(unet, torch.rand(0, 3, 32, 32))


def test_layer_without_a_row_per_sample():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(x.sum(0, keepdim=True)[:, :1].expand(3, 3)).sum()

    graph = infoflow.trace(Mixed(), torch.rand(2, 3))
    assert "(3, 3) for 2 samples" in graph.unmeasurable["layer"]
    assert str(graph).splitlines()[-1].startswith("layer              its shape is (3, 3) for 2")
    with pytest.raises(ActivationError, match=r"Layer layer \(0\) cannot be measured"):
        infoflow.analyze(Mixed(), [torch.rand(4, 3)], layers="layer", progress=False)
    with pytest.raises(ActivationError, match="Nothing is left to measure"):
        infoflow.analyze(Mixed(), [torch.rand(4, 3)], progress=False)


class TimeFirst(nn.Module):
    """Has time, not samples, in the first dimension of layer ``second``."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(5, 6), nn.Linear(6, 6)

    def forward(self, x):
        return self.second(torch.relu(self.first(x).transpose(0, 1)) + 0).mean(0)


def test_sequence_first_values_are_not_taken_for_samples():
    """16 identical samples must not come out as 3 bits because time is a multiple of the batch."""
    x = torch.randn(1, 32, 5).repeat(16, 1, 1)
    graph = infoflow.trace(TimeFirst(), x[:2])
    assert graph["second"].shape == (32, 6)
    assert graph.values(x)["second"].shape == (16, 32, 6)
    result = infoflow.analyze(TimeFirst(), [x[:8], x[8:]], progress=False)
    assert result.ixm.values.ravel() == pytest.approx([0.0, 0.0], abs=1e-12)


class Interleaved(nn.Module):
    """Puts two crops of every sample into the batch, all first crops before all second ones."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        crops = self.layer(torch.cat([x[:, :4], x[:, 4:]], 0))
        return sum(crops.chunk(2, 0))


def test_crops_that_lie_between_the_samples_are_not_taken_for_rows():
    graph = infoflow.trace(Interleaved(), torch.rand(3, 8))
    reason = graph.unmeasurable["layer"]
    assert reason == "its value for one sample depends on the others in the batch"


def test_layers_without_rows_are_left_out_with_a_warning():
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.pooled = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            h = self.body(x)
            return h, self.pooled(h.mean(0, keepdim=True))

    with pytest.warns(UnmeasurableWarning, match="1 of 2 layers have no row per sample"):
        result = infoflow.analyze(TwoHeads(), [torch.rand(6, 3)], progress=False)
    assert result.layers == ["body"]


def test_operations_across_the_batch_are_found():
    class Centred(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            h = self.a(x)
            return self.b(h - h.mean(0))

    reason = infoflow.trace(Centred(), torch.rand(4, 3)).unmeasurable["b"]
    assert reason == "its value for one sample depends on the others in the batch"


def test_a_net_that_works_in_place_on_its_input_leaves_the_callers_tensor():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            x += 1
            return self.layer(x)

    x = torch.zeros(4, 3)
    assert len(infoflow.trace(InPlace(), x)) == 1
    infoflow.analyze(InPlace(), [x[:2], x[2:]], progress=False)
    assert torch.equal(x, torch.zeros(4, 3))


class Promises(nn.Module):
    """Merges that cannot lose a stream, or not this one."""

    def __init__(self):
        super().__init__()
        self.x = nn.Conv2d(3, 4, 1)
        self.q, self.k, self.v = (nn.Linear(4, 4) for _ in range(3))
        self.gate = nn.Conv2d(4, 4, 1)
        self.left, self.right = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, image):
        x = self.x(image)
        x = x * self.gate(x.mean((2, 3), keepdim=True)).sigmoid()
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = self.q(tokens), self.k(tokens), self.v(tokens)
        attended = F.scaled_dot_product_attention(q, k, v)
        return torch.cat([self.left(attended), self.right(tokens)], -1)


def test_nothing_is_promised_where_nothing_can_go():
    graph = infoflow.trace(Promises().eval(), torch.rand(2, 3, 4, 4))
    saved = {
        (merge.kind, skip.source): skip.parameters
        for merge in graph.merges
        for skip in [*merge.skips, *([merge.branch] if merge.branch else [])]
    }
    assert saved["mul", "gate"] == 20
    nothing = {key for key, parameters in saved.items() if parameters is None}
    attention = {("attention", source) for source in "qkv"}
    assert nothing == {*attention, ("concat", "left"), ("concat", "right"), ("mul", "x")}


def test_a_norm_with_two_readers_is_saved_once():
    class TwoReaders(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 6, 1)
            self.norm = nn.BatchNorm2d(10)
            self.c, self.d = nn.Conv2d(10, 2, 1), nn.Conv2d(10, 2, 1)

        def forward(self, x):
            x = self.norm(torch.cat([self.a(x), self.b(x)], 1))
            return self.c(x) + self.d(x)

    net, example = TwoReaders().eval(), torch.rand(2, 3, 4, 4)
    graph = infoflow.trace(net, example)
    skip = next(s for m in graph.merges if m.kind == "concat" for s in m.skips)
    slim = infoflow.prune(net, skip, example)
    before = sum(p.numel() for p in net.parameters())
    assert before - sum(p.numel() for p in slim.parameters()) == skip.parameters


def test_nothing_is_promised_behind_a_norm_over_all_channels():
    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(3, 4), nn.Linear(3, 6), nn.Linear(10, 2)
            self.norm = nn.LayerNorm(10)

        def forward(self, x):
            return self.c(self.norm(torch.cat([self.a(x), self.b(x)], 1)))

    graph = infoflow.trace(Normed().eval(), torch.rand(2, 3))
    assert [s.parameters for m in graph.merges for s in (*m.skips, m.branch) if s] == [None, None]
