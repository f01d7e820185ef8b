"""The truths of the known nets, by other ways than those that made them."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

import infoflow
from infoflow.testing import (
    discrete_table,
    gaussian_chain,
    mixture_information,
    noisy_xor,
    ranked_streams,
    stream_net,
)
from infoflow.testing.gaussian import sign_information
from tests.estimators import twins

DISCRETE = [
    noisy_xor(),
    noisy_xor(flipped=0),
    *(stream_net(name) for name in ("all", "nothing", "synergy", "copy")),
    ranked_streams(),
    discrete_table([[3, 1], [1, 3], [2, 2], [0, 5]]),
]


def values_of(net):
    return infoflow.trace(net.model, net.inputs[:4]).values(net.inputs)


@pytest.mark.parametrize("net", DISCRETE, ids=lambda net: net.name)
def test_discrete_truths_by_counting_what_the_net_computes(net):
    values = values_of(net)
    assert list(values) == [truth.layer for truth in net.truths]
    for truth in net.truths:
        expected = twins.binning(values[truth.layer], net.labels.tolist(), 0.5)
        assert (truth.ixm, truth.iym) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("net", DISCRETE, ids=lambda net: net.name)
def test_noise_of_variance_one_does_not_blur_the_symbols(net):
    for layer, values in values_of(net).items():
        known = mixture_information(values, net.labels, 1.0, draws=4)
        truth = net.truth(layer)
        assert (known.ixm, known.iym) == pytest.approx((truth.ixm, truth.iym), abs=1e-9)


def test_noisy_xor_in_closed_form():
    net = noisy_xor(flipped=1, of=8)
    doubt = -(math.log(1 / 8) / 8 + math.log(7 / 8) * 7 / 8)
    assert net.truth("output").iym == pytest.approx(math.log(2) - doubt, abs=1e-12)
    (side, deeper) = net.streams
    assert (side.own, deeper.own, side.rest, side.shared) == (0, 0, 0, 0)
    assert side.synergy == pytest.approx(math.log(2) - doubt, abs=1e-12)


def test_parts_of_the_streams_are_what_their_names_say():
    bit = math.log(2)
    parts = {
        name: [getattr(stream_net(name).streams[0], p) for p in ("unique", "shared", "synergy")]
        for name in ("all", "nothing", "synergy", "copy")
    }
    assert parts["all"] == pytest.approx([2 * bit, 0, 0])
    assert parts["nothing"] == pytest.approx([0, 0, 0])
    assert parts["synergy"] == pytest.approx([0, 0, bit])
    assert parts["copy"] == pytest.approx([0, 2 * bit, 0])


@pytest.mark.parametrize("net", DISCRETE[:-1], ids=lambda net: net.name)
def test_streams_are_those_of_the_traced_merge(net):
    (merge,) = infoflow.trace(net.model, net.inputs[:4]).merges
    assert {stream.source for stream in net.streams} == set(merge.streams)
    assert merge.main == "deeper"


def test_drawn_samples_come_from_the_cases_and_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    net = noisy_xor(samples=50, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert len(net.inputs) == len(net.labels) == 50
    assert torch.equal(noisy_xor(samples=50, seed=3).inputs, net.inputs)
    assert not torch.equal(noisy_xor(samples=50, seed=4).inputs, net.inputs)
    wrong = (net.inputs.sum(1) % 2 != net.labels).double().mean()
    assert 0 < wrong < 0.3


@pytest.mark.parametrize("skip", [False, True])
def test_names_of_the_chain_are_those_of_the_graph(skip):
    net = gaussian_chain(skip=skip)
    assert list(values_of(net)) == [truth.layer for truth in net.truths]


@pytest.mark.parametrize("skip", [False, True])
def test_propagated_noise_against_covariances_of_the_noisy_net(skip):
    """Run the net with noise after every linear layer, and compare covariances with X itself."""
    net = gaussian_chain(skip=skip, seed=1)
    generator = torch.Generator().manual_seed(0)
    seen = {}

    def add_noise(module, inputs, output):
        noise = torch.randn(output.shape, generator=generator)
        return output + noise * math.sqrt(0.1)

    for layer in net.model.layers:
        layer.register_forward_hook(add_noise)
    net.model.layers[-1].register_forward_pre_hook(lambda _, got: seen.update(add=got[0]))
    for index, layer in enumerate(net.model.layers):
        layer.register_forward_hook(lambda _, __, out, i=index: seen.update({f"layers.{i}": out}))
    x = torch.randn(200_000, 2, generator=generator)
    with torch.no_grad():
        net.model(x)
    for truth in net.truths:
        joint = np.cov(torch.cat([x, seen[truth.layer]], 1).double().numpy().T)
        parts = (joint[:2, :2], joint[2:, 2:], joint)
        one, other, both = (np.linalg.slogdet(part)[1] for part in parts)
        assert truth.ixm == pytest.approx((one + other - both) / 2, abs=0.02)


@pytest.mark.parametrize("skip", [False, True])
def test_noise_that_goes_on_obeys_the_data_processing_inequality(skip):
    net = gaussian_chain(depth=4, skip=skip, seed=2)
    last = net.truths[-1]
    for before, after in itertools.pairwise(net.truths):
        if not skip or after.layer != "add":
            assert after.ixm < before.ixm
            assert after.iym < before.iym
    assert 0 < last.iym < math.log(2)


@pytest.mark.parametrize("explained", [0.1, 0.5, 0.9])
def test_information_about_a_sign_by_integration_over_the_sign(explained):
    """I = Σ_y ∫ p(m, y) log p(m | y) / p(m), with p(m | y) a skew normal density."""
    slope = math.sqrt(explained / (1 - explained))

    def integrand(m):
        return stats.skewnorm.pdf(m, slope) * math.log(
            stats.skewnorm.pdf(m, slope) / stats.norm.pdf(m)
        )

    assert sign_information(explained) == pytest.approx(
        integrate.quad(integrand, -7, 9)[0], abs=1e-6
    )


def test_few_samples_of_a_measured_chain_approach_its_truth():
    net = gaussian_chain(noise="measured", noise_variance=0.5, samples=1500)
    truth = net.truth("layers.1")
    known = mixture_information(values_of(net)["layers.1"], net.labels, 0.5, draws=4)
    assert known.ixm == pytest.approx(truth.ixm, abs=0.1)
    assert known.iym == pytest.approx(truth.iym, abs=0.05)


def test_mixture_information_by_numerical_integration():
    values, labels = np.array([-1.0, 0.2, 0.5, 2.0]), np.array([0, 0, 1, 1])
    known = mixture_information(
        torch.from_numpy(values)[:, None], torch.from_numpy(labels), 0.3, draws=20_000
    )

    def entropy(centres):
        def integrand(t):
            density = np.mean(stats.norm.pdf(t, centres, math.sqrt(0.3)))
            return -density * math.log(density)

        return integrate.quad(integrand, -8, 8, limit=200)[0]

    noise = 0.5 * math.log(2 * math.pi * math.e * 0.3)
    inside = (entropy(values[labels == 0]) + entropy(values[labels == 1])) / 2
    assert abs(known.ixm - (entropy(values) - noise)) < 4 * known.ixm_error
    assert abs(known.iym - (entropy(values) - inside)) < 4 * known.iym_error
    assert max(known.ixm_error, known.iym_error) < 0.005


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: noisy_xor(flipped=9), "flipped must be between 0 and of, got 9 of 8"),
        (lambda: stream_net("some"), "carries must be one of all, nothing, synergy, copy"),
        (lambda: discrete_table([[0.5]]), "counts must be whole numbers"),
        (lambda: gaussian_chain(depth=1), "depth must be at least 2, got 1"),
        (lambda: gaussian_chain(noise="loud"), "noise must be 'propagated' or 'measured'"),
        (lambda: gaussian_chain(noise_variance=0), "noise_variance must be greater than 0, got 0"),
        (lambda: noisy_xor().truth("middle"), "layer must be one of first, sides.side"),
        (lambda: mixture_information(torch.zeros(2, 1), torch.zeros(2), 0.0), "got 0.0"),
        (lambda: mixture_information(torch.zeros(2, 1), torch.zeros(2), 1, draws=1), "got 1"),
    ],
)
def test_nets_that_cannot_be(call, message):
    with pytest.raises((ValueError, LookupError), match=message):
        call()
