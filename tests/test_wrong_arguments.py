"""Arguments of a wrong kind, for every public function: one clear sentence, never a foreign error.

Each case is told before anything long runs.
"""

import math
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import infoflow
from infoflow.interface import InfoflowError
from infoflow.interface.argument_checks import (
    did_you_mean,
    function_of,
    one_of,
    real_number,
    seed_number,
    whole_number,
)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.h = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(10, 2)

    def forward(self, x):
        a = self.a(x).relu()
        return self.h(torch.cat([a, self.b(a).relu()], 1))


X = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
LOADER = [(X[:6], Y[:6]), (X[6:], Y[6:])]


@pytest.fixture(scope="module")
def net():
    return Net().eval()


@pytest.fixture(scope="module")
def result(net):
    return infoflow.analyze(net, LOADER, progress=False, noise=0.5, layers=["a", "h"])


def refused(message, function, *args, **given):
    """Check that an argument is refused with a message of ours."""
    with pytest.raises(InfoflowError, match=message) as caught:
        function(*args, **given)
    assert str(caught.value).endswith((".", "?", ")"))


def _identifier(value):
    """Name a value in the same way in every process: without its address."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


# --------------------------------------------------------------------------- what measuring shares

WRONG = {
    "seed": ["a", 1.5, -1, None, [], math.nan, 2**32, True],
    "device": ["gpu", 3.5, [], object(), "cuda:99", "meta"],
    "memory_budget": ["lots", -1, 0, math.nan, None, [], "2 apples"],
    "progress": ["yes", 3, []],
    "unpack": ["x", 3, lambda: 1, lambda a, b: a],
    "tracing": ["x", 3, [], infoflow.TracingOptions, {"leaves": ["a"]}],
    "layers": [None, 1.5, True, [None], [[]], {"a": 1}, "nope", 99, b"a"],
}
MEASURING = {
    "analyze": infoflow.analyze,
    "probe": infoflow.probe,
    "usable_streams": infoflow.usable_streams,
}
PAIRS = [
    (name, key, value)
    for name in MEASURING
    for key, values in WRONG.items()
    for value in values
    if (name, key) != ("usable_streams", "layers")
]


@pytest.mark.parametrize(("name", "key", "value"), PAIRS, ids=_identifier)
def test_measuring_refuses_in_a_sentence(name, key, value, net):
    words = {"layers": "layer", "device": "device"}
    refused(words.get(key, key), MEASURING[name], net, LOADER, **{"progress": False, key: value})


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Net, r"got the class Net. Make an object of it: Net\(\)"),
        (lambda x: x, "Wrap a function in a module"),
        (None, "model must be a torch.nn.Module, got NoneType"),
        ([Net()], "model must be a torch.nn.Module, got list"),
    ],
)
def test_what_is_no_model(model, message):
    refused(message, infoflow.analyze, model, LOADER)
    refused(message, infoflow.trace, model, X)
    refused(message, infoflow.prune, model, "a->h", X)


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (X, r"got a Tensor of shape \(12, 4\). Wrap it: torch.utils.data.DataLoader"),
        (X.numpy(), r"got a ndarray of shape \(12, 4\)"),
        (TensorDataset(X, Y), "got the data set TensorDataset, which gives single samples"),
        (lambda: LOADER, "got the function <lambda>. Call it"),
        (torch.utils.data.DataLoader, "got the class DataLoader. Call it"),
        (iter(LOADER), "can be read only once"),
        ((batch for batch in LOADER), "can be read only once"),
        ("images/", "got 'images/'"),
        ({"x": X}, "got a dict"),
        (None, "got None"),
        (3, "got 3"),
        ([], "gives no batches"),
        ([(X[:0], Y[:0])], "holds no input tensor"),
        ([(X[:1], Y[:1])], "gives 1 sample"),
        ([(X, Y[:5])], "expected one target per sample"),
        ([(X, Y), (X[:, :3], Y)], "Samples must all have one shape"),
    ],
)
def test_what_is_no_loader(loader, message, net):
    refused(message, infoflow.analyze, net, loader, progress=False, layers="a")


def test_images_in_bytes_are_answered_with_the_conversion():
    convolution = nn.Conv2d(1, 1, 3)
    images = torch.randint(0, 255, (4, 1, 8, 8), dtype=torch.uint8)
    refused(r"images.float\(\) / 255", infoflow.trace, convolution, images)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("label", r"Did you mean 'labels'\?"),
        ("k-means", r"Did you mean 'kmeans'\?"),
        ("Coarse", r"Did you mean 'coarsening'\?"),
        (infoflow.KMeans, r"Write KMeans\(\)"),
        (None, "pass target='none'"),
    ],
)
def test_a_misspelt_target_names_the_nearest(target, message, net):
    refused(message, infoflow.analyze, net, LOADER, target=target, progress=False)


# --------------------------------------------------------------------------- objects with settings


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (lambda v: infoflow.KMeans(clusters=v), [2.5, "3", 1, -2, None, math.nan, True]),
        (lambda v: infoflow.KMeans(seed=v), ["a", -1, 1.5]),
        (lambda v: infoflow.KMeans(of=v), ["outputs", None, np.ones(2)]),
        (lambda v: infoflow.Coarsening(blocks=v), [4, "44", (0, 1), (1.5, 2), (1, 2, 3), None]),
        (lambda v: infoflow.Coarsening(threshold=v), [-1, 0.5, "a"]),
        (lambda v: infoflow.DistanceOptions(v), ["fast", None, 3, np.ones(2)]),
        (lambda v: infoflow.KDE(bound=v), ["lowest", None, np.ones(2)]),
        (lambda v: infoflow.Renyi(width=v), ["mean", 0, math.nan, True, np.ones(2)]),
        (lambda v: infoflow.Renyi(v), ["a", 0, math.inf, True]),
        (
            lambda v: infoflow.TracingOptions(leaves=v),
            [3, [3], [None], "", [""], [nn.Linear(1, 1)]],
        ),
        (lambda v: infoflow.SamplePropagation(seed=v), ["a", -1, 1.5, None]),
        (lambda v: infoflow.NoisyNet(Net(), beta=0.1, seed=v), ["a", -1, 1.5, None, True]),
        (lambda v: infoflow.NoisyNet(Net(), beta=0.1, leaves=v), [3, [3], None]),
        (lambda v: infoflow.NoisyNet(Net(), beta=0.1, layers=v), [None, 1.5, [None], {"a": 1}]),
        (lambda v: infoflow.KMeans(ignore_index=v), ["void", 1.5, True, np.ones(2), [None]]),
        (lambda v: infoflow.Tolerance(v), ["5%", 0, math.nan, True, [], np.ones(2)]),
        (lambda v: infoflow.FlowResult(v, None), [None, "flow.nc", 3]),
    ],
)
def test_settings_are_checked_when_they_are_made(make, wrong):
    for value in wrong:
        refused("must be|needs an xarray.Dataset", make, value)


# --------------------------------------------------------------------------- results


def test_what_is_no_file(tmp_path):
    for path in (None, 3, [], b"flow.nc", "", "a\0b", math.nan):
        refused("path must be the path of a file", infoflow.load, path)
    refused("is a folder", infoflow.load, tmp_path)
    refused("There is no file", infoflow.load, tmp_path / "b.nc")
    (tmp_path / "a.nc").write_text("precious")
    refused("cannot be read as an infoflow result", infoflow.load, tmp_path / "a.nc")
    refused("kind must be a class of results", infoflow.load, tmp_path / "a.nc", kind="FlowResult")


def test_parts_of_results(result):
    for epoch in (5, 0.5, "0", -1, np.ones(3), [0]):
        refused("epoch must be", result.to_dict, epoch=epoch)
        refused("epoch must be", result.audit, epoch=epoch)
    refused("rows must be 'layer', 'noise' or 'stream'", result.to_frame, rows=["layer"])
    refused(r"Did you mean 'layer'\?", result.to_frame, rows="layers")
    refused("one label or several, got none", result.sel, layer=[])
    refused("layer must be among", result.sel, layer=np.array(["zz"]))
    assert result.sel(layer=np.array(["a"])).layers == ["a"]
    refused("joined takes another FlowResult", result.joined, "flow.nc")
    for key in (None, 1.5, [], {}, torch.ones(2), True):
        refused("A layer is found by its name or index", result.graph.__getitem__, key)


@pytest.mark.parametrize(
    ("results", "along", "labels", "message"),
    [
        (None, "seed", None, "concat joins a list of results, got None"),
        ("ab", "seed", None, "concat joins a list of results, got 'ab'"),
        ("result", "seed", None, r"Write infoflow.concat\(\[one, other\], along\)"),
        ("twice", None, None, "along must be a word"),
        ("twice", "a b", None, "along must be a word"),
        ("twice", "ixm", None, "which is a quantity of FlowResult"),
        ("twice", "samples", None, "which is a quantity of FlowResult"),
        ("twice", "seed", 3, "labels must be a list"),
        ("twice", "seed", "ab", "labels must be a list"),
        ("twice", "seed", ["a", 1], "labels must be a list"),
        ("twice", "seed", [[1], [2]], "labels must be a list"),
        ("twice", "seed", [0.0, math.nan], "labels must be a list"),
    ],
)
def test_what_cannot_be_joined(results, along, labels, message, result):
    given = {"result": result, "twice": [result, result]}.get(results or "", results)
    refused(message, infoflow.concat, given, along, labels=labels)


@pytest.mark.parametrize("graph", [None, "graph", 3, Net(), {}])
def test_a_plan_is_of_a_graph(graph):
    refused(
        r"plan needs a LayerGraph, got .*infoflow.trace\(model, example\)", infoflow.plan, graph, 9
    )


def test_plots_say_what_they_draw(result):
    plots = infoflow.plots
    for plot in (plots.uplot, plots.information_plane, plots.information_planes):
        for value in (None, "flow.nc", result.graph, [result]):
            refused("draws a FlowResult, which infoflow.analyze", plot, value)
    for plot in (plots.probes, plots.frontier, plots.trial, plots.distances, plots.rankings):
        refused("This plot draws", plot, result)
    refused("draws a LayerGraph", plots.layer_graph, Net())
    refused("unfold must be", plots.layer_graph, result, unfold=3)
    refused("ax must be the Axes", plots.uplot, result, "ax")
    refused("ax must be the Axes", plots.uplot, result, plt.subplots())
    refused("figure must be an empty matplotlib figure", plots.information_planes, result, 3)
    refused("quantity must be", plots.uplot, result, quantity="iyx")
    for epochs in ("last", [0.5], {}, math.inf, [7]):
        refused("epoch", plots.uplot, result, epochs=epochs)
    plt.close("all")


# --------------------------------------------------------------------------- pruning


@pytest.mark.parametrize("tolerance", ["5%", "0.05", 2, 0, math.nan, True, [], np.ones(2)])
def test_a_tolerance_is_a_share(tolerance, result):
    refused(
        "tolerance must be between 0 and 1", infoflow.suggest_pruning, result, tolerance=tolerance
    )


def test_advice_is_on_what_was_measured(result):
    for measured in (None, "flow.nc", Net(), result.graph):
        refused("suggest_pruning needs what infoflow.ablate", infoflow.suggest_pruning, measured)
    refused("usable must be what", infoflow.suggest_pruning, result, usable=result)
    refused("information must be what", infoflow.suggest_pruning, result, information="flow.nc")
    refused(r"Did you mean 'paper'\?", infoflow.suggest_pruning, result, reading="papers")
    refused("trust_saturated must be True", infoflow.suggest_pruning, result, trust_saturated=1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"evaluate": 0.5}, r"evaluate must be a function, called as evaluate\(net\)"),
        ({"evaluate": lambda: 1}, "got one that takes ()"),
        ({"train": lambda net: net}, r"called as train\(net, epochs, seed\)"),
        ({"tune_epochs": 1.5}, "tune_epochs must be a whole number"),
        ({"redesign_epochs": True}, "redesign_epochs must be a whole number"),
        ({"seeds": "ab"}, "seeds must be a sequence"),
        ({"seeds": [-1]}, "A seed of seeds must be a whole number"),
        ({"seed": "a"}, "seed must be a whole number"),
        ({"reset": "yes"}, "reset must be a function"),
        ({"lower_is_better": "no"}, "lower_is_better must be True or False"),
        ({"checkpoint": 3}, "checkpoint must be the path of a file"),
        ({"checkpoint": "/proc/no/trial.json"}, "Cannot write the measured numbers"),
        ({"advice": "advice.nc"}, "advice must be what"),
    ],
)
def test_trials_check_before_they_train(given, message, net):
    settings = {"evaluate": lambda net: 1.0, "example": X[:2], "progress": False, **given}
    refused(message, infoflow.verify_pruning, net, **settings)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"build": Net()}, "build must be a function from a seed"),
        ({"train": lambda net: net}, r"called as train\(net, epochs, seed\)"),
        ({"evaluate": 0.5}, "evaluate must be a function"),
        ({"seeds": 3}, "seeds must be different whole numbers"),
        ({"rungs": 3}, "rungs must be ascending numbers"),
        ({"keep": "half"}, "keep must be above 0 and at most 1, got 'half'"),
        ({"tolerance": math.nan}, "tolerance must be greater than 0 bits, got nan"),
        ({"threshold": "low"}, "threshold must be a number"),
        ({"progress": "yes"}, "progress must be True, False or None"),
    ],
)
def test_races_check_before_they_start(given, message):
    settings = {"build": Net, "train": lambda net, epochs, seed: None, "held_out": LOADER}
    settings |= {"example": X[:2], "seeds": (0,), "rungs": (1, 2), **given}
    build, train = settings.pop("build"), settings.pop("train")
    refused(message, infoflow.race, build, train, **settings)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "cutt"}, r"Did you mean 'cut'\?"),
        ({"mode": np.ones(2)}, "mode must be"),
        ({"kwargs": "x"}, "kwargs must be a dictionary"),
        ({"kwargs": [1]}, "kwargs must be a dictionary"),
        ({"data": X, "mode": "mean"}, "Wrap it"),
        ({"mend": "readers", "calibrate": LOADER}, r"Did you mean 'reader'\?"),
        ({"mend": "reader", "calibrate": X}, "Wrap it"),
        ({"mend": "reader", "calibrate": [(X.double(), Y)]}, "of type float32, got float64"),
        ({"mend": "reader", "calibrate": LOADER, "ridge": "weak"}, "ridge must be a number"),
        ({"mend": "reader", "calibrate": LOADER, "seed": 1.5}, "seed must be a whole number"),
        ({"reset": 3}, "reset must be a function"),
        ({"streams": 3}, "streams must be a name"),
        ({"streams": ["a->h", 3]}, "streams must be names"),
    ],
)
def test_pruning_refuses_in_a_sentence(given, message, net):
    settings = {"streams": "a->h", "example": X[:2], **given}
    refused(message, infoflow.prune, net, **settings)


def test_a_validation_is_of_known_truth():
    for value in (3, "kde", [infoflow.KDE()], b"x"):
        refused("entrants must be those of", infoflow.validate, entrants=value, cases=[])
        refused("cases must be those of", infoflow.validate, cases=value)
    refused("seed must be a whole number", infoflow.validate, seed="a")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss": "cross-entropy"}, r"Did you mean 'cross_entropy'\?"),
        ({"metric": "acuracy"}, r"Did you mean 'accuracy'\?"),
        ({"path": "/proc/no/journal"}, "Cannot write the measured numbers"),
        ({"path": 3}, "path must be the path of a file"),
        ({"mend": "readers"}, r"Did you mean 'reader'\?"),
        ({"sets": "front"}, r"Did you mean 'frontier'\?"),
        ({"tolerance": "5%"}, "tolerance must be a number"),
    ],
)
def test_ablations_check_before_they_read(given, message, net):
    """The loader, of too few samples, would be told, were it read first."""
    refused(message, infoflow.ablate, net, LOADER, progress=False, **given)


def test_pages_check_their_place_and_title(result, tmp_path):
    for path in (None, 3, [], "", "a\0b"):
        refused("path must be the path of a file", infoflow.report, result, path)
    refused("Cannot write the page", infoflow.report, result, "/proc/no/page.html")
    refused("is a folder", infoflow.report, result, tmp_path)
    refused("title must be a text", infoflow.report, result, tmp_path / "a.html", title=3)
    refused("overwrite must be True", infoflow.report, result, tmp_path / "a.html", overwrite="y")


def test_operations_that_nobody_registered():
    for what in (None, 3, [], {}, np.ones(2), len):
        refused("is not registered", infoflow.forget_operation, what)


# --------------------------------------------------------------------------- the checks themselves


def test_whole_numbers_of_every_kind_are_taken():
    values = [3, np.int64(3), np.uint8(3), torch.tensor(3), np.array(3)]
    assert [whole_number("n", value) for value in values] == [3] * 5
    assert seed_number(2**32 - 1) == 2**32 - 1
    assert real_number("n", np.float32(0.5), above=0, below=1) == 0.5


def test_names_of_another_case_are_recognised():
    assert did_you_mean("CUT", ("auto", "cut")) == " Did you mean 'cut'?"
    assert did_you_mean("zzz", ("auto", "cut")) == did_you_mean(3, ("auto",)) == ""
    assert one_of("mend", None, ("auto", None)) is None


def test_functions_without_a_signature_are_taken():
    assert function_of("evaluate", max, 1, "evaluate(net)") is max


@pytest.mark.parametrize("merges", [3, [3], [["a"]], "nope", []])
def test_merges_that_are_no_names(merges, net):
    message = "merges must be names of merges"
    refused(message, infoflow.usable_streams, net, LOADER, merges=merges, progress=False)


def test_settings_of_estimators_say_what_to_write():
    refused(r"got 'relative'. infoflow.Relative\(0.1\) scales it", infoflow.KDE, "relative")
    refused(r"got 'relatiive'. Did you mean 'relative'\?", infoflow.estimate, X, noise="relatiive")
    refused(r"got 'KDE'. Did you mean 'kde'\?", infoflow.estimate, X, estimator="KDE")
    refused("streams must be True or False, got 'no'", infoflow.DistanceOptions, streams="no")


def test_what_is_no_pair_of_inputs_and_target_says_what_to_return(net):
    images, masks = LOADER[0]
    message = r"unpack must return \(inputs, target\), got .* for batch 0"
    refused(message, infoflow.analyze, net, LOADER, unpack=lambda batch: images[:2], progress=False)
    message = r"pass \[\(inputs, target\)\]"
    refused(message, infoflow.analyze, net, (images, masks), progress=False)


@pytest.mark.parametrize("name", ["loss", "metric"])
def test_losses_and_metrics_are_names_or_functions(name, net):
    message = f"{name} must be one of .*, or a function, got 3"
    refused(message, infoflow.ablate, net, LOADER, **{name: 3})
