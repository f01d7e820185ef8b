"""Settings that hold for a whole process change no number, and come back."""

import ast
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

import infoflow
from infoflow.graph.running.random_state import random_states_kept, seed_all, seeded
from infoflow.graph.running.settings import full_precision

PACKAGE = Path(infoflow.__file__).parent
#: Functions that make a tensor where, and of what kind, torch's defaults say.
FACTORIES = {
    *("rand", "randn", "zeros", "ones", "full", "empty", "eye", "linspace", "arange", "tensor"),
    *("randint", "randperm", "normal", "logspace", "scalar_tensor", "as_tensor"),
}
KINDS_OF_THEIR_OWN = {"randint", "randperm", "as_tensor"}


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.h = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 2)

    def forward(self, x):
        a = self.a(x)
        return self.h(a + self.b(a).relu())


def data():
    torch.manual_seed(1)
    return [(torch.randn(8, 64), torch.arange(8) % 2) for _ in range(4)]


def numbers(net, batches):
    result = infoflow.analyze(net, batches, noise=1.0, progress=False)
    return result.ixm.values.tolist(), result.iym.values.tolist()


def precision():
    return (
        torch.get_float32_matmul_precision(),
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


@pytest.fixture
def plain():
    """Give settings back that a test changes."""
    older = precision()
    yield
    torch.set_float32_matmul_precision(older[0])
    torch.backends.cudnn.allow_tf32 = older[2]
    torch.use_deterministic_algorithms(older[3])
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


SETTINGS = {
    "medium precision": lambda: torch.set_float32_matmul_precision("medium"),
    "high precision": lambda: torch.set_float32_matmul_precision("high"),
    "deterministic algorithms": lambda: torch.use_deterministic_algorithms(True),
    "float64 by default": lambda: torch.set_default_dtype(torch.float64),
    "another device by default": lambda: torch.set_default_device("meta"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_changes_no_number(name, plain):
    net, batches = Residual().eval(), data()
    before = numbers(net, batches)
    SETTINGS[name]()
    state = precision()
    assert numbers(net, batches) == before
    assert precision() == state


def test_autocast_around_it_does_not_round_what_is_estimated(plain):
    net, batches = Residual().eval(), data()
    graph = infoflow.trace(net, batches[0][0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        wanted = {name: value.double() for name, value in graph.values(batches[0][0]).items()}
    assert all(value.isfinite().all() for value in wanted.values())


def test_settings_of_the_newer_interface_come_back():
    getter = getattr(torch._C, "_get_fp32_precision_getter", None)
    if getter is None:
        pytest.skip("this torch has the older interface only")
    places = [(b, o) for b in ("cuda", "mkldnn") for o in ("matmul", "conv", "rnn")]
    before = [getter(*place) for place in places]
    with full_precision():
        assert getter("mkldnn", "matmul") in ("ieee", "none")
    assert [getter(*place) for place in places] == before


@pytest.mark.parametrize(
    "path",
    # what these make is the caller's own, as from torch.rand
    sorted(
        path
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in ("testing", "validation")
    ),
    ids=lambda path: path.stem,
)
def test_every_tensor_that_is_made_has_a_device_and_a_dtype(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        home, name = node.func.value, node.func.attr
        if not isinstance(home, ast.Name) or home.id != "torch" or name not in FACTORIES:
            continue
        given = {keyword.arg for keyword in node.keywords}
        wanted = {"device"} if name in KINDS_OF_THEIR_OWN else {"device", "dtype"}
        assert wanted <= given, f"{path.name}:{node.lineno} makes a tensor by torch's defaults"


def test_accelerators_are_not_told_to_start_from_our_seed(monkeypatch):
    queued = []
    monkeypatch.setattr(torch.cuda, "_lazy_call", lambda *args, **kwargs: queued.append(args))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    with seeded():
        torch.rand(1)
    assert queued == []


def test_an_accelerator_that_wakes_starts_as_it_would_have(monkeypatch):
    awake, seeds = [], []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: bool(awake))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: torch.zeros(1))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: None)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    torch.manual_seed(17)
    seeds.clear()
    with random_states_kept():
        awake.append(True)
        seed_all(0)
    assert seeds == [0, 17]


class Busy(nn.Module):
    """Uses all that a recorder replaces: calls of modules, vmap, cond, inference mode."""

    def __init__(self, size):
        super().__init__()
        torch.manual_seed(size)
        self.a, self.b, self.drop = nn.Linear(5, size), nn.Linear(size, size), nn.Dropout(0.5)

    def forward(self, x):
        a = self.drop(self.a(x))
        with torch.inference_mode():
            torch.zeros(1)
        return a + torch.vmap(self.b)(a)


def test_several_threads_may_trace_at_once():
    x = torch.randn(3, 5)
    nets = [Busy(size) for size in (3, 4, 5, 6)]
    alone = [str(infoflow.trace(net, x)) for net in nets]
    shared, found, errors = nets[0], {}, []
    originals = nn.Module.__call__, torch.cond, torch.inference_mode.__enter__
    state = torch.get_rng_state()

    def trace(number):
        try:
            for _ in range(3):
                found[number] = str(infoflow.trace(nets[number], x)), str(infoflow.trace(shared, x))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=trace, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert found == {number: (alone[number], alone[0]) for number in range(4)}
    assert (nn.Module.__call__, torch.cond, torch.inference_mode.__enter__) == originals
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for net in nets for module in net.modules())


def test_another_thread_that_only_runs_models_is_not_disturbed():
    busy, wrong, is_over = Busy(4).eval(), [], threading.Event()
    x = torch.randn(3, 5)
    with torch.no_grad():
        wanted = busy(x)

    def run():
        while not is_over.is_set():
            with torch.no_grad():
                if not torch.equal(busy(x), wanted):
                    wrong.append("another value")
            with torch.inference_mode():
                if not torch.ones(1).is_inference():
                    wrong.append("no inference mode")

    thread = threading.Thread(target=run)
    thread.start()
    for size in (3, 5):
        infoflow.trace(Busy(size), x)
    is_over.set()
    thread.join()
    assert wrong == []
