"""The table of operations: every record is found by one thing only, and torch.nn is covered."""

import operator

import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn

from infoflow.graph.operations.lookup import (
    arguments_of,
    is_about_shape,
    operation_name,
    operation_of,
    role_of,
    works_in_place,
)
from infoflow.graph.operations.operation import Operation, Role
from infoflow.graph.operations.operation_table import TABLE, Table, named, of_module

#: Classes of torch.nn without a record: containers, what ``trace`` opens, and losses.
WITHOUT = {
    *("Module", "Container", "Sequential", "ModuleList", "ModuleDict", "ParameterList"),
    *("ParameterDict", "DataParallel", "Transformer", "TransformerEncoder", "TransformerDecoder"),
    *("TransformerEncoderLayer", "TransformerDecoderLayer", "RNNBase", "RNNCellBase"),
}


def classes_of_torch():
    found = (getattr(nn, name) for name in dir(nn))
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, nn.Module)]


def test_every_class_of_torch_has_a_record():
    known = set(TABLE.by_class)
    left = {k.__name__ for k in classes_of_torch() if known.isdisjoint(k.__mro__)}
    assert {name for name in left if not name.endswith("Loss")} <= WITHOUT


def test_no_two_records_are_found_by_the_same():
    table = Table()
    table.add(Operation(name="add", family="arithmetic", functions=("add",)))
    with pytest.raises(ValueError, match="add is both add and plus"):
        table.add(Operation(name="plus", family="arithmetic", functions=("add",)))


def call(target, *args, method=False):
    graph = fx.Graph()
    inputs = [graph.placeholder(f"x{i}") for i in range(2)]
    make = graph.call_method if method else graph.call_function
    return make(target, (*inputs, *args))


@pytest.mark.parametrize(
    ("target", "method", "name", "role"),
    [
        (operator.iadd, False, "add", Role.FOLLOW),
        (torch.relu_, False, "relu", Role.FOLLOW),
        ("__radd__", True, "add", Role.FOLLOW),
        ("zero_", True, "zero", Role.SHAPE),
        ("normal_", True, "normal", Role.SHAPE),
        (torch.normal, False, "normal", Role.EDGE),
        ("fill_", True, "fill", Role.EDGE),
        ("copy_", True, "copy", Role.OVERWRITE),
        (torch.cat, False, "concat", Role.CONCAT),
        (torch.ops.aten.conv2d.default, False, "conv2d", Role.EDGE),
        (nn.functional.scaled_dot_product_attention, False, "attention", Role.EDGE),
        (torch.Tensor.index_put_, False, "index write", Role.EDGE),
    ],
)
def test_names_and_roles(target, method, name, role):
    node = call(target, method=method)
    assert operation_name(node) == name
    found = role_of(node, None, has_weights=False, value_of_argument=torch.Tensor)
    assert found is role


def test_a_function_of_weights_is_a_layer():
    node = call(nn.functional.linear)
    for has_weights, role in ((True, Role.KERNEL), (False, Role.EDGE)):
        found = role_of(node, None, has_weights=has_weights, value_of_argument=torch.Tensor)
        assert found is role
    item = call(operator.getitem, 0)
    assert role_of(item, None, has_weights=False, value_of_argument=tuple) is Role.FOLLOW
    assert role_of(item, None, has_weights=False, value_of_argument=torch.Tensor) is Role.EDGE


def test_a_module_is_not_taken_for_the_operation_that_its_name_is_like():
    """A module that was named ``size`` once counted as a question about a shape."""
    graph = fx.Graph()
    x, y = graph.placeholder("x"), graph.placeholder("y")
    assert not is_about_shape(graph.call_module("size", (x,)))
    assert arguments_of(graph.call_module("type_as", (x, y))) == [x, y]


def test_attributes_are_questions_about_a_shape_and_methods_of_the_same_name_are_not():
    graph = fx.Graph()
    x = graph.placeholder("x")
    assert is_about_shape(graph.call_function(getattr, (x, "requires_grad")))
    assert not is_about_shape(graph.call_method("requires_grad_", (x,)))
    assert operation_of(graph.call_function(getattr, (x, "mT"))).role is Role.FOLLOW


def test_what_gives_only_its_shape_is_no_argument():
    assert len(arguments_of(call("view_as", method=True))) == 1
    assert len(arguments_of(call("add", method=True))) == 2


@pytest.mark.parametrize(
    ("target", "method", "expected"),
    [
        (operator.iadd, False, True),
        (operator.add, False, False),
        ("relu_", True, True),
        ("__add__", True, False),
        (operator.ifloordiv, False, True),
        (torch.relu, False, False),
    ],
)
def test_in_place(target, method, expected):
    assert works_in_place(call(target, method=method), None) is expected
    assert works_in_place(call(target, method=method), nn.ReLU(inplace=True))


def test_subclasses_are_their_parents():
    class Mine(nn.Conv2d):
        pass

    parametrized = nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 2, 1))
    for module in (Mine(2, 2, 1), parametrized, nn.LazyConv2d(2, 1)):
        assert of_module(module) is named("conv2d")
    assert of_module(nn.Sequential()) is None
    assert of_module(nn.RNN(2, 2)).family == of_module(nn.GRUCell(2, 2)).family == "recurrent"


def test_what_is_idle_returns_its_input_in_evaluation_mode():
    for operation in {*TABLE.by_name.values(), *TABLE.by_class.values()}:
        if operation.is_idle:
            x = torch.rand(3, 4, 5) if "1d" in operation.name else torch.rand(3, 4, 5, 5)
            x = x[..., None] if "3d" in operation.name else x
            for module in operation.modules:
                assert torch.equal(module().eval()(x), x), operation.name
            for name in operation.functions:
                done = getattr(F, name, None)
                assert done is None or torch.equal(done(x, training=False), x)
    assert named("contiguous").is_idle
    assert not named("float").is_idle


def test_paths_that_are_dropped_are_known_by_the_names_of_other_libraries_classes():
    known = type("DropPath", (torch.nn.Module,), {})()
    assert of_module(known) is named("stochastic_depth")
