"""A net with noise inside: same arguments, same parameters, noise that propagates and repeats."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import infoflow
from infoflow import NoisyNet
from infoflow.capture.batches import Samples
from infoflow.capture.draws import collect_draws
from infoflow.estimators.statistics import Draws
from infoflow.graph.running.arguments import Arguments
from infoflow.interface import (
    ActivationError,
    ArgumentError,
    InfoflowError,
    LayerNotFoundError,
    UntraceableModelError,
)


def small_net():
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.left, self.right = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x, scale=1.0):
        stem = F.relu(self.stem(x), inplace=True)
        met = self.left(stem) + self.right(stem)
        return {"scores": self.head(met) * scale, "met": met}


def test_noise_is_added_after_the_activation_and_goes_on():
    net = small_net()
    noisy = NoisyNet(net, beta=0.3, seed=5)
    x = torch.randn(7, 3)
    seen = {}
    output = noisy.run(Arguments((x,)), 11, watch=lambda name, value: seen.update({name: value}))
    generator = torch.Generator().manual_seed(11)
    first = torch.tanh(net[0](x)) + 0.3 * torch.randn(7, 5, generator=generator)
    second = torch.relu(net[2](first))
    assert torch.allclose(seen["0"], torch.tanh(net[0](x)))
    assert torch.allclose(seen["2"], second)
    noise = 0.3 * torch.randn(7, 4, generator=generator)
    assert torch.allclose(output, net[4](second + noise), atol=1e-6)


def test_arguments_and_results_are_the_models():
    model = Branches()
    noisy = NoisyNet(model, beta=1e-6, layers="all")
    x = torch.randn(6, 3)
    got, wanted = noisy(x=x, scale=2.0), model(x, scale=2.0)
    assert list(got) == list(wanted)
    assert all(torch.allclose(got[key], wanted[key], atol=1e-4) for key in wanted)
    assert noisy(x[:1], scale=2.0)["scores"].shape == (1, 2)


def test_both_readers_of_a_layer_see_the_same_noise():
    model = Branches()
    with torch.no_grad():
        model.right.weight.copy_(-model.left.weight)
        model.right.bias.copy_(-model.left.bias)
    noisy = NoisyNet(model, beta=1.0, layers="stem")
    assert noisy(torch.randn(6, 3))["met"].abs().max() < 1e-5


@pytest.mark.parametrize("mode", [True, False])
def test_noise_is_on_in_training_and_in_evaluation(mode):
    noisy = NoisyNet(small_net(), beta=0.1).train(mode)
    x = torch.randn(4, 3)
    assert not torch.equal(noisy(x), noisy(x))
    assert noisy.model.training is mode


def test_the_noise_has_the_standard_deviation_that_was_asked_for():
    noisy = NoisyNet(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), beta=0.25, layers="1")
    x = torch.zeros(20_000, 1)
    assert (noisy(x) - noisy.model(x)).std().item() == pytest.approx(0.25, rel=0.03)


def test_a_seed_repeats_the_noise_and_leaves_the_global_state():
    net, x = small_net(), torch.randn(4, 3)
    one, two, other = (NoisyNet(net, beta=0.1, seed=s) for s in (1, 1, 2))
    before = torch.random.get_rng_state()
    runs = [one(x), one(x)]
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(run, two(x)) for run in runs)
    assert not torch.equal(runs[0], other(x))
    one.reseed(1)
    assert torch.equal(one(x), runs[0])


def test_it_trains_the_models_own_parameters():
    net = small_net()
    noisy = NoisyNet(net, beta=0.05)
    x = torch.randn(256, 3)
    y = (x[:, 0] > 0).long()
    optimizer = torch.optim.Adam(noisy.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(noisy(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 < losses[0]
    assert {id(p) for p in noisy.parameters()} == {id(p) for p in net.parameters()}
    assert float((net(x).argmax(1) == y).float().mean()) > 0.9


def test_the_state_dict_is_the_models_own_also_within_another_module():
    net = small_net()
    noisy = NoisyNet(net, beta=0.05)
    assert list(noisy.state_dict()) == list(net.state_dict())
    other = small_net()
    noisy.load_state_dict(other.state_dict())
    assert torch.equal(net[0].weight, other[0].weight)
    outer = nn.ModuleDict({"inside": noisy})
    assert list(outer.state_dict()) == [f"inside.{key}" for key in net.state_dict()]
    outer.load_state_dict({key: value + 1 for key, value in outer.state_dict().items()})
    assert torch.equal(net[0].weight, other[0].weight + 1)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_goes_on_alone(copied):
    noisy = NoisyNet(small_net(), beta=0.1)
    x = torch.randn(4, 3)
    noisy(x)
    twin = copied(noisy)
    assert torch.equal(noisy(x), twin(x))
    with torch.no_grad():
        twin.model[0].weight.zero_()
    assert not torch.equal(noisy(x), twin(x))


def test_it_follows_the_model_to_another_dtype():
    noisy = NoisyNet(small_net(), beta=0.1)
    noisy(torch.randn(4, 3))
    assert noisy.double()(torch.randn(4, 3, dtype=torch.float64)).dtype == torch.float64


def test_a_module_that_drops_follows_the_mode():
    net = nn.Sequential(nn.Linear(3, 50), nn.Dropout(0.5), nn.Linear(50, 2))
    noisy = NoisyNet(net, beta=1e-9, layers="0")
    x = torch.randn(4, 3)
    assert torch.allclose(noisy.eval()(x), noisy(x), atol=1e-5)
    assert not torch.allclose(noisy.train()(x), noisy(x), atol=1e-5)


@pytest.mark.parametrize("beta", [0, -0.1, math.nan, math.inf, None, True])
def test_noise_that_is_not_positive_is_refused(beta):
    with pytest.raises(ArgumentError, match="beta must be a finite number greater than 0, got"):
        NoisyNet(small_net(), beta=beta)


def test_layers_that_match_nothing_are_named():
    with pytest.raises(LayerNotFoundError, match="named or matches 'encoder'"):
        NoisyNet(small_net(), beta=0.1, layers="encoder")(torch.zeros(2, 3))


def test_a_net_without_hidden_layers_says_so():
    with pytest.raises(LayerNotFoundError, match="has no hidden layer"):
        NoisyNet(nn.Linear(3, 2), beta=0.1)(torch.zeros(2, 3))


class Fickle(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x):
        return self.b(self.a(x)) if x.sum() > 0 else self.a(x)


def test_a_model_whose_path_depends_on_its_input_is_refused():
    with pytest.raises(UntraceableModelError, match=r"cannot be replayed with noise.*this input"):
        NoisyNet(Fickle(), beta=0.1)(torch.ones(2, 3))


def test_a_layer_of_several_tensors_is_refused():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x):
            values, (state, _) = self.lstm(x)
            return self.head(values[:, -1] + state[0])

    with pytest.raises(ActivationError, match="cannot have noise"):
        NoisyNet(Recurrent(), beta=0.1, layers="lstm")(torch.zeros(2, 5, 3))


def test_a_graph_before_the_first_batch_is_refused():
    with pytest.raises(InfoflowError, match="has not been traced yet"):
        NoisyNet(small_net(), beta=0.1).graph()


# ----------------------------------------------------------------------------------- measuring


def measured(model, batches, **options):
    options = {"progress": False, "unit": "nats", **options}
    return infoflow.analyze(model, batches, **options)


@pytest.mark.parametrize("budget", ["2GB", "20kB"])
def test_passes_and_batches_do_not_change_the_draws(budget):
    noisy = NoisyNet(small_net(), beta=0.5)
    x = torch.randn(24, 3)
    result = measured(
        noisy, list(x.split(8)), estimator=infoflow.SamplePropagation(draws=8), memory_budget=budget
    )
    again = measured(noisy, list(x.split(8)), estimator=infoflow.SamplePropagation(draws=8))
    assert result.dataset.equals(again.dataset)


def test_draws_are_values_before_the_noise_in_units_of_it():
    noisy = NoisyNet(small_net(), beta=0.5)
    x = torch.randn(10, 3)
    layers = noisy.noisy_layers(x)
    samples = Samples([x[:6], x[6:]])
    collected = collect_draws(noisy, samples, layers, Draws(3, 0), budget=10**8)
    found = {layer.name: value for layer, value in collected}
    wanted = torch.tanh(noisy.model[0](x)) / 0.5
    assert torch.allclose(found["0"], wanted[:, None].expand(-1, 3, -1))
    assert found["2"].shape == (10, 3, 4)
    assert not torch.equal(found["2"][:, 0], found["2"][:, 1])


def test_measuring_leaves_the_net_and_its_noise_as_they_were():
    noisy = NoisyNet(small_net(), beta=0.5).train()
    x = torch.randn(20, 3)
    noisy(x)
    twin = copy.deepcopy(noisy)
    before = torch.random.get_rng_state()
    measured(noisy, [x], estimator=infoflow.SamplePropagation(draws=2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert noisy.training
    assert noisy.model[0].training
    assert torch.equal(noisy(x), twin(x))


def test_a_plain_net_is_told_what_the_estimator_needs():
    with pytest.raises(ArgumentError) as told:
        measured(small_net(), [torch.randn(8, 3)], estimator="sample-propagation")
    assert str(told.value) == (
        "estimator 'sample-propagation' needs Gaussian noise inside the net, got Sequential "
        "without any. Measure infoflow.NoisyNet(model, beta=0.1), or choose estimator='kde', "
        "whose noise is added for the measurement only."
    )
    with pytest.raises(ArgumentError, match="need Gaussian noise inside a net, got plain values"):
        infoflow.estimate(torch.randn(8, 3), estimator="sample-propagation")


def test_another_estimator_is_told_that_the_net_is_noisy():
    with pytest.raises(ArgumentError, match=r"got a NoisyNet.*SamplePropagation"):
        measured(NoisyNet(small_net(), beta=0.1), [torch.randn(8, 3)])


def test_a_layer_without_noise_is_refused_by_name_and_left_out_of_all():
    noisy = NoisyNet(small_net(), beta=0.1)
    x = torch.randn(8, 3)
    estimator = infoflow.SamplePropagation(draws=2)
    assert measured(noisy, [x], estimator=estimator).layers == ["0", "2"]
    with pytest.raises(ArgumentError, match="Layer 4 has no noise of its own"):
        measured(noisy, [x], estimator=estimator, layers=["0", "4"])


def test_choices_of_tracing_belong_to_the_noisy_net():
    with pytest.raises(ArgumentError, match="must be set on the NoisyNet itself"):
        measured(
            NoisyNet(small_net(), beta=0.1),
            [torch.randn(8, 3)],
            estimator="sample-propagation",
            reduce="mean",
        )
