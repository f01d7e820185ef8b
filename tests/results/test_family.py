"""Every kind of result keeps the same manners."""

import json
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
import xarray as xr

import infoflow
from infoflow.testing import UNet, blob_images
from infoflow.validation import ENTRANTS, known_cases
from tests.results.test_joining import checked

KINDS = {
    "FlowResult": 23,
    "LayerGraph": 23,
    "Audit": None,
    "ProbeResult": 2,
    "UsableStreams": 8,
    "UnitEntropies": 23,
    "MeasurementPlan": 1,
    "DistanceHistograms": 5,
    "PruningAdvice": 4,
    "PruningTrial": 2,
    "Validation": 2,
}
#: Those that hold information.
WITH_UNIT = {"FlowResult", "Audit", "UsableStreams", "UnitEntropies", "PruningAdvice", "Validation"}


def everything(seed):
    """Return one small result of each kind."""
    torch.manual_seed(seed)
    model = UNet(base_channels=2)
    images, masks = blob_images(16, size=32, seed=0)
    loader = [(images, masks)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flow = infoflow.analyze(model, loader, target=infoflow.KMeans(2), noise=9.0, progress=False)
        usable = infoflow.usable_streams(
            model, loader, family="linear", pixels=4, folds=2, progress=False
        )
        advice = infoflow.suggest_pruning(flow)
        trial = infoflow.verify_pruning(
            model,
            advice,
            evaluate=lambda net: float(net(images).mean()),
            streams="1->20",
            progress=False,
        )
        found = [
            flow,
            infoflow.trace(model, images),
            flow.audit(),
            infoflow.probe(model, loader, layers=[0, "output"], pixels=8, progress=False),
            usable,
            infoflow.layer_unit_entropies(model, loader),
            infoflow.plan(flow.graph, 605),
            infoflow.distance_histograms(torch.rand(6, 6), [0, 1] * 3, bins=5),
            advice,
            trial,
            infoflow.validate(entrants=ENTRANTS[:1], cases=known_cases()[:1], seed=seed),
        ]
    return model, {type(one).__name__: one for one in found}


@pytest.fixture(scope="module")
def family():
    return everything(0)


@pytest.fixture(scope="module")
def one_of(family):
    assert set(family[1]) == set(KINDS)
    return family[1].__getitem__


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_saved_and_read_as_it_was(kind, one_of, tmp_path):
    result = one_of(kind)
    again = infoflow.load(result.save(tmp_path / f"{kind}.nc"))
    assert type(again) is type(result)
    xr.testing.assert_identical(again.dataset.drop_attrs(), result.dataset.drop_attrs())
    assert str(again) == str(result)
    assert again.to_dict() == result.to_dict()
    if kind != "LayerGraph":
        assert again == result


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_shown(kind, one_of):
    result = one_of(kind)
    page, tags = checked(result)
    assert tags.count("details") >= 3
    assert len(page) < 150_000
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize("kind", KINDS)
def test_its_frame_is_tidy(kind, one_of):
    result = one_of(kind)
    frame = result.to_frame()
    assert len(frame) == (KINDS[kind] or len(result))
    assert frame.index.tolist() == list(range(len(frame)))
    assert frame.columns.is_unique
    assert all(isinstance(name, str) for name in frame.columns)
    assert not frame.isna().all().any()


@pytest.mark.parametrize("kind", KINDS)
def test_its_pickle_holds_no_weights(kind, one_of, family):
    result = one_of(kind)
    again = pickle.loads(pickle.dumps(result))
    assert str(again) == str(result)
    learned = [weight for weight in family[0].parameters() if weight.ndim > 1]
    weights = [weight.detach().numpy().tobytes() for weight in learned]
    assert max(map(len, weights)) == 4 * 32 * 32 * 9
    assert not any(weight in pickle.dumps(result) for weight in weights)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"LayerGraph"}))
def test_two_are_joined_and_come_apart(kind, one_of, tmp_path):
    first = one_of(kind)
    if kind == "Validation":
        second = infoflow.validate(entrants=ENTRANTS[:1], cases=known_cases(seed=1)[:1], seed=1)
    else:
        number = next(n for n, v in first.dataset.data_vars.items() if v.dtype.kind == "f")
        second = first.with_dataset(first.dataset.assign({number: first.dataset[number] + 1.0}))
    both = infoflow.concat([first, second], "seed")
    frame = both.to_frame()
    assert frame["seed"].tolist().count(0) == len(first.to_frame())
    assert set(frame["seed"]) == {0, 1}
    assert infoflow.load(both.save(tmp_path / "both.nc")) == both
    checked(both)
    for seed, one in enumerate((first, second)):
        part = both.sel(seed=seed)
        xr.testing.assert_equal(part.dataset, one.dataset)
        assert part.joined_along == ()
        if kind != "Validation":
            assert str(part) == str(one)


@pytest.mark.parametrize("kind", KINDS)
def test_information_has_a_unit_that_can_be_changed(kind, one_of):
    result = one_of(kind)
    if kind not in WITH_UNIT:
        with pytest.raises(infoflow.InfoflowError):
            result.to("nats")
        return
    other = "bits" if result.unit.startswith("nats") else "nats"
    there = result.to(other)
    assert there.unit.startswith(other)
    back = there.to(result.unit.split()[0])
    single = [name for name in back.dataset if back.dataset[name].dtype == np.float32]
    exact = [one.dataset.drop_vars(single) for one in (back, result)]
    xr.testing.assert_allclose(*exact, rtol=1e-12, atol=1e-12)
    xr.testing.assert_allclose(back.dataset[single], result.dataset[single], rtol=1e-5)
    factor = np.log(2) if other == "nats" else 1 / np.log(2)
    for name, variable in result.dataset.data_vars.items():
        changed = there.dataset[name]
        if str(variable.attrs.get("units", "")).startswith(("bits", "nats")):
            error = 1e-5 if name in single else 1e-12
            np.testing.assert_allclose(changed, variable * factor, rtol=error)
            assert changed.attrs["units"].startswith(other)
        elif variable.dtype.kind in "fi":
            assert changed.identical(variable)


@pytest.mark.parametrize("kind", KINDS)
def test_its_class_is_found_by_the_kind_that_its_file_names(kind):
    assert kind in infoflow.__all__
    assert getattr(infoflow, kind).kind == kind


@pytest.mark.thorough
def test_every_kind_is_read_where_nothing_was_imported(one_of, tmp_path):
    for kind in KINDS:
        one_of(kind).save(tmp_path / f"{kind}.nc")
    code = (
        "import sys, infoflow\n"
        "from pathlib import Path\n"
        "for path in Path(sys.argv[1]).iterdir():\n"
        "    assert type(infoflow.load(path)).__name__ == path.stem\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_advice_names_streams_of_the_model_while_it_lives(family):
    model, found = family
    advice = found["PruningAdvice"]
    names = type(advice.prunable).of(["encoder.0.2->decoder.3.0"], advice.graph)
    assert infoflow.prune(model, names).pruning.parameters == 2 * 2 * 9


def test_unit_entropies_are_a_mapping(family):
    entropies = family[1]["UnitEntropies"]
    assert list(entropies) == entropies.dataset["layer"].values.tolist()
    assert entropies["output"].shape == (1, 32, 32)
    assert entropies["output"].dtype == torch.float64
    frame = entropies.to_frame().set_index("layer")
    for name, bits in entropies.items():
        assert frame["mean"][name] == pytest.approx(float(bits.mean()), rel=1e-12)
    with pytest.raises(KeyError):
        entropies["decoder"]
