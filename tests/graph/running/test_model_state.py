"""A look never changes a model: every state comes back to the bit, also after an exception."""

import contextlib
import itertools
import random
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import infoflow
from infoflow.graph.running.model_state import evaluation_mode
from infoflow.graph.running.tensor_bits import TensorBits
from infoflow.interface import InfoflowError
from tests.graph.running import restless
from tests.tiers import examples


def bits(tensor):
    return (
        *(tuple(tensor.shape), tensor.stride(), str(tensor.dtype), tensor.requires_grad),
        *(tensor.data_ptr(), tensor.detach().contiguous().numpy().tobytes()),
        None if not tensor.is_leaf or tensor.grad is None else bits(tensor.grad),
    )


def frozen(value, seen=None):
    """Return a value, and everything in it, in a form that can be compared and never changes."""
    seen = {} if seen is None else seen
    if isinstance(value, (int, float, str, bool, type(None))):
        return value
    if id(value) in seen:
        return "again"
    seen[id(value)] = value
    if isinstance(value, torch.Tensor):
        return bits(value)
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, torch.Generator):
        return value.get_state().numpy().tobytes()
    if isinstance(value, dict):
        return [(key, frozen(part, seen)) for key, part in value.items()]
    if isinstance(value, (list, tuple)):
        return [frozen(part, seen) for part in value]
    if isinstance(value, set):
        return sorted(map(str, value))
    if isinstance(value, restless.Counts.Log):
        return value.calls, frozen(value.seen, seen)
    if isinstance(value, nn.Module):
        return type(value), frozen(vars(value), seen)
    own = getattr(value, "__dict__", None)
    return id(value), frozen(own, seen) if isinstance(own, dict) else None


def process():
    """Return the random states, and the settings, of the process."""
    return (
        *(random.getstate(), np.random.get_state()[1].tobytes()),  # noqa: NPY002
        *(torch.get_rng_state().numpy().tobytes(), torch.is_grad_enabled()),
        *(torch.get_float32_matmul_precision(), torch.backends.mha.get_fastpath_enabled()),
        *(nn.Module.__call__, torch.cond, torch.inference_mode.__enter__),
    )


def batches():
    torch.manual_seed(5)
    return [(torch.randn(6, 4), torch.arange(6) % 2) for _ in range(3)]


def look(how, net, data):
    quiet = {"progress": False}
    x = data[0][0]
    if how == "trace":
        infoflow.trace(net, x)
    elif how == "analyze":
        infoflow.analyze(net, data, **quiet)
    elif how == "prune":
        merges = infoflow.trace(net, x).merges
        infoflow.prune(net, merges[0].skips[0], x, mode="zero")
    elif how == "plan":
        infoflow.plan(infoflow.trace(net, x), samples=100)
    elif how == "probe":
        infoflow.probe(net, data, folds=2, **quiet)
    else:
        infoflow.trace(net, x).values(x)


LOOKS = ("trace", "analyze", "prune", "plan", "probe", "values")


def changed_by(how, net, data):
    before, state = frozen(net), process()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(InfoflowError):
            look(how, net, data)
    assert process() == state
    return frozen(net) != before


