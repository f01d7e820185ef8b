"""``infoflow.analyze`` end to end on small nets."""

import math
import warnings

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import infoflow
from infoflow.capture.budget import fixed_bytes
from infoflow.interface import (
    ActivationError,
    ArgumentError,
    ArgumentTypeError,
    LayerNotFoundError,
    LoaderError,
    MemoryBudgetError,
    SaturationWarning,
    TargetError,
)

#: Noise that keeps the little U-Net's layers off their ceiling.
QUIET = {"noise": 100.0, "progress": False}
CLUSTERS = infoflow.KMeans(clusters=3)


def test_equals_estimate_on_the_layers_values(unet, loader, blobs):
    result = infoflow.analyze(unet, loader, target=CLUSTERS, **QUIET)
    labels = CLUSTERS.reduce(blobs.tensors[1]).classes
    for name, values in result.graph.values(blobs.tensors[0]).items():
        direct = infoflow.estimate(values, labels, noise=100.0)
        assert result.ixm.sel(epoch=0, layer=name).item() == pytest.approx(direct.ixm, abs=1e-5)
        assert result.iym.sel(epoch=0, layer=name).item() == pytest.approx(direct.iym, abs=1e-5)


def test_small_and_large_budgets_give_the_same_numbers(unet, loader):
    small = fixed_bytes(20) + 4 * 20 * 1500
    results = [
        infoflow.analyze(unet, loader, target=CLUSTERS, memory_budget=budget, **QUIET)
        for budget in (small, "1GB")
    ]
    for name in ("ixm", "iym"):
        np.testing.assert_allclose(*(r.dataset[name].values for r in results), rtol=0, atol=1e-9)


def test_shuffling_loader_with_several_passes(unet, blobs):
    torch.manual_seed(4)
    loader = DataLoader(blobs, 6, shuffle=True)
    small = fixed_bytes(20) + 4 * 20 * 1500
    shuffled = infoflow.analyze(unet, loader, target=CLUSTERS, memory_budget=small, **QUIET)
    ordered = infoflow.analyze(unet, DataLoader(blobs, 6), target="none", **QUIET)
    np.testing.assert_allclose(shuffled.ixm, ordered.ixm, rtol=0, atol=1e-6)


@pytest.mark.parametrize("batches", [[20], [7, 13], [6, 6, 6, 2]])
def test_one_batch_or_a_ragged_last_one(unet, blobs, batches):
    loader = list(blobs.tensors[0].split(batches))
    result = infoflow.analyze(unet, loader, **QUIET)
    whole = infoflow.analyze(unet, [blobs.tensors[0]], **QUIET)
    np.testing.assert_allclose(result.ixm, whole.ixm, rtol=0, atol=1e-6)
    assert not result.has_target


def test_bits_and_nats(unet, loader):
    bits = infoflow.analyze(unet, loader, target="none", **QUIET)
    nats = infoflow.analyze(unet, loader, target="none", unit="nats", **QUIET)
    np.testing.assert_allclose(bits.ixm * math.log(2), nats.ixm)
    assert (bits.unit, nats.unit) == ("bits", "nats")


def test_numbers_stay_below_their_ceilings_and_bounds_enclose_them(unet, loader):
    for estimator in ("kde", "binning"):
        data = infoflow.analyze(
            unet, loader, target=CLUSTERS, estimator=estimator, progress=False, layers="decoder.*"
        ).dataset
        for name in ("ixm", "iym"):
            assert bool((data[name] <= data[f"{name}_ceiling"] + 1e-9).all())
            assert bool((data[f"{name}_lower"] <= data[name] + 1e-9).all())
            assert bool((data[name] <= data[f"{name}_upper"] + 1e-9).all())


def test_own_output_as_target_is_all_there_in_the_output(loader):
    model = infoflow.testing.UNet(4)
    nn.init.normal_(model.output.weight, std=30.0)
    target = infoflow.KMeans(clusters=3, of="output")
    data = infoflow.analyze(model, loader, target=target, **QUIET, layers="output").dataset
    assert data.attrs["target"] == "3 K-means clusters of the output"
    assert 0 < data["iym"].item() <= data["iym_ceiling"].item()


