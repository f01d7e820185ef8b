"""Advice on results whose numbers are made up, so that the answer is known; and what it refuses."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import infoflow
from infoflow.estimators.usable import UsableInformation
from infoflow.flow.usable_result import StreamBits, streams_of
from infoflow.interface import LayerNotFoundError, TargetError
from infoflow.pruning.advice_wording import RECORD
from infoflow.testing import UNet, blob_images

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


def by_paper(result, **settings):
    return infoflow.suggest_pruning(result, reading="paper", **settings)


def verdicts(advice):
    return {str(row.skip): (row.redesign.verdict, row.redesign.epoch) for row in advice}


def test_verdicts_of_a_history():
    advice = by_paper(
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
    advice = by_paper(history, tolerance=0.2)
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
    advice = by_paper(known, tolerance=0.4)
    assert [row.redesign.verdict for row in advice[1:3]] == ["prune if trained to epoch"] * 2
    assert ["shuffled" in row.redesign.reason for row in advice[1:3]] == [False, True]
    assert (advice[2].before.null_high, advice[1].before.null_high) == (2.9, 0.05)
    assert by_paper(result, tolerance=0.4)[2].before.null_high is None


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
    ("numbers", "says"),
    [
        ({}, "adds what others have not"),
        ({"added_ci_high": 0.04, "added_ci_low": 0.0}, "others have what it has"),
        ({"added_null_high": 0.45}, "not above its null"),
        ({"is_saturated": 1}, "others are saturated"),
        ({"added_ci_high": 0.0, "all_null_high": 1.1}, "all not above their null"),
        ({"added": np.nan}, "not measured"),
    ],
)
def test_information_explains_and_gives_no_verdict_on_a_cut(numbers, says):
    advice = infoflow.suggest_pruning(with_streams(made_up({10: [0.5]}), **numbers))
    assert advice[0].says == says
    for row in advice:
        assert (row.cut.verdict, row.redesign.verdict) == ("cannot tell", "cannot tell")
        assert "infoflow.ablate(model, held_out)" in row.cut.reason
        assert "6 trainings" in row.redesign.reason
    assert advice.cuttable == advice.prunable == ()
    assert str(advice).startswith("Cannot tell what can go: information says")
    assert "infoflow ablate MODEL" in advice.conclusion


def test_a_single_look_prunes_only_below_saturation():
    result = made_up({10: [2.9], 13: [2.0], 16: [2.0], 19: [1.98]})
    assert set(verdicts(by_paper(result)).values()) == {
        ("keep", None),
        ("cannot tell", None),
    }
    result.dataset["iym"][:, 0] = 2.0
    result.dataset["iym"][:, 10] = 0.5
    assert verdicts(by_paper(result)) == {
        "7→11": ("keep", None),
        "5→14": ("prune", 0),
        "3→17": ("prune", 0),
        "1→20": ("prune", 0),
    }


def test_tolerance_moves_the_border():
    result = made_up({10: [0.1, 2.0]})
    assert verdicts(by_paper(result))["7→11"] == ("keep", None)
    generous = by_paper(result, tolerance=0.5)
    assert verdicts(generous)["7→11"] == ("prune if trained to epoch", 1)
    with pytest.raises(ValueError, match="tolerance must be between 0 and 1"):
        by_paper(result, tolerance=1.0)


def test_the_papers_reading_is_worded_as_the_papers_with_its_record():
    advice = by_paper(made_up({10: [0.1, 0.5], 13: [0.1, 2.9]}), trust_saturated=True)
    text = str(advice)
    assert advice.conclusion.startswith("By the paper's reading, of a redesign: needed: 7→11")
    assert "not needed from epoch 1 on: 5→14" in " ".join(text.split())
    assert "right on 10 of 12 skips" in " ".join(text.split())
    (line,) = [line for line in text.splitlines() if line.split()[:2] == ["7→11", "needed"]]
    assert f"{16 * 16 * 3 * 3:,}" in line  # weights from 16 channels to 16, 3×3
    assert max(map(len, text.splitlines())) <= 80


def test_the_record_is_that_of_the_committed_study():
    """RECORD counts, seed by seed, whether nets came where the paper's reading said."""
    table = Path(infoflow.__file__).parents[1] / "docs" / "reproduction" / "claims.csv"
    (claim,) = [
        row
        for row in csv.reader(table.read_text(encoding="utf-8").splitlines())
        if row[0].startswith("I(Y;M) before a m")
    ]
    pairs = re.findall(r"Model \d: told (by [\d,]+|never), seen ([\d,]+|never)", claim[2])
    right = [told.startswith("by") == (seen != "never") for told, seen in pairs]
    assert (len(right), sum(right)) == (12, 10)
    late = [
        float(seen.replace(",", "")) / float(told.removeprefix("by ").replace(",", ""))
        for told, seen in pairs
        if "never" not in (told, seen)
    ]
    assert 5 <= min(late) < max(late) <= 18.1
    assert "right on 10 of 12 skips" in RECORD
    assert "5 to 18" in RECORD


