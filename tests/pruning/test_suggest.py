"""The paper's reading, on results whose numbers are made up so that the answer is known."""

import json

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import infoflow
from infoflow.estimators.usable import UsableInformation
from infoflow.flow.usable_result import StreamBits, streams_of
from infoflow.interface import LayerNotFoundError, TargetError

CEILING = 3.0
#: Index of the main stream of each merge of the U-Net.
MAINS = {"7→11": 10, "5→14": 13, "3→17": 16, "1→20": 19}


def made_up(history, *, skips=infoflow.testing.UNet.ALL_SKIPS, epochs=None):
    """A U-Net result in which layer 0 has the maximum and main streams have what is given."""
    graph = infoflow.trace(infoflow.testing.UNet(2, skips=skips), torch.rand(1, 3, 16, 16))
    length = len(next(iter(history.values())))
    iym = np.full((length, 23), 0.1)
    iym[:, 0] = CEILING
    for layer, values in history.items():
        iym[:, layer] = values
    epochs = epochs or list(range(length))
    dataset = xr.Dataset(
        {
            "iym": (("epoch", "layer"), iym, {"units": "bits"}),
            "ixm": (("epoch", "layer"), iym, {"units": "bits"}),
            "iym_ceiling": ("epoch", np.full(length, CEILING)),
        },
        {"epoch": epochs, "layer": [layer.name for layer in graph]},
    )
    return infoflow.FlowResult(dataset, graph)


def verdicts(advice):
    return {str(row.skip): (row.redesign.verdict, row.redesign.epoch) for row in advice}


def test_verdicts_of_a_history():
    advice = infoflow.suggest_pruning(
        made_up(
            {
                10: [0.1, 0.2, 0.3, 0.4],  # never reaches the maximum
                13: [0.1, 2.9, 1.0, 2.9],  # reaches it, loses it, and has it again at the end
                16: [0.5, 2.0, 2.9, 3.0],  # reaches it at the third measurement
                19: [2.95, 3.0, 3.0, 3.0],  # has it before any training
            },
            epochs=[0, 10, 100, 1000],
        ),
        trust_saturated=True,
    )
    assert verdicts(advice) == {
        "7→11": ("keep", None),
        "5→14": ("prune if trained to epoch", 1000),
        "3→17": ("prune if trained to epoch", 100),
        "1→20": ("cannot tell", None),
    }
    assert advice.prunable == ("encoder.2.2->decoder.1.0", "encoder.1.2->decoder.2.0")
    before = advice[0].before
    assert (before.value, before.maximum) == (0.4, 3.0)
    assert before.gap == pytest.approx(2.6)


def test_a_saturated_number_supports_no_verdict():
    history = made_up({13: [0.1, 2.5, 2.9], 16: [0.1, 2.0, 2.7]})
    advice = infoflow.suggest_pruning(history, tolerance=0.2)
    assert verdicts(advice)["5→14"] == ("cannot tell", 1)
    assert "saturated there" in advice[1].redesign.reason
    assert verdicts(advice)["3→17"] == ("prune if trained to epoch", 2)
    assert advice.prunable == ("encoder.1.2->decoder.2.0",)


def test_the_maximum_for_shuffled_classes_too_is_told():
    """Of the paper's nuclei, K-means clusters are told apart no better than shuffled ones are."""
    result = made_up({13: [0.1, 0.5, 2.0], 16: [0.1, 2.0, 2.8]})
    null = xr.full_like(result.iym, 0.05)
    null[:, 16] = 2.9
    known = infoflow.FlowResult(result.dataset.assign(iym_null_high=null), result.graph)
    advice = infoflow.suggest_pruning(known, tolerance=0.4)
    assert [row.redesign.verdict for row in advice[1:3]] == ["prune if trained to epoch"] * 2
    assert ["shuffled" in row.redesign.reason for row in advice[1:3]] == [False, True]
    assert (advice[2].before.null_high, advice[1].before.null_high) == (2.9, 0.05)
    assert infoflow.suggest_pruning(result, tolerance=0.4)[2].before.null_high is None


