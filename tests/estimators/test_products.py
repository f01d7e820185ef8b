"""Inner products of samples, in float64 and in float32."""

import pytest
import torch

import infoflow
from infoflow.estimators.distances import squared_distances
from infoflow.estimators.kde import KDE
from infoflow.estimators.noise import Relative
from infoflow.estimators.products import Products, SingleProducts
from infoflow.interface import ArgumentError

CPU = torch.device("cpu")


def made(kind, values, slices=1):
    products = kind(len(values), CPU)
    for part in values.tensor_split(slices, dim=1):
        products.add(part)
    return products.distances()


def points(seed, samples=60, units=400, offset=0.0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(8, units, generator=generator)
    return torch.randn(samples, 8, generator=generator) @ mixing + offset


@pytest.mark.parametrize("slices", [1, 3])
def test_float64_is_the_distances_themselves(slices):
    values = points(0)
    found, variants = made(Products, values, slices)
    torch.testing.assert_close(found, squared_distances(values), rtol=1e-12, atol=1e-10)
    assert variants == ()


@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_float32_is_right_to_its_digits_at_any_scale(slices, scale):
    values = points(0).double() * scale
    found, _ = made(SingleProducts, values, slices)
    exact = squared_distances(values)
    assert torch.equal(found, found.T)
    assert float((found - exact).abs().max()) < 1e-5 * float(exact.max())


def test_float32_keeps_the_distances_of_samples_far_from_zero():
    values = points(0, offset=1e4).double()
    found, _ = made(SingleProducts, values)
    exact = squared_distances(values)
    assert float((found - exact).abs().max()) < 1e-5 * float(exact.max())


def test_a_constant_layer_has_no_distances():
    found, variants = made(SingleProducts, torch.full((20, 5), 3.0))
    assert float(found.max()) == 0
    assert all(float(variant.max()) == 0 for variant in variants)


def covered(seed):
    """Return whether twice the variants' largest deviation holds the error of both numbers."""
    values = points(seed, offset=100.0) * 10.0 ** (seed % 5 - 2)
    labels = torch.arange(60) % 4
    kde = KDE(noise=Relative(10.0 ** -(seed % 7)))
    found, variants = made(SingleProducts, values)
    ours, exact = kde.values(found, labels), kde.values(squared_distances(values), labels)
    about_x, about_y = (
        max(abs(kde.values(variant, labels)[number] - ours[number]) for variant in variants)
        for number in (0, 1)
    )
    stated = [2 * about_x, 2 * (about_x + about_y)]
    off = [abs(one - other) for one, other in zip(ours, exact, strict=True)]
    return [error <= bound + 1e-12 for error, bound in zip(off, stated, strict=True)]


def check_coverage(seeds):
    found = torch.tensor([covered(seed) for seed in range(seeds)]).double().mean(0)
    assert bool((found >= 0.95).all()), found


def test_the_stated_error_holds_in_few_seeds():
    check_coverage(30)


@pytest.mark.thorough
def test_the_stated_error_holds_in_95_of_100_seeds():
    check_coverage(200)


def test_a_measurement_in_float32_says_so_and_how_far_it_may_be_off(unet, blobs):
    loader = torch.utils.data.DataLoader(blobs, batch_size=8)
    settings = {"target": infoflow.KMeans(2), "noise": "relative", "progress": False}
    exact = infoflow.analyze(unet, loader, distances="exact", **settings)
    options = infoflow.DistanceOptions("exact", precision="float32")
    found = infoflow.analyze(unet, loader, distances=options, **settings)
    assert found.dataset.attrs["capture"] == "exact, in float32"
    assert "float32" in found.dataset["ixm_sketch_error"].attrs["long_name"]
    for name in ("ixm", "iym"):
        stated = found.dataset[f"{name}_sketch_error"]
        assert bool((abs(found.dataset[name] - exact.dataset[name]) <= stated + 1e-9).all())
        assert float(stated.max()) < 1e-3
    assert found.streams["added"].shape == exact.streams["added"].shape


def test_a_constant_layer_far_from_zero_states_no_error():
    values = torch.full((40, 7), 1234.567)
    found, variants = made(SingleProducts, values)
    assert float(found.max()) == 0
    assert all(float(variant.max()) == 0 for variant in variants)


def test_a_large_constant_unit_hides_no_other():
    values = torch.cat([points(0), torch.full((60, 1), 1e25)], 1)
    found, _ = made(SingleProducts, values)
    exact = squared_distances(points(0))
    assert float((found - exact).abs().max()) < 1e-5 * float(exact.max())


def test_a_dead_layer_states_nothing_for_the_others():
    net = torch.nn.Sequential(torch.nn.Linear(5, 40), torch.nn.Linear(40, 30))
    torch.nn.init.zeros_(net[1].weight)
    options = infoflow.DistanceOptions("exact", precision="float32")
    x = torch.randn(50, 5, generator=torch.Generator().manual_seed(0))
    found = infoflow.analyze(net, [x], noise="relative", distances=options, progress=False)
    assert float(found.dataset["ixm_sketch_error"].max()) < 1e-3


@pytest.mark.parametrize("mode", ["sketch", "anchors"])
def test_float32_is_of_exact_distances_alone(mode):
    with pytest.raises(ArgumentError, match="precision='float32' is of exact distances"):
        infoflow.DistanceOptions(mode, precision="float32")


def test_another_precision_is_refused_by_name():
    with pytest.raises(ArgumentError, match="precision must be 'float64' or 'float32', got 'half'"):
        infoflow.DistanceOptions(precision="half")