def test_labels_of_a_classifier():
    images, labels = torch.randn(60, 5), torch.arange(60) % 3
    images[:, :3] += 8 * nn.functional.one_hot(labels)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    loader = DataLoader(TensorDataset(images, labels), 16)
    result = infoflow.analyze(model, loader, noise=3.0, progress=False)
    assert result.dataset.attrs["target"] == "classes of the target"
    assert result.dataset["iym_ceiling"].item() == pytest.approx(math.log2(3))
    given = infoflow.analyze(model, loader, target=labels, noise=3.0, progress=False)
    np.testing.assert_allclose(given.iym, result.iym)


def test_an_array_of_labels_needs_no_target_but_the_dataset_s_order(unet, blobs):
    images, classes = blobs.tensors[0], torch.arange(20) % 2
    bare = infoflow.analyze(unet, DataLoader(images, 6), target=classes, **QUIET)
    assert bare.dataset["iym_ceiling"].item() == pytest.approx(1.0)
    with pytest.raises(TargetError, match="another seed or epoch gives another order"):
        infoflow.analyze(unet, DataLoader(images, 6, shuffle=True), target=classes, **QUIET)


def test_a_chosen_part_of_the_layers(unet, loader):
    result = infoflow.analyze(unet, loader, target="none", layers=["output", "upsample.*"], **QUIET)
    assert result.layers == ["upsample.0", "upsample.1", "upsample.2", "upsample.3", "output"]
    assert result.dataset["index"].values.tolist() == [10, 13, 16, 19, 22]


def test_saturation_is_a_warning_and_a_field(unet, loader):
    with pytest.warns(SaturationWarning, match=r"I\(X;M\) is above 95 % .* in 2 of 2 layers"):
        result = infoflow.analyze(
            unet, loader, target="none", noise=1e-9, layers="encoder.0.*", progress=False
        )
    assert result.dataset["ixm_saturated"].values.tolist() == [[1, 1]]
    assert "= saturated" in str(result)


def test_prints_a_table(unet, loader):
    lines = str(infoflow.analyze(unet, loader, target=CLUSTERS, **QUIET)).splitlines()
    assert lines[0] == "UNet, 20 samples, in bits"
    assert lines[2] == "Ceiling of I(X;M): log N = 4.322"
    assert "3 K-means clusters of the target" in lines[4]
    assert len(lines) >= 5 + 23


def broken(model):
    with torch.no_grad():
        model.encoder[2][0].weight[0] = math.nan
    return model


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"target": "labels"}, TargetError, "one class for each of the 20 samples"),
        ({"target": [0, 1]}, TargetError, "each of the 20 samples, got shape"),
        ({"target": [1] * 20}, TargetError, "same class for all 20 samples"),
        ({"target": "kmeans"}, TargetError, "20 samples for 64 clusters"),
        ({"target": "masks"}, ValueError, "target must be one of"),
        ({"layers": "decodr.0.0"}, LayerNotFoundError, "nearest names are decoder"),
        ({"memory_budget": "1kB"}, MemoryBudgetError, "Expected at least"),
        ({"layers": []}, LayerNotFoundError, r"No layer of UNet is chosen by layers=\[\]"),
        ({"memory_budget": None}, ValueError, "memory_budget must be a number of bytes"),
        ({"memory_budget": math.inf}, ValueError, "memory_budget must be a number of bytes"),
        ({"memory_budget": "lots"}, ValueError, "memory_budget must be a number of bytes"),
        ({"estimator": "mine"}, ValueError, "estimator must be one of"),
        ({"unit": "bytes"}, ValueError, "unit must be"),
        ({"estimator": "ksg", "noise": 1.0}, ValueError, "noise of estimator='kde', got"),
    ],
)
def test_wrong_input(unet, loader, options, error, message):
    with pytest.raises(error, match=message):
        infoflow.analyze(unet, loader, **{"target": CLUSTERS, "progress": False, **options})


def test_wrong_model_or_loader(unet, loader, blobs):
    with pytest.raises(ActivationError, match=r"Layer encoder.2.0 \(4\) has NaN"):
        infoflow.analyze(broken(unet), loader, target="none", **QUIET)
    with pytest.raises(ValueError, match=r"model must be a torch.nn.Module, got function"):
        infoflow.analyze(lambda x: x, loader, **QUIET)
    with pytest.raises(LoaderError, match="no batches"):
        infoflow.analyze(unet, [], **QUIET)
    with pytest.raises(LoaderError, match="1 sample"):
        infoflow.analyze(unet, [blobs.tensors[0][:1]], **QUIET)
    with pytest.raises(TargetError, match="batches hold inputs only"):
        infoflow.analyze(unet, [blobs.tensors[0]], target="kmeans", **QUIET)


