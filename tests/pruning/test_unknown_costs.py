"""What a net without a stream saves is not guessed where the cost of an operation is not known."""

import pytest
import torch

import infoflow
from tests.graph.test_layer_costs import LINEAR, D, Mixed, T


@pytest.fixture(scope="module")
def mixed():
    torch.manual_seed(0)
    return infoflow.trace(Mixed().eval(), torch.rand(2, T, D))


def test_the_account_of_a_cut_does_not_guess(mixed):
    x = torch.rand(2, T, D)
    slim = infoflow.prune(mixed.source.model, [mixed.merges[0].branch.name], x)
    assert slim.pruning.multiply_adds_before is None
    assert slim.pruning.multiply_adds_after == 2 * LINEAR
    assert slim.pruning.multiply_adds is None
    assert f"multiply-adds: ? before, {2 * LINEAR:,} after\n" in str(slim.pruning)


def test_a_trial_shows_what_is_not_known(mixed):
    def evaluate(net):
        return net(torch.ones(1, T, D)).mean().item()

    trial = infoflow.verify_pruning(
        mixed.source.model, example=torch.rand(2, T, D), evaluate=evaluate, progress=False
    )
    known = {"+".join(row.streams): row.multiply_adds for row in trial.rows}
    assert known[""] is None
    assert known[mixed.merges[0].branch.name] == 2 * LINEAR
    row = next(line for line in str(trial).splitlines() if line.startswith("as it is"))
    assert "?" in row
    assert trial.dataset["multiply_adds"].isnull().sum() == list(known.values()).count(None)
    assert infoflow.PruningTrial.from_dict(trial.to_dict()) == trial
