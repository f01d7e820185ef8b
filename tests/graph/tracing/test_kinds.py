"""Kinds of tensors and of calls that torch has beside the usual ones."""

import warnings
from dataclasses import dataclass
from threading import Thread

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import infoflow
from infoflow.interface import ArgumentError


class Net(nn.Module):
    """A net whose forward is a function of the net and its inputs."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(4, 2)
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, *inputs):
        return self._forward(self, *inputs)


X = torch.rand(3, 6)


def traced(forward, *inputs, **parts):
    return infoflow.trace(Net(forward, **parts).eval(), inputs or (X,))


def test_a_sparse_matrix_in_a_net():
    def forward(m, x):
        return m.c(torch.sparse.mm(m.edges.to_sparse(), m.a(x).t()).t())

    graph = traced(forward, edges=nn.Parameter(torch.eye(4)))
    assert graph.verification.label == "exact"
    assert graph["c"].shape == (2,)


def test_a_sparse_output():
    graph = traced(lambda m, x: m.a(x).to_sparse())
    assert graph.names == ("a",)


def test_a_module_inside_vmap():
    graph = traced(lambda m, x: m.c(m.a(x) + torch.vmap(m.b)(x)))
    assert "c" in graph.names


def test_a_gradient_inside_a_net():
    graph = traced(lambda m, x: m.c(torch.func.grad(lambda v: v.square().sum())(m.a(x))))
    assert graph["c"].streams == ("a",)
    assert graph.verification.label == "exact"


def test_packed_sequences():
    def forward(m, x):
        packed = pack_padded_sequence(x, torch.tensor([5, 4, 2]), batch_first=True)
        return m.c(m.lstm(packed)[1][0][0])

    graph = traced(forward, torch.rand(3, 5, 6), lstm=nn.LSTM(6, 4, batch_first=True))
    assert graph["c"].streams == ("lstm",)


def test_inference_mode_inside_a_net():
    def forward(m, x):
        with torch.inference_mode():
            h = m.a(x)
        return m.c(h + m.b(x))

    assert [merge.streams for merge in traced(forward).merges] == [("a", "b")]


def test_writes_in_place_are_seen_in_inference_mode():
    @torch.inference_mode()
    def forward(m, x):
        h = m.a(x)
        h += m.b(x)
        return m.c(h)

    assert [merge.streams for merge in traced(forward).merges] == [("a", "b")]
    with torch.inference_mode():
        inside = torch.rand(3, 6)
        graph = traced(lambda m, x: m.c(m.a(x.mul_(2.0)).add_(m.b(x))), inside)
        assert torch.is_inference_mode_enabled()
    assert [merge.streams for merge in graph.merges] == [("a", "b")]


def test_learned_tables_and_code_books_are_layers():
    def forward(m, x):
        token = (6 * x).long()
        near = torch.cdist(
            m.table[token] + m.table.index_select(0, token.flatten()).view(*token.shape, 4), m.book
        )
        return m.book[near.argmin(-1)]

    book = nn.Parameter(torch.rand(5, 4))
    graph = traced(forward, table=nn.Parameter(torch.rand(6, 4)), book=book)
    assert [(layer.name, layer.kind) for layer in graph] == [
        ("table", "index"), ("table:2", "index"), ("add", "add"), ("book", "cdist"),
        ("book:2", "index"),
    ]  # fmt: skip
    assert graph["book"].parameters == 20
    assert graph.verification.label == "exact"


def test_cond_is_an_if_on_values():
    def forward(m, x):
        return m.c(torch.cond(x.sum() > 0, m.a, m.b, (x,)))

    graph = traced(forward)
    assert graph.names == ("a", "c")
    assert graph.verification.label == "this input only"


def test_compiled_parts_are_opened():
    block = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    graph = traced(lambda m, x: m.c(m.a(m.block(x))), block=torch.compile(block, backend="eager"))
    assert [layer.kind for layer in graph] == ["Linear"] * 4
    net = Net(lambda m, x: m.c(m.a(x))).eval()
    net.compile(backend="eager")
    assert infoflow.trace(net, X).names == ("a", "c")


def test_a_compiled_function_is_seen_through():
    @torch.compile(backend="eager")
    def join(m, x):
        return m.a(x) + m.b(x)

    graph = traced(lambda m, x: m.c(join(m, x)))
    assert graph.names == ("a", "b", "add", "c")
    assert graph.verification.label == "exact"


def test_a_net_on_the_meta_device():
    with torch.device("meta"):
        net = Net(lambda m, x: m.c(m.a(x) + m.b(x))).eval()
        graph = infoflow.trace(net, torch.rand(3, 6))
    assert graph.verification.label == "not verified"
    assert graph["add"].shape == (4,)


def test_our_own_errors_come_as_they_are():
    with pytest.raises(ArgumentError, match="cannot be called"):
        infoflow.trace(nn.Linear(6, 4), (X, X))


def test_a_single_number_may_come_first_and_an_empty_tensor_last():
    graph = traced(lambda m, t, x, e: m.c(m.a(x) * t), torch.tensor(0.5), X, torch.zeros(0))
    assert graph.verification.label == "exact"
    assert graph["c"].shape == (2,)


def shifted(x: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    return x + 2.0 * by


def test_a_scripted_function_is_one_call():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch means to give up scripting
        scripted = torch.jit.script(shifted)
    graph = traced(lambda m, x: m.c(scripted(m.a(x), m.b(x))))
    assert [(merge.kind, merge.streams) for merge in graph.merges] == [("shifted", ("a", "b"))]
    assert graph.verification.label == "exact"


def test_another_view_of_the_same_memory_is_the_same_tensor():
    class Special(torch.Tensor):
        pass

    graph = traced(lambda m, x: m.c(m.a(x).as_subclass(Special).as_subclass(torch.Tensor)))
    assert graph["c"].streams == ("a",)


def test_a_tensor_from_nowhere_is_named_by_its_line():
    graph = traced(lambda m, x: m.c(torch.stack(threaded(m.a, x))[0]))
    assert graph.verification.label != "exact"
    assert "taken for a constant" in graph.verification.notes[-1]


def threaded(function, x):
    results = []
    thread = Thread(target=lambda: results.append(function(x)))
    thread.start()
    thread.join()
    return results


class ByNumber(nn.Module):
    """A leaf that takes and returns dictionaries."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 4)

    def forward(self, parts):
        return {"low": self.linear(parts[0]), 1: self.linear(parts[1])}