class Turned(nn.Module):
    """A layer with complex values, of which the imaginary parts are the larger ones."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.turn = nn.Linear(4, 4, dtype=torch.complex64)

    def forward(self, x):
        return self.turn(torch.complex(0 * self.first(x), 5 * self.first(x))).imag


@pytest.mark.parametrize(
    ("estimator", "mode"),
    [
        (infoflow.KDE(10.0), "exact"),
        (infoflow.KDE(10.0), "sketch"),
        (infoflow.Binning(3.0), "auto"),
    ],
    ids=str,
)
def test_complex_values_have_two_parts(estimator, mode):
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    net = Turned()
    result = infoflow.analyze(
        net, [x], target="none", estimator=estimator, distances=mode, progress=False
    )
    assert result.graph["turn"].shape == (4, 2)
    values = []
    net.turn.register_forward_hook(lambda _, __, value: values.append(value))
    with torch.no_grad():
        net(x)
    expected = infoflow.estimate(values[0], estimator=estimator).ixm
    assert result.ixm.sel(layer="turn").item() == pytest.approx(expected, abs=1e-5)
    assert expected > infoflow.estimate(values[0].real, estimator=estimator).ixm + 0.1


def test_the_mean_over_positions_keeps_float64():
    x = 1e9 + torch.rand(30, 5, 3, dtype=torch.float64)
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 2)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(3))
    given = {"target": "none", "noise": 0.2, "layers": "0", "progress": False}
    found = infoflow.analyze(net, [x], reduce="mean", **given)
    expected = infoflow.estimate(x.mean(dim=1), noise=0.2).ixm
    assert expected > 0.1
    assert found.ixm.item() == pytest.approx(expected, abs=1e-6)


def test_layers_that_are_no_names():
    with pytest.raises(ArgumentTypeError, match=r"layers must be .* got 1\.5"):
        infoflow.analyze(nn.Linear(2, 2), [torch.randn(4, 2)], layers=1.5)


@pytest.mark.parametrize("measure", [infoflow.probe, infoflow.usable_streams])
def test_functions_and_noisy_nets_are_not_probed(measure):
    batches = [(torch.randn(8, 2), torch.arange(8) % 2)]
    with pytest.raises(ArgumentError, match=r"must be a torch\.nn\.Module"):
        measure(torch.tanh, batches)
    noisy = infoflow.NoisyNet(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), beta=0.1)
    with pytest.raises(ArgumentError, match="got a NoisyNet, whose values are drawn"):
        measure(noisy, batches)


def test_separated_classes_are_no_warning_and_have_a_flag_of_their_own():
    """One unit that holds the class: at H(Y), which shuffled classes do not reach."""
    classes = torch.arange(120) % 2
    net = nn.Linear(1, 1)
    nn.init.constant_(net.weight, 50.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SaturationWarning)
        result = infoflow.analyze(net, [(classes[:, None].float(), classes)], progress=False)
    assert result.dataset["iym_separated"].values.tolist() == [[1]]
    assert result.dataset["iym_saturated"].values.tolist() == [[0]]
    assert "+ separated: above 95 %" in str(result)
    assert result.to_dict()["layers"][0]["iym_separated"] == 1


def test_flags_of_an_older_file_are_read_again(tmp_path):
    """Files without ``iym_separated`` called every value at its ceiling saturated."""
    classes = torch.arange(120) % 2
    net = nn.Linear(1, 1)
    nn.init.constant_(net.weight, 50.0)
    result = infoflow.analyze(net, [(classes[:, None].float(), classes)], progress=False)
    older = result.dataset.drop_vars("iym_separated").copy(deep=True)
    older["iym_saturated"][:] = 1
    path = infoflow.FlowResult(older, result.graph).save(tmp_path / "older.nc")
    xr.testing.assert_identical(infoflow.load(path).dataset, result.dataset)