def untrained(labels, *, samples=48, size=16, **settings):
    """What is advised on a net that was not trained, for classes that mean nothing."""
    torch.manual_seed(0)
    images, _ = blob_images(samples, size=size)
    loader = torch.utils.data.DataLoader(list(images), batch_size=16)
    return infoflow.analyze(
        UNet(base_channels=2), loader, target=labels, progress=False, **settings
    )


@pytest.mark.parametrize("noise", [1.0, infoflow.Relative(1.0)])
def test_an_untrained_net_with_random_labels_gets_no_firm_verdict(noise):
    labels = np.random.default_rng(0).integers(0, 4, 48)
    for row in infoflow.suggest_pruning(untrained(labels, noise=noise)):
        assert (row.redesign.verdict, row.cut.verdict) == ("cannot tell", "cannot tell")
        assert row.says != "adds what others have not"


@pytest.mark.filterwarnings("ignore::infoflow.interface.InfoflowWarning")
def test_two_samples_get_no_firm_verdict():
    advice = infoflow.suggest_pruning(untrained(np.array([0, 1]), samples=2, noise=1.0))
    assert {row.redesign.verdict for row in advice} == {"cannot tell"}
    assert {row.cut.verdict for row in advice} == {"cannot tell"}


def test_one_class_is_refused():
    with pytest.raises(TargetError, match="class"):
        infoflow.suggest_pruning(untrained(np.zeros(48, dtype=int), noise=1.0))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda result: (result, {"reading": "papers"}), "reading must be 'ablation' or 'paper'"),
        (lambda result: (result, {"information": result}), "explains the verdicts of an Ablation"),
        (lambda _: (["1->20"], {}), "what infoflow.ablate, infoflow.analyze or"),
    ],
)
def test_wrong_questions(given, words):
    measured, settings = given(made_up({10: [0.5]}))
    with pytest.raises(infoflow.InfoflowError, match=words):
        infoflow.suggest_pruning(measured, **settings)


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
    branch, identity = by_paper(result)
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
    advice = by_paper(result)
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
    ("numbers", "says"),
    [
        ((0.2, 0.15, 0.25), "adds what others have not"),
        ((0.0, -0.01, 0.01), "others have what it has"),
        ((0.05, -0.1, 0.2), "too uncertain"),
    ],
)
def test_usable_information_explains_where_it_is_given(numbers, says):
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
    assert advice[0].says == says
    assert advice[0].cut.verdict == "cannot tell"
    assert "small probe" in advice[0].added.reading
    assert "In bits per pixel" in str(advice)


def test_nothing_known_is_no_reason_to_prune():
    result = made_up({10: [0.0]})
    result.dataset["iym"][:] = 0.0
    assert {row.redesign.verdict for row in by_paper(result)} == {"cannot tell"}
    skip = result.graph.skips[0]
    nothing = UsableInformation(0.0, 0.0, 0.0, 1.0, 1.0, "bits per label", "linear", "made up", 30)
    row = StreamBits(skip.merge, skip.source, False, *[nothing] * 4)
    advice = infoflow.suggest_pruning(result, usable=streams_of([row], "made up"))
    assert advice[0].cut.verdict == "cannot tell"
    assert advice[0].says == "all not above their null"