def test_a_leaf_may_take_and_return_dictionaries():
    def forward(m, x):
        found = m.leaf({0: x, 1: 2 * x})
        return m.c(found["low"] + found[1])

    net = Net(forward, leaf=ByNumber()).eval()
    graph = infoflow.trace(net, X, leaves=[ByNumber])
    assert graph["c"].streams == ("leaf",)
    assert graph.verification.label == "exact"


@pytest.mark.parametrize("shape", [(5,), (4, 7, 5)])
def test_a_list_of_two_batches_is_no_list_of_samples(shape):
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(1, 4), nn.Linear(1, 4)

        def forward(self, pair):
            left, right = (item.flatten()[: len(item)].unsqueeze(-1) for item in pair)
            return self.a(left) * self.b(right)

    graph = infoflow.trace(Pair().eval(), ([torch.rand(shape), torch.rand(shape)],))
    assert len(graph.merges) == 1


def test_inputs_with_names_that_join_to_the_same():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(6, 4), nn.Linear(6, 4)

        def forward(self, a, a_b):
            return self.one(a["b"]) + self.two(a_b)

    graph = infoflow.trace(Two().eval(), ({"b": X}, X))
    assert graph.inputs == ("a_b_", "a_b")
    assert len(graph.merges) == 1


def test_complex_input_is_varied():
    net = nn.Sequential(nn.Linear(6, 4, dtype=torch.cfloat)).eval()
    graph = infoflow.trace(net, torch.rand(3, 6, dtype=torch.cfloat))
    assert graph.verification.label == "exact"
    assert graph.verification.notes == ()


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc])
@pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta")
def test_sparse_input_is_varied(layout):
    graph = traced(lambda m, x: m.a(x.to_dense()), X.to_sparse(layout=layout))
    assert graph.verification.label == "exact"


def test_what_cannot_be_varied_is_not_exact():
    graph = traced(lambda m, x: m.a(x.new_zeros(len(x), 6)), X[:, :0])
    assert graph.verification.label == "this input only"
    assert "no other input" in graph.verification.notes[0]


def test_a_layout_without_samples_gets_a_sentence():
    with pytest.raises(ArgumentError, match=r"dense, sparse, nested .* got torch\._mkldnn"):
        traced(lambda m, x: m.a(x.to_dense()), X.to_mkldnn())


def test_a_tensor_set_to_zero_is_no_stream():
    graph = traced(lambda m, x: m.c(m.b(x) + m.a(x).zero_()))
    assert graph.merges == ()


