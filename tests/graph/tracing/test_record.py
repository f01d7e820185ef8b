"""What the recorder sees: writes in place, views, sizes, calls by function, numbers of Python."""

import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import infoflow
from infoflow.graph.tracing.sizes import TracedInt
from infoflow.interface import ActivationError, PathWarning


class Net(nn.Module):
    """A net whose forward is given as a function of the net and its inputs."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.a, self.b = nn.Linear(6, 4), nn.Linear(6, 4)
        self.c, self.wide = nn.Linear(4, 2), nn.Linear(8, 2)
        self.weight = nn.Parameter(torch.rand(4, 6))
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, *inputs):
        return self._forward(self, *inputs)


X = torch.rand(3, 6)


def traced(forward, *inputs, **parts):
    return infoflow.trace(Net(forward, **parts).eval(), inputs or (X,))


def merges(graph):
    return [(merge.kind, merge.streams) for merge in graph.merges]


# --------------------------------------------------------------------------- writes in place


def two_halves(m, x):
    out = torch.empty(x.shape[0], 8)
    out[:, :4] = m.a(x)
    out[:, 4:] = m.b(x)
    return m.wide(out)


def two_halves_by_views(m, x):
    out = torch.zeros(x.size(0), 8)
    left, right = out.chunk(2, dim=1)
    left.copy_(m.a(x))
    right.copy_(m.b(x))
    return m.wide(out)


@pytest.mark.parametrize("forward", [two_halves, two_halves_by_views])
def test_writes_into_a_tensor_made_for_them_are_a_bundle(forward):
    graph = traced(forward)
    assert merges(graph) == [("index write", ("a", "b"))]
    assert graph["wide"].streams == ("a", "b")
    assert graph.verification.label == "exact"


def test_a_write_into_a_part_of_a_stream_is_a_merge_layer():
    def forward(m, x):
        h = m.a(x)
        h[:, :2] = m.b(x)[:, :2]
        return m.c(h)

    graph = traced(forward)
    assert merges(graph) == [("index write", ("a", "b"))]
    assert graph["c"].streams == ("index write",)


def test_a_write_to_a_view_reaches_all_that_see_the_memory():
    def forward(m, x):
        h = m.a(x)
        h.view(-1, 2, 2).add_(m.b(x).view(-1, 2, 2))
        return m.c(h)

    graph = traced(forward)
    assert merges(graph) == [("add", ("a", "b"))]
    assert graph["c"].streams == ("add",)


def test_a_write_beside_a_view_does_not_reach_it():
    def forward(m, x):
        left, right = m.a(x).chunk(2, dim=1)
        left.copy_(m.b(x)[:, :2])
        return m.c(torch.cat([right, right], 1))

    graph = traced(forward)
    assert merges(graph) == []
    assert graph["c"].streams == ("a",)


def set_all(m, x):
    h = m.a(x)
    h[:, 0:] = m.b(x)
    return m.c(h)


@pytest.mark.parametrize("forward", [lambda m, x: m.c(m.a(x).copy_(m.b(x))), set_all])
def test_a_tensor_that_is_overwritten_is_no_stream(forward):
    graph = traced(forward)
    assert graph["c"].streams == ("b",)
    assert graph.merges == ()


def test_augmented_assignment_to_an_index_adds_once():
    def forward(m, x):
        h = m.a(x)
        h[:, :2] += m.b(x)[:, :2]
        return m.c(h)

    graph = traced(forward)
    assert merges(graph) == [("add", ("a", "b")), ("index write", ("a", "add"))]
    x = torch.rand(5, 6)
    net = graph.source.model
    wanted = net.a(x).detach()
    wanted[:, :2] += net.b(x).detach()[:, :2]
    torch.testing.assert_close(graph.values(x)["index write"], wanted)


# --------------------------------------------------------------------------- sizes


SIZES = {
    "view": lambda m, x: m.c(m.a(x).view(x.shape[0], 2, 2).reshape(x.size(0), -1)),
    "product": lambda m, x: m.c(m.a(x).view(x.shape[0] * 2, 2).reshape(-1, 4)),
    "ceil": lambda m, x: m.c(m.a(x)[: math.ceil(x.shape[0] * 2 / 2)]),
    "zeros": lambda m, x: m.c(m.a(x) + torch.zeros(len(x.shape) and x.shape[0], 4)),
    "slice": lambda m, x: m.c(torch.cat([m.a(x), m.b(x)])[: x.shape[0]]),
    "numel": lambda m, x: m.c(m.a(x).reshape(x.numel() // 6, 4)),
    "whole shape": lambda m, x: m.c(m.a(x).expand(m.b(x).shape)),
    "loop of additions": lambda m, x: m.c(m.a(x).view(sum([x.shape[0], 0]), 4)),
}


@pytest.mark.parametrize("name", SIZES)
def test_the_batch_size_is_not_baked_in(name):
    graph = traced(SIZES[name])
    assert graph.verification.label == "exact"
    assert graph.verification.checks[-1] == "a batch of 2"


def test_a_traced_size_is_an_int_and_pickles_as_one():
    import pickle

    seen = []
    traced(lambda m, x: (seen.append(x.shape[0] + 1), m.a(x))[1])
    size = seen[0]
    assert isinstance(size, TracedInt)
    assert (size, size * 2, 10 - size, size / 8, -size, divmod(size, 3)) == (
        4,
        8,
        6,
        0.5,
        -4,
        (1, 1),
    )
    assert type(pickle.loads(pickle.dumps(size))) is int


def test_a_batch_size_that_python_has_taken_over_is_told():
    graph = traced(lambda m, x: m.c(m.a(x).view(int(x.shape[0]), 4)))
    assert graph.verification.label == "fixed batch"
    assert "replayed with 4 samples" in graph.verification.notes[-1]
    assert graph.values(torch.rand(7, 6))["a"].shape == (7, 4)  # by watching the model itself


# --------------------------------------------------------------------------- functions and modules


FUNCTIONS = {
    "linear": lambda m, x: F.linear(x, m.weight),
    "einsum": lambda m, x: torch.einsum("ni,oi->no", x, m.weight),
    "matmul": lambda m, x: x @ m.weight.T,
    "conv2d": lambda m, x: F.conv2d(x[:, None, None], m.weight[:, None, None]).flatten(1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_with_weights_are_kernel_layers(name):
    graph = traced(FUNCTIONS[name])
    assert [layer.kind for layer in graph] == [name]
    assert graph.layers[0].parameters == 24
    assert graph.merges == ()


def test_a_matrix_that_is_not_learned_makes_no_layer():
    graph = traced(lambda m, x: m.a(x @ torch.eye(6)))
    assert [layer.name for layer in graph] == ["a"]


def test_layers_by_function_are_named_after_their_weights():
    graph = traced(lambda m, x: F.linear(F.linear(x, m.a.weight, m.a.bias), m.c.weight))
    assert [layer.name for layer in graph] == ["a", "c"]
    assert [layer.parameters for layer in graph] == [28, 8]


def test_a_call_each_is_a_layer_each():
    graph = traced(lambda m, x: m.a(x) + m.a(x.flip(1)))
    assert [layer.name for layer in graph] == ["a", "a:2", "add"]


def test_recurrent_and_attention_modules_are_one_layer_each_and_transformers_are_opened():
    class Speech(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(6, 8, batch_first=True)
            self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

        def forward(self, x):
            return self.block(self.lstm(x)[0])

    graph = infoflow.trace(Speech(), torch.rand(2, 5, 6))
    assert [layer.name for layer in graph] == [
        *("lstm", "block.self_attn", "block.add", "block.linear1", "block.linear2", "block.add:2"),
    ]
    assert graph["lstm"].shape == (5, 8)
    assert graph["block.self_attn"].streams == ("lstm",)


def test_leaves_and_open_choose_what_is_kept_whole():
    net = nn.Sequential(nn.Sequential(nn.Linear(6, 4), nn.ReLU()), weight_norm(nn.Linear(4, 2)))
    x = torch.rand(2, 6)
    assert [layer.name for layer in infoflow.trace(net, x)] == ["0.0", "1"]
    assert [layer.name for layer in infoflow.trace(net, x, leaves=["0"])] == ["0", "1"]
    opened = infoflow.trace(net, x, opened=[nn.Linear])
    assert [layer.kind for layer in opened] == ["linear", "linear"]


def test_hooks_that_replace_outputs_are_part_of_the_layer():
    net = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2)).eval()
    net[0].register_forward_hook(lambda module, inputs, output: output * 2)
    value = infoflow.trace(net, X).values(X)["0"]
    torch.testing.assert_close(value, 2 * F.linear(X, net[0].weight, net[0].bias))


def test_a_stream_through_numpy_is_not_lost():
    graph = traced(lambda m, x: m.c(torch.from_numpy(m.a(x).detach().numpy() * 2)))
    assert graph["c"].streams == ("a",)
    assert graph.verification.label == "this input only"
    values = graph.values(torch.ones(2, 6))
    assert values["c"].shape == (2, 2)


# --------------------------------------------------------------------------- memory


def test_recording_keeps_no_value_alive():
    """The live tensors of a deep net are those of its last layers, not of all."""
    alive, most = set(), [0]

    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(30))

        def forward(self, x):
            import weakref

            for layer in self.layers:
                x = layer(x)
                alive.add(id(x))
                weakref.finalize(x, alive.discard, id(x))
                most[0] = max(most[0], len(alive))
            return x

    infoflow.trace(Counted(), torch.rand(2, 8))
    assert most[0] <= 3


def test_a_forward_that_is_set_on_the_instance_is_opened():
    """timm's FasterNet chooses its forward so; taken for torch's own, it hid a concatenation."""

    class Chosen(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 3)
            self.forward = self.forward_split

        def forward_split(self, x):
            return torch.cat([self.inner(x[:, :3]), x[:, 3:]], 1)

    graph = infoflow.trace(nn.Sequential(Chosen(), nn.Linear(6, 2)), torch.rand(2, 6))
    assert [merge.kind for merge in graph.merges] == ["concat"]


def test_an_index_that_another_layer_computes_is_a_merge():
    graph = traced(lambda m, x: m.a(x)[torch.arange(len(x.shape) + 1)[:3], m.b(x).argmax(1)[:3]])
    assert merges(graph) == [("index", ("a", "b"))]


# --------------------------------------------------------------------------- once lost


def test_requires_grad_keeps_the_stream():
    graph = traced(lambda m, x: (h := m.a(x), m.c(h.requires_grad_(True) + m.b(x)))[1])
    assert merges(graph) == [("add", ("a", "b"))]


@pytest.mark.filterwarnings("ignore:To copy construct")
def test_new_tensor_copies_the_values_of_its_argument():
    graph = traced(lambda m, x: m.c(x.new_tensor(m.a(x))))
    assert graph["c"].streams == ("a",)


def test_modules_in_a_plain_list_are_layers():
    graph = traced(lambda m, x: m.c(m.a(x) + m.parts[0](x)), parts=[nn.Linear(6, 4)])
    assert merges(graph) == [("add", ("a", "parts.0"))]
    assert graph["parts.0"].parameters == 28
    assert graph.verification.label == "exact"


def test_a_parameter_in_a_plain_list_is_read_anew_in_each_replay():
    graph = traced(
        lambda m, x: m.c(F.linear(x, m.parts[0])), parts=[nn.Parameter(torch.ones(4, 6))]
    )
    before = graph.values(X)["parts.0"]
    with torch.no_grad():
        graph.source.model.parts[0].mul_(2)
    torch.testing.assert_close(graph.values(X)["parts.0"], 2 * before)


# --------------------------------------------------------------------------- sizes that decide


def convolutions(forward):
    parts = {
        "a": nn.Conv1d(6, 4, 3, padding=1),
        "b": nn.Conv1d(6, 4, 5, padding=2),
        "c": nn.Conv1d(4, 2, 1),
    }
    return Net(forward, **parts).eval()


def test_a_comparison_of_sizes_is_made_again_for_other_shapes():
    def forward(m, x):
        wide = x.shape[-1] > 10
        return m.c(F.avg_pool1d(m.a(x), 4 if wide else 2))

    net = convolutions(forward)
    graph = infoflow.trace(net, torch.rand(2, 6, 8))
    assert graph.verification.label == "exact"
    for length in (8, 10, 20):
        x = torch.rand(3, 6, length)
        torch.testing.assert_close(graph.values(x)["c"], net(x).detach())


def test_another_way_for_a_larger_batch_is_the_models_own():
    def forward(m, x):
        return m.c(m.a(x) * 2 if x.shape[0] > 4 else m.a(x))

    net = Net(forward).eval()
    graph = infoflow.trace(net, X)
    x = torch.rand(8, 6)
    with pytest.warns(PathWarning, match="mul"):
        values = graph.values(x)
    torch.testing.assert_close(values["c"], net(x).detach())


def test_a_layer_of_the_way_that_a_shape_closes_is_an_error():
    graph = infoflow.trace(
        convolutions(lambda m, x: m.c(m.b(x) if x.shape[2] > 10 else m.a(x))), torch.rand(2, 6, 8)
    )
    with pytest.raises(ActivationError, match="another path"):
        graph.values(torch.rand(2, 6, 20))


def test_a_loop_over_the_length_is_not_replayed_for_another_length():
    def forward(m, x):
        h = 0
        for step in range(x.shape[1]):
            h = h + m.a(x[:, step])
        return m.c(h)

    net = Net(forward).eval()
    graph = infoflow.trace(net, torch.rand(2, 3, 6))
    x = torch.rand(2, 5, 6)
    torch.testing.assert_close(graph.values(x)["c"], net(x).detach())


def test_a_size_that_the_model_keeps_is_a_plain_number_afterwards():
    def forward(m, x):
        kept.append(x.shape[0])
        return m.c(m.a(x).view(kept[0], 4))

    kept = []
    net = Net(forward).eval()
    infoflow.trace(net, X)
    assert infoflow.trace(net, X).verification.label == "fixed shape"


# --------------------------------------------------------------------------- left as it was


class Stateful(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Linear(6, 4), nn.BatchNorm1d(4)
        self.register_buffer("calls", torch.zeros(()))
        self.sizes = []

    def forward(self, x):
        self.norm.train()
        self.calls += 1
        self.last = self.a(x)
        self.sizes.append(x.shape[0])
        return self.norm(self.last)


def test_buffers_and_attributes_are_as_they_were():
    net = Stateful().eval()
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    infoflow.trace(net, X).values(X)
    assert all(torch.equal(before[name], buffer) for name, buffer in net.named_buffers())
    assert net.sizes == []
    assert not hasattr(net, "last")
    assert not net.norm.training


# --------------------------------------------------------------------------- random numbers


def test_all_random_states_are_as_they_were():
    def forward(m, x):
        noise = torch.rand(4) + random.random() + float(np.random.rand())  # noqa: NPY002
        return m.c(m.a(x) + noise)

    net = Net(forward).eval()
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    graph = infoflow.trace(net, X)
    assert random.getstate() == before[0]
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[2])
    assert graph.verification.label == "this input only"
    assert "NumPy" in graph.verification.notes[0]


def test_random_numbers_of_an_accelerator_are_seen(monkeypatch):
    """The state of the CPU's generator says nothing of what is drawn on CUDA."""
    drawn = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda _: torch.tensor([len(drawn)]))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda _: None)

    def forward(m, x):
        drawn.append(1)  # what torch.rand(4, device="cuda") does to the state
        return m.c(m.a(x))

    assert "draws random numbers" in " ".join(traced(forward).verification.notes)
    assert not traced(lambda m, x: m.c(m.a(x))).verification.notes


def test_random_numbers_are_the_same_in_every_pass():
    graph = traced(lambda m, x: m.c(m.a(x) + torch.rand(4)))
    assert torch.equal(graph.values(X)["c"], graph.values(X)["c"])
