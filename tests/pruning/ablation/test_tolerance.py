"""What may be lost, what a sample can lose at most, and verdicts on regressions."""

import math

import pytest
import torch
from torch import nn

import infoflow
from tests.pruning.ablation.nets import Residual, clusters, loader, trained


@pytest.mark.parametrize("shape", [(-1, 1), (-1,)])
def test_a_regression_gets_firm_verdicts_and_decibels(shape):
    torch.manual_seed(0)
    net, points = trained(Residual(classes=3)), clusters(420)[0]
    net.head = nn.Linear(12, 1)
    targets = (net(points) + 0.3 * torch.randn(420, 1)).detach().reshape(shape)
    found = infoflow.ablate(
        net.eval(), loader(points, targets), metric="psnr", mend=None, progress=False
    )
    assert found.tolerance == pytest.approx(0.5 * math.log2(1.05))
    assert float(found.dataset["known_bits_low"]) > 0
    assert found["blocks.2->add:3"].verdict == "prune"
    assert found["add->add:2"].verdict == "keep"
    assert "blocks.2->add:3" in found.cuttable
    assert "bits a value, PSNR +0.0000" in found.conclusion


def test_a_file_without_known_bits_is_judged_as_before():
    found = infoflow.ablate(
        trained(), loader(*clusters(420, seed=3)), mend=None, sets=None, progress=False
    )
    older = found.with_dataset(
        found.dataset.drop_vars(["known_bits", "known_bits_low", "known_bits_high", "largest_rise"])
        .drop_attrs(deep=False)
        .assign_attrs({k: v for k, v in found.dataset.attrs.items() if k != "metric_rule"})
    )
    assert [row.verdict for row in older.rows] == [row.verdict for row in found.rows]
    assert older.conclusion == found.conclusion


def test_a_regression_without_any_error_has_no_ratio():
    torch.manual_seed(0)
    net, points = Residual(classes=2).eval(), clusters(240)[0]
    with torch.no_grad():
        targets = torch.cat([net(part) for part in points.split(50)])

    class Rounded(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net

        def forward(self, x):
            return (self.inner(x) * 8).round() / 8

    with pytest.raises(infoflow.interface.ArgumentError, match="without any error"):
        infoflow.ablate(
            *(Rounded(), loader(points, (targets * 8).round() / 8)),
            loss="regression",
            mend=None,
            progress=False,
        )


def test_what_a_sample_can_lose_at_most_makes_verdicts_need_more_samples():
    net, held_out = trained(), loader(*clusters(420, seed=3))
    options = {"mend": None, "sets": None, "progress": False}
    plain = infoflow.ablate(net, held_out, **options)
    allowed = infoflow.Tolerance(largest_rise=math.log2(3))
    guarded = infoflow.ablate(net, held_out, tolerance=allowed, **options)
    assert guarded.tolerance == plain.tolerance
    assert plain["blocks.2->add:3"].verdict == "prune"
    row = guarded["blocks.2->add:3"]
    assert row.plain.is_guarded
    assert row.plain.robust_high > plain["blocks.2->add:3"].plain.robust_high
    assert row.plain.high == plain["blocks.2->add:3"].plain.high
    assert row.verdict == ("prune" if row.plain.robust_high < guarded.tolerance else "cannot tell")


def test_a_guarded_verdict_is_saved(tmp_path):
    net, held_out = trained(), loader(*clusters(150, seed=3))
    allowed = infoflow.Tolerance(bits=1.0, metric=0.9, largest_rise=2.0)
    found = infoflow.ablate(
        net, held_out, tolerance=allowed, metric="accuracy", mend=None, progress=False
    )
    row = found["blocks.2->add:3"]
    assert row.plain.samples < 236
    assert row.verdict == "prune"  # fewer samples are enough, since the largest loss is known
    read = infoflow.load(found.save(tmp_path / "guarded.nc"))
    assert read["blocks.2->add:3"] == row
    assert read.dataset.attrs["metric_rule"] == "proof"


@pytest.mark.parametrize("wrong", [{"bits": 0.0}, {"metric": -1.0}, {"largest_rise": math.inf}])
def test_a_tolerance_is_a_number_above_0(wrong):
    with pytest.raises(infoflow.interface.ArgumentError, match="must be a number greater than 0"):
        infoflow.Tolerance(**wrong)


def test_a_metric_of_0_forbids_nothing_and_says_so():
    found = infoflow.ablate(
        *(trained(), loader(*clusters(420, seed=3))),
        metric=lambda output, target: output[:, 0] * 0.0,
        mend=None,
        progress=False,
    )
    assert math.isnan(found.metric_tolerance)
    assert found["blocks.2->add:3"].verdict == "prune"
    assert any("is 0, so no share of it" in note for note in found.notes)