@pytest.mark.parametrize("kind", restless.KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("how", LOOKS)
@pytest.mark.parametrize("mode", [True, False])
def test_nothing_is_left_of_a_look(kind, how, mode):
    net, data = restless.Net([kind]).train(mode), batches()
    assert not changed_by(how, net, data)


@given(
    kinds=st.lists(st.sampled_from(restless.KINDS), min_size=1, max_size=3),
    fails_at=st.integers(0, 12),
    how=st.sampled_from(LOOKS),
    flags=st.lists(st.booleans(), min_size=5, max_size=5),
)
@examples(20)
def test_everything_comes_back_whatever_fails(kinds, fails_at, how, flags):
    left = itertools.chain([True] * fails_at, [False], itertools.repeat(True))
    torch.manual_seed(0)
    net = restless.Net(kinds, failing=restless.Fails(left))
    for module, flag in zip(net.modules(), flags, strict=False):
        module.training = flag
    data = batches()
    try:
        assert not changed_by(how, net, data)
    except ZeroDivisionError:
        pytest.fail("an error of the model's own came without a sentence")


def test_a_module_that_merges_weights_computes_what_it_computed():
    torch.manual_seed(0)
    net, x = restless.Net([restless.Merges, restless.Merges]).train(), torch.randn(8, 4)
    before = net(x)
    for _ in range(3):
        infoflow.trace(net, x)
    assert torch.equal(net(x), before)


def test_a_running_average_that_is_written_through_numpy():
    class Average(nn.Linear):
        def forward(self, x):
            self.bias.detach().numpy()[:] += 1
            return super().forward(x)

    net = nn.Sequential(Average(3, 3), nn.Linear(3, 2))
    before = net[0].bias.clone()
    infoflow.trace(net, torch.randn(2, 3))
    assert torch.equal(net[0].bias, before)


WRITES = {
    "in place": lambda t: t.add_(1),
    "through data": lambda t: t.data.mul_(3),
    "to a view": lambda t: t.view(-1)[3:5].zero_(),
    "an item": lambda t: t.__setitem__(0, 7.0),
    "several at once": lambda t: torch._foreach_mul_([t], 2.0),
    "as the place of a result": lambda t: torch.add(t, 1, out=t),
    "a copy": lambda t: t.copy_(torch.ones_like(t)),
    "random": lambda t: t.normal_(),
    "other memory": lambda t: setattr(t, "data", torch.zeros(2)),
}


@pytest.mark.parametrize("limit", [0, 2**20])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_is_undone_whether_copied_before_or_watched(write, limit):
    tensor = nn.Parameter(torch.arange(12.0).reshape(3, 4))
    before = bits(tensor)
    kept = TensorBits([tensor], limit=limit)
    assert kept.is_watched is (limit == 0)
    with torch.no_grad(), kept.watching():
        write(tensor)
    assert bits(tensor) != before
    kept.restore()
    assert bits(tensor) == before


def test_what_is_only_read_is_never_copied():
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).eval()
    kept = TensorBits(net.parameters(), limit=0)
    with torch.no_grad(), kept.watching():
        net(torch.randn(3, 4))
    assert kept.is_watched


def test_tied_weights_and_views_are_kept_once():
    weight = nn.Parameter(torch.randn(4, 4))
    kept = TensorBits([weight, weight.data[1:], weight.data.T], limit=0)
    assert len(kept._memories) == 1


@pytest.mark.parametrize("value", [float("nan"), -0.0])
def test_numbers_that_equal_no_or_another_number(value):
    tensor = torch.full((3,), value)
    kept = TensorBits([tensor])
    before = bits(tensor)
    tensor.copy_(torch.zeros(3))
    kept.restore()
    assert bits(tensor) == before


class Own(nn.Module):
    """Has methods and attributes of the names that ``nn.Module`` uses."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x):
        a = self.a(x)
        return self.c(a + self.b(a))


def no_method(self, *args, **kwargs):
    raise AssertionError("this method is the model's own affair")


@pytest.mark.parametrize(
    "name",
    [
        *("train", "eval", "modules", "named_modules", "children", "named_children"),
        *("parameters", "named_parameters", "buffers", "named_buffers", "get_submodule"),
        *("state_dict", "to", "apply", "zero_grad", "requires_grad_", "_apply"),
    ],
)
@pytest.mark.parametrize("how", ["trace", "analyze", "plan"])
def test_methods_that_a_model_overrides_are_not_called(name, how):
    kind = type("Overrides", (Own,), {name: no_method})
    net = kind()
    data = [(torch.randn(4, 5), torch.arange(4) % 2) for _ in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        look(how, net, data)
    graph = infoflow.trace(net, data[0][0])
    assert [layer.name for layer in graph] == ["a", "b", "add", "c"]
    assert graph.verification.is_exact


@pytest.mark.parametrize(
    "name", ["train", "modules", "parameters", "named_modules", "children", "buffers", "state_dict"]
)
def test_attributes_that_hide_methods(name):
    net = Own()
    net.__dict__[name] = ["mine"]
    graph = infoflow.trace(net, torch.randn(4, 5))
    assert len(graph) == 4
    assert len(graph.skips) == 1
    assert net.__dict__[name] == ["mine"]


@pytest.mark.parametrize("name", ["named_parameters", "named_modules", "parameters", "train"])
def test_nets_whose_methods_are_hidden_can_be_pruned(name):
    net, x = Own().eval(), torch.randn(4, 5)
    wanted = net.c(net.b(net.a(x)))
    net.__dict__[name] = ["mine"]
    torch.testing.assert_close(infoflow.prune(net, "a->add", x)(x), wanted)


def test_an_own_part_may_hide_them_too():
    net = Own()
    net.b.named_modules = net.b.children = 3
    assert len(infoflow.trace(net, torch.randn(4, 5))) == 4


def test_flags_are_those_that_every_module_had():
    net = Own().train()
    net.b.eval()
    with evaluation_mode(net):
        assert not any(module.training for module in net.modules())
    assert [module.training for module in net.modules()] == [True, True, False, True]