def with_streams(result, **numbers):
    """The result, with what 7→11 adds; the other streams are not measured."""
    usual = {"added": 0.5, "added_ci_low": 0.4, "added_ci_high": 0.6, "added_null_high": 0.1}
    whole = {"all": 1.0, "all_null_high": 0.2, "unique": 0.3, "is_saturated": 0}
    values = {**whole, **usual, **numbers}
    dimensions = ("epoch", "stream_noise", "stream")
    variables = {f"stream_{name}": (dimensions, [[[value]]]) for name, value in values.items()}
    coordinates = {"stream": ["encoder.3.2->decoder.0.0"], "stream_noise": ["0.1"]}
    more = xr.Dataset(variables, {**coordinates, "epoch": result.epochs})
    return infoflow.FlowResult(result.dataset.merge(more), result.graph)


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [
        ({}, "keep"),
        ({"added_ci_high": 0.04, "added_ci_low": 0.0}, "prune"),
        ({"added_null_high": 0.45}, "cannot tell"),
        ({"is_saturated": 1}, "cannot tell"),
        ({"added_ci_high": 0.0, "all_null_high": 1.1}, "cannot tell"),
        ({"added": np.nan}, "cannot tell"),
    ],
)
def test_cut_rests_on_what_the_stream_adds(numbers, verdict):
    advice = infoflow.suggest_pruning(with_streams(made_up({10: [0.5]}), **numbers))
    assert advice[0].cut.verdict == verdict
    assert advice[1].cut.verdict == "cannot tell"
    assert advice.cuttable == ((advice[0].skip.name,) if verdict == "prune" else ())
    assert "Cut: can this stream be removed from this trained net, and" in str(advice)


def test_a_single_look_prunes_only_below_saturation():
    result = made_up({10: [2.9], 13: [2.0], 16: [2.0], 19: [1.98]})
    assert set(verdicts(infoflow.suggest_pruning(result)).values()) == {
        ("keep", None),
        ("cannot tell", None),
    }
    result.dataset["iym"][:, 0] = 2.0
    result.dataset["iym"][:, 10] = 0.5
    assert verdicts(infoflow.suggest_pruning(result)) == {
        "7→11": ("keep", None),
        "5→14": ("prune", 0),
        "3→17": ("prune", 0),
        "1→20": ("prune", 0),
    }


def test_tolerance_moves_the_border():
    result = made_up({10: [0.1, 2.0]})
    assert verdicts(infoflow.suggest_pruning(result))["7→11"] == ("keep", None)
    generous = infoflow.suggest_pruning(result, tolerance=0.5)
    assert verdicts(generous)["7→11"] == ("prune if trained to epoch", 1)
    with pytest.raises(ValueError, match="tolerance must be between 0 and 1"):
        infoflow.suggest_pruning(result, tolerance=1.0)


def test_says_its_question_its_caution_and_what_is_saved():
    text = str(infoflow.suggest_pruning(made_up({10: [0.5]})))
    assert text.startswith("Redesign: would a net built without this stream, trained from scratch")
    assert "The two answers can be opposite" in text
    (line,) = [line for line in text.splitlines() if line.split()[:2] == ["7→11", "keep"]]
    assert f"{16 * 16 * 3 * 3:,}" in line  # weights from 16 channels to 16, 3×3


def test_savings_are_those_of_the_graph():
    result = made_up({10: [0.5]})
    rows = infoflow.suggest_pruning(result).to_dict()["streams"]
    assert [row["parameters"] for row in rows] == [s.parameters for s in result.graph.skips]
    assert [row["multiply_adds"] for row in rows] == [s.multiply_adds for s in result.graph.skips]
    json.dumps(rows, allow_nan=False)


