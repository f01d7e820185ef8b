"""Operations of a user's own: functions and modules that are one node each."""

import pickle

import pytest
import torch
from torch import nn

import infoflow
from infoflow.interface import ArgumentError, ArgumentTypeError, OperationError
from infoflow.pruning.choice import candidates

T, D = 5, 4


def my_add(one, other):
    """Two operations inside, which the graph must not show."""
    return one + 0.5 * other


def my_product(one, other):
    return one * other.clone()


def my_activation(x):
    return x * torch.sigmoid(1.5 * x)


def my_transform(x):
    return torch.fft.fft(x, dim=1).real


plain_add = my_add
add = my_add = infoflow.register_operation(my_add, neutral=0, multiply_adds=0)
product = infoflow.register_operation(my_product, neutral=1, kind="gate", multiply_adds=0)
activation = infoflow.register_operation(
    my_activation, role="follow", elementwise=True, multiply_adds=0
)
transform = infoflow.register_operation(
    my_transform, multiply_adds=lambda call: 3 * call.output.numel()
)


class GatedConv(nn.Module):
    """A convolution whose output another one scales: one layer, with two weights."""

    def __init__(self, width):
        super().__init__()
        self.value, self.gate = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)

    def forward(self, x):
        return self.value(x) * self.gate(x).sigmoid()


infoflow.register_operation(
    GatedConv,
    role="layer",
    channels=-3,
    multiply_adds=lambda call: 2 * call.output.numel() * call.module.value.in_channels,
)


class Net(nn.Module):
    def __init__(self, merge, before=None, make=lambda: nn.Conv2d(D, D, 1)):
        super().__init__()
        self.first, self.second, self.last = make(), nn.Conv2d(D, D, 1), nn.Conv2d(D, 2, 1)
        self.merge, self.before = merge, before or nn.Identity()

    def forward(self, x):
        x = self.first(x)
        return self.last(self.merge(x, self.second(self.before(x))))


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.rand(2, D, T, T)


def test_a_function_is_one_merge_and_can_be_cut(x):
    net = Net(add).eval()
    graph = infoflow.trace(net, x)
    assert [layer.kind for layer in graph] == ["Conv2d", "Conv2d", "my_add", "Conv2d"]
    assert graph.verification.label == "exact"
    (merge,) = graph.merges
    assert (merge.kind, merge.branch.multiply_adds) == ("my_add", T * T * D * D)
    assert [skip.name for skip in candidates(merge)] == ["second->my_add", "first->my_add"]
    slim = infoflow.prune(net, [merge.branch.name], x)
    assert slim.pruning.streams[0].how == "cut"
    torch.testing.assert_close(slim(x), net.last(net.first(x)))
    torch.testing.assert_close(pickle.loads(pickle.dumps(slim))(x), slim(x))


def test_a_stream_that_multiplies_is_silenced_with_ones(x):
    net = Net(product).eval()
    (merge,) = infoflow.trace(net, x).merges
    assert merge.kind == "gate"
    slim = infoflow.prune(net, [merge.branch.name], x, mode="zero")
    torch.testing.assert_close(slim(x), net.last(net.first(x)))


def test_without_a_neutral_number_a_function_cannot_be_cut(x):
    merge = infoflow.register_operation(lambda a, b: torch.maximum(a, b), name="my_max")
    try:
        net = Net(merge).eval()
        graph = infoflow.trace(net, x)
        assert graph.merges[0].branch.parameters is None
        with pytest.raises(infoflow.InfoflowError, match="my_max is no sum or product"):
            infoflow.prune(net, [graph.merges[0].branch.name], x, mode="cut")
    finally:
        infoflow.forget_operation(merge)


def test_an_activation_belongs_to_its_layer(x):
    net = Net(add, make=lambda: nn.Sequential(nn.Conv2d(D, D, 1), Activation()))
    first = infoflow.trace(net.eval(), x)[0]
    assert first.followed_by == ("my_activation", "Identity")


class Activation(nn.Module):
    def forward(self, x):
        return activation(x)


def test_a_function_costs_what_its_formula_says(x):
    graph = infoflow.trace(Net(add, before=transform).eval(), x)
    assert graph["second"].multiply_adds == T * T * D * D + 3 * D * T * T
    infoflow.forget_operation(transform)
    try:
        graph = infoflow.trace(Net(add, before=my_transform).eval(), x)
        assert graph["second"].multiply_adds is None
    finally:
        infoflow.register_operation(
            my_transform, multiply_adds=lambda call: 3 * call.output.numel()
        )


def test_a_module_is_one_layer_with_its_own_cost_and_channels(x):
    graph = infoflow.trace(Net(add, make=lambda: GatedConv(D)).eval(), x)
    first = graph["first"]
    assert (first.kind, first.parameters) == ("GatedConv", 2 * (D * D + D))
    assert first.multiply_adds == 2 * T * T * D * D
    assert first.positions == (1, 2)
    opened = infoflow.trace(Net(add, make=lambda: GatedConv(D)).eval(), x, opened=[GatedConv])
    assert "first.value" in opened.names


class Costly(nn.Module):
    """An operation with a cost reads two streams before the layer that shrinks without one."""

    def __init__(self, way):
        super().__init__()
        self.first, self.second, self.last = (nn.Conv2d(w, D, 1) for w in (D, D, 2 * D))
        self.way = way

    def forward(self, x):
        a = self.first(x)
        return self.last(self.way(torch.cat([a, self.second(a)], 1)))


