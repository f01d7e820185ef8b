"""Nets whose recording does not stand for any input: ablated where it stands for the samples."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import infoflow
from tests.pruning.ablation.nets import Residual, clusters, loader, trained


class Listed(Residual):
    """Goes through its samples one by one, so a replay takes one number of samples only."""

    def forward(self, x):
        return torch.cat([super(Listed, self).forward(one[None]) for one in x])


class Checked(Residual):
    """Looks at the values of its input, and always finds them well."""

    def forward(self, x):
        return super().forward(x.nan_to_num() if x.isnan().any() else x)


class Counted(Residual):
    """Takes its number of samples from values, so it is one of the example's input only."""

    def forward(self, x):
        return super().forward(x) + torch.zeros(len(x.tolist()), 1)


@pytest.fixture(scope="module")
def plain():
    return ablated(trained())


def ablated(net, **options):
    return infoflow.ablate(
        net,
        loader(*clusters(100, seed=3)),
        **{"streams": ["blocks.0->add"], "sets": None, "mend": None, "progress": False, **options},
    )


def copied(kind):
    net = kind().eval()
    net.load_state_dict(trained().state_dict())
    return net


@pytest.mark.parametrize(("kind", "words"), [(Checked, "same for all"), (Counted, "one by one")])
def test_a_path_that_is_the_same_for_all_samples_is_ablated_with_a_note(plain, kind, words):
    net = copied(kind)
    assert infoflow.trace(net, torch.zeros(2, 4)).verification.label == "this input only"
    found = ablated(net)
    np.testing.assert_allclose(found.dataset["bits"], plain.dataset["bits"], rtol=1e-4, atol=1e-6)
    assert any(words in note for note in found.notes)
    assert any("infoflow.prune refuses such a net" in note for note in found.notes)


def test_a_replay_of_one_number_of_samples_runs_them_one_by_one(plain):
    """The numbers are those of the branch left out by hand; the two streams have other names."""
    net = copied(Listed)
    assert infoflow.trace(net, torch.zeros(2, 4)).verification.label == "fixed batch"
    found = ablated(net)
    np.testing.assert_allclose(found.dataset["bits"], plain.dataset["bits"], rtol=1e-4, atol=1e-6)
    assert any("samples run one by one" in note for note in found.notes)


def test_samples_that_run_one_by_one_are_mended_one_by_one():
    calibrate = DataLoader(clusters(64, seed=9)[0], batch_size=32)
    options = {"mend": "reader", "calibrate": calibrate}
    found, wanted = ablated(copied(Listed), **options), ablated(trained(), **options)
    np.testing.assert_allclose(found.dataset["bits"], wanted.dataset["bits"], rtol=1e-3, atol=1e-4)


def test_how_a_net_is_traced_can_be_chosen():
    found = ablated(trained(), streams="all", tracing=infoflow.TracingOptions(leaves=["blocks.1"]))
    assert "blocks.1->add:2" in [row.skip.name for row in found.rows]
    with pytest.raises(infoflow.interface.InfoflowError, match="no_such"):
        ablated(trained(), tracing=infoflow.TracingOptions(leaves=["no_such"]))