def test_the_number_of_elements_is_not_baked_in():
    graph = traced(lambda m, x: m.c(m.a(x).view(x.nelement() // 6, 4)))
    assert graph.verification.label == "exact"


def test_a_scripted_part_is_named_in_a_note():
    class Part(nn.Module):
        def forward(self, x):
            return x * 2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        part = torch.jit.script(Part())
    graph = traced(lambda m, x: m.c(m.a(m.part(x))), part=part)
    assert graph.verification.notes == (
        "part: scripted, kept as one layer: torch.jit hides what is inside",
    )


def test_autocast_inside_a_net_is_replayed():
    def forward(m, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            h = m.a(x)
        return m.c(h.float())

    net = Net(forward).eval()
    graph = infoflow.trace(net, X)
    assert graph.verification.label == "exact"
    assert torch.equal(graph.values(X)["c"], net(X).detach())


def test_a_tensor_that_a_dataclass_makes_is_an_input():
    @dataclass
    class Item:
        left: torch.Tensor

        def __post_init__(self):
            self.right = self.left + 1

    graph = traced(lambda m, item: m.c(m.a(item.right)), Item(X))
    assert graph.names == ("a", "c")


def test_bare_attention_is_called_so():
    class SelfAttention(nn.MultiheadAttention):
        def forward(self, x):
            return super().forward(x, x, x, need_weights=False)[0]

    graph = infoflow.trace(SelfAttention(8, 2, batch_first=True).eval(), torch.rand(3, 5, 8))
    assert "attention" in {layer.kind for layer in graph}


def test_lazy_modules_draw_no_random_numbers_in_forward():
    graph = traced(lambda m, x: m.c(m.lazy(x)), lazy=nn.LazyLinear(4))
    assert graph.verification.notes == (
        "lazy modules were given the sizes of the example, and stay so",
    )


def test_a_position_that_no_layer_has_is_refused():
    with pytest.raises(ArgumentError, match="no layer has such a value"):
        infoflow.trace(nn.Conv2d(3, 4, 3), torch.rand(2, 3, 8, 8), reduce=99)


def test_a_net_without_layers_says_so_where_layers_are_chosen():
    graph = traced(lambda m, x: x * 2)
    with pytest.raises(infoflow.InfoflowError, match="Net has no layers"):
        graph.select("all")


def test_a_dictionary_for_an_argument_of_its_own_key_gets_a_hint():
    class Batch(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 4)

        def forward(self, x):
            return self.linear(x["x"])

    with pytest.raises(infoflow.InfoflowError, match="a tuple of one"):
        infoflow.trace(Batch(), {"x": X})


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", [torch.jagged, torch.strided])
def test_a_nested_tensor_in_a_net(layout):
    def forward(m, x):
        nested = torch.nested.nested_tensor(list(m.a(x).unbind()), layout=layout)
        return m.c(nested.to_padded_tensor(0.0))

    graph = traced(forward, torch.rand(3, 5, 6))
    assert graph.names[-1] == "c"


@pytest.mark.parametrize("samples", [1, 2, 3])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_outputs_of_a_recurrent_layer_are_measured_whatever_is_read(samples, layers):
    """Its last state counts layers first, which may be as many as there are samples."""

    def forward(net, x):
        return net.head(net.lstm(x)[1][0][-1])

    graph = traced(
        forward,
        torch.rand(samples, 5, 6),
        lstm=nn.LSTM(6, 4, num_layers=layers, batch_first=True),
        head=nn.Linear(4, 2),
    )
    assert graph["lstm"].shape == (5, 4)
    assert graph["head"].streams == ("lstm",)


def by_places(m, x):
    h, places = m.a(x), torch.where(x[:, 0] > 0.5)[0]
    return m.c(h + m.b(x) if places.shape[0] > 0 else h)


def by_length(m, x):
    h, places = m.a(x), (x[:, 0] > 0.5).nonzero()
    return m.c(h + m.b(x) if len(places) else h)


def by_loop(m, x):
    h = m.a(x)
    for _ in (x[:, 0] > 0.5).nonzero():
        h = h + m.b(x)
    return m.c(h)


@pytest.mark.parametrize("forward", [by_places, by_length, by_loop])
def test_a_path_that_depends_on_how_many_there_are(forward):
    graph = traced(forward)
    assert graph.verification.label == "this input only"
    assert "the path depends on values of the input" in graph.verification.notes[0]


def test_what_is_put_back_together_has_a_size_of_its_own():
    def written(m, x):
        h, mask = m.a(x), x[:, 0] > 0.5
        whole = h.clone()
        whole[mask] = m.d(h[mask])
        return m.c(whole.view(whole.shape[0], 4))

    def added(m, x):
        h, places = m.a(x), torch.where(x[:, 0] > 0.5)[0]
        return m.c(h.index_add(0, places, m.d(h[places])).view(len(x), -1))

    for forward in (written, added):
        graph = traced(forward, d=nn.Linear(4, 4))
        assert "path depends" not in " ".join(graph.verification.notes)