def test_what_a_cost_on_the_way_to_a_reader_would_save_is_not_guessed(x):
    costly = infoflow.register_operation(
        lambda x: x * 2, name="costly", elementwise=True, multiply_adds=lambda c: c.output.numel()
    )
    try:
        (skip,) = infoflow.trace(Costly(nn.ReLU()).eval(), x).skips
        assert (skip.parameters, skip.multiply_adds) == (D * D, T * T * D * D)
        graph = infoflow.trace(Costly(costly).eval(), x)
        assert (graph.skips[0].parameters, graph.skips[0].multiply_adds) == (None, None)
        assert graph["last"].multiply_adds == 2 * D * T * T + 2 * D * D * T * T
    finally:
        infoflow.forget_operation(costly)


@torch.library.custom_op("infoflow_test::blend", mutates_args=())
def blend(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return one + 2 * other


@pytest.mark.parametrize(
    "called", [blend, torch.ops.infoflow_test.blend, torch.ops.infoflow_test.blend.default]
)
def test_functions_of_torch_s_own_registry_are_registered_as_they_are(x, called):
    assert infoflow.trace(Net(called).eval(), x)[2].kind == "blend"
    returned = infoflow.register_operation(called, neutral=0, multiply_adds=0, kind="blending")
    try:
        assert returned is called
        graph = infoflow.trace(Net(blend).eval(), x)
        assert graph.merges[0].kind == "blending"
        assert graph.merges[0].branch.parameters == D * D + D
    finally:
        infoflow.forget_operation(called)


def test_outside_a_trace_a_function_does_what_it_did(x):
    y = x.clone().requires_grad_()
    add(y, x).sum().backward()
    assert bool((y.grad == 1).all())
    torch.testing.assert_close(add(x, other=x), plain_add(x, x))
    assert torch.export.export(Net(add).eval(), (x,)).module()(x).shape == (2, 2, T, T)


@pytest.mark.parametrize(
    ("what", "settings", "error", "match"),
    [
        (nn.Linear, {}, ArgumentError, "Linear has a record in the table of operations already"),
        (GatedConv, {}, ArgumentError, "GatedConv has a record in the table of operations already"),
        (add, {}, ArgumentError, "my_add has a record"),
        (plain_add, {}, ArgumentError, "my_add has a record"),
        (dict, {}, ArgumentTypeError, "got the class dict. Register a function"),
        (nn.Linear(2, 2), {}, ArgumentTypeError, "got an object of Linear. Register its class"),
        ("add", {}, ArgumentTypeError, "got an object of str"),
        (len, {"role": "merge"}, ArgumentError, "role must be one of edge, layer, follow"),
        (len, {"multiply_adds": 3}, ArgumentError, "multiply_adds must be a function of an"),
        (len, {"multiply_adds": "torch"}, ArgumentError, "got 'torch'"),
        (len, {"channels": 1}, ArgumentError, "must be below 0, got 1"),
        (len, {"neutral": 2}, ArgumentError, r"neutral must be 0 \(a sum\)"),
    ],
)
def test_what_cannot_be_registered_is_told(what, settings, error, match):
    with pytest.raises(error, match=match):
        infoflow.register_operation(what, **settings)


def test_what_is_not_registered_cannot_be_forgotten():
    with pytest.raises(ArgumentError, match="Pass what register_operation returned"):
        infoflow.forget_operation(len)


@pytest.mark.parametrize(
    ("formula", "match"),
    [
        (lambda call: call.output.shape[9], r"failed for a call with \(2, 4, 5, 5\): IndexError"),
        (lambda call: 1.5, "must return a whole number, at least 0, or None"),
        (lambda call: -1, r"got -1\."),
        (lambda call: True, "got True"),
    ],
)
def test_a_formula_that_fails_is_named(x, formula, match):
    mine = infoflow.register_operation(lambda x: x * 2, name="mine", multiply_adds=formula)
    try:
        with pytest.raises(OperationError, match=f"multiply_adds of mine {match}|{match}"):
            infoflow.trace(Net(add, before=mine).eval(), x)
    finally:
        infoflow.forget_operation(mine)


class GateFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, one, other):
        ctx.save_for_backward(one, other)
        return one * other

    @staticmethod
    def backward(ctx, gradient):
        one, other = ctx.saved_tensors
        return gradient * other, gradient * one


def test_the_apply_of_an_autograd_function_is_traced_and_cut():
    apply = infoflow.register_operation(GateFunction.apply, name="gate function", neutral=1)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.head = nn.Linear(D, D), nn.Linear(D, D), nn.Linear(D, 2)

        def forward(self, x):
            x = self.first(x)
            return self.head(apply(x, self.second(x)))

    net, x = Net(), torch.rand(2, D)
    try:
        merge = infoflow.trace(net, x).merges[0]
        slim = infoflow.prune(net, merge.branch, x)
        assert merge.name == "gate function"
        assert slim.pruning.streams[0].how == "cut"
    finally:
        infoflow.forget_operation(apply)


def test_an_operator_of_torch_library_has_its_own_name():
    @torch.library.custom_op("infoflow_tests::named_sum", mutates_args=())
    def named_sum(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return one + other

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Linear(D, D), nn.Linear(D, D)

        def forward(self, x):
            return named_sum(self.one(x), self.other(x))

    infoflow.register_operation(named_sum, neutral=0)
    try:
        assert infoflow.trace(Net(), torch.rand(2, D)).merges[0].kind == "named_sum"
    finally:
        infoflow.forget_operation(named_sum)


@pytest.mark.parametrize("setting", ["name", "kind", "elementwise", "commutes"])
def test_a_setting_of_a_wrong_type_is_refused(setting):
    with pytest.raises(ArgumentTypeError, match=f"{setting} must be"):
        infoflow.register_operation(lambda x: x, **{setting: 3})