def test_a_chain_has_nothing_to_prune():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    x = torch.randn(30, 4)
    result = infoflow.analyze(model, [(x, (x[:, 0] > 0).long())], noise=9.0)
    advice = infoflow.suggest_pruning(result)
    assert len(advice) == 0
    assert advice.prunable == ()
    assert "nothing to prune" in str(advice)


def test_main_stream_that_is_the_input_cannot_be_judged():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.side = nn.Linear(4, 4)

        def forward(self, x, y):
            return self.side(y) + x

    x = torch.randn(30, 4)
    loader = [((x, x), (x[:, 0] > 0).long())]
    result = infoflow.analyze(Residual(), loader, noise=9.0)
    branch, identity = infoflow.suggest_pruning(result)
    assert (branch.skip.source, branch.is_main) == ("side", True)
    assert "not measured" in branch.redesign.reason
    assert (identity.skip.source, identity.is_main) == ("x", False)
    assert identity.verdict == "keep"


class Residual(nn.Module):
    """A stem, and a block of which neither the branch nor the identity adds anything."""

    def __init__(self):
        super().__init__()
        self.stem, self.branch, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        x = self.stem(x)
        return self.head(x + self.branch(x))


def test_where_both_streams_of_a_sum_could_go_only_the_branch_is_named():
    """Both together would leave nothing to go on with."""
    net, x = Residual(), torch.randn(30, 4)
    result = infoflow.analyze(net, [(x, (x[:, 0] > 0).long())], noise=9.0)
    result.dataset["iym"][:] = 0.3
    advice = infoflow.suggest_pruning(result)
    assert [row.redesign.verdict for row in advice] == ["prune", "prune"]
    assert advice.prunable == ("branch->add",)
    slim = infoflow.prune(net, advice.prunable)
    torch.testing.assert_close(slim(x), net.head(net.stem(x)))


def test_wrong_results(unet, loader):
    quiet = {"noise": 100.0, "progress": False}
    with pytest.raises(TargetError, match="measured without a target"):
        infoflow.suggest_pruning(infoflow.analyze(unet, loader, target="none", **quiet))
    some = infoflow.analyze(unet, loader, target=infoflow.KMeans(3), layers="encoder.*", **quiet)
    with pytest.raises(LayerNotFoundError, match=r"7→11 needs I\(Y;M\) of upsample\.0"):
        infoflow.suggest_pruning(some)


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [
        ((0.2, 0.15, 0.25), "keep"),
        ((0.0, -0.01, 0.01), "prune"),
        ((0.05, -0.1, 0.2), "cannot tell"),
    ],
)
def test_cut_rests_on_usable_information_where_it_is_given(numbers, verdict):
    result = made_up({10: [0.5]})
    skip = result.graph.skips[0]

    def bits(value, low=0.3, high=0.6):
        return UsableInformation(
            value, low, high, 1.0, 0.5, "bits per pixel", "linear", "made up", 30
        )

    row = StreamBits(
        skip.merge, skip.source, False, bits(0.4), bits(0.4), bits(0.5), bits(*numbers)
    )
    advice = infoflow.suggest_pruning(result, usable=streams_of([row], "made up"))
    assert advice[0].cut.verdict == verdict
    assert "small probe" in advice[0].cut.reading
    assert "adds (bits per pixel)" in str(advice)


def test_nothing_known_is_no_reason_to_prune():
    result = made_up({10: [0.0]})
    result.dataset["iym"][:] = 0.0
    assert {row.redesign.verdict for row in infoflow.suggest_pruning(result)} == {"cannot tell"}
    skip = result.graph.skips[0]
    nothing = UsableInformation(0.0, 0.0, 0.0, 1.0, 1.0, "bits per label", "linear", "made up", 30)
    row = StreamBits(skip.merge, skip.source, False, *[nothing] * 4)
    advice = infoflow.suggest_pruning(result, usable=streams_of([row], "made up"))
    assert advice[0].cut.verdict == "cannot tell"
    assert "not known to say anything" in advice[0].cut.reason
