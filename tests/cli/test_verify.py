"""``infoflow verify``: what it compares, what it exits with, and wrong use."""

import json
import math

import pytest
import torch

import infoflow
from infoflow.testing import UNet, blob_images

SHAPE = ("--input-shape", "3,16,16")
#: An ablation that finds that a skip can go, quickly.
_COSTS_NOTHING = {
    "loss": lambda output, target: torch.ones(len(output)),
    "streams": ["7->11"],
    "mend": None,
    "sets": None,
    "tolerance": infoflow.Tolerance(0.1, largest_rise=0.01),
    "progress": False,
}


@pytest.fixture
def data_file(tmp_path):
    """Masks are what a net of two channels says of its images, more or less."""
    path = tmp_path / "data.py"
    path.write_text(
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "from infoflow.testing import blob_images\n"
        "def make(n=80, seed=3):\n"
        "    return DataLoader(TensorDataset(*blob_images(n, size=16, seed=seed)), batch_size=40)\n"
    )
    return f"{path}:make"


def test_streams_are_left_out_and_compared(infoflow_command, model_file, data_file, tmp_path):
    out = tmp_path / "found.nc"
    code, text, err = infoflow_command(
        *("verify", f"{model_file}:make", "--data", data_file, "--streams", "7-11"),
        *("--calibrate", data_file, "--mend", "none", "--metric", "dice", "--out", out),
    )
    found = infoflow.load(out)
    assert str(found) in text
    assert found.samples == 80
    assert found.parameters[1] < found.parameters[0]
    assert (code, found.verdict) == (3, "cannot tell"), err  # of 80 samples, no verdict
    assert max(map(len, text.splitlines())) <= 80


def test_a_pruned_program_is_put_beside_the_net_that_it_was(
    infoflow_command, model_file, data_file, tmp_path
):
    weights, slim = tmp_path / "net.pt", tmp_path / "slim.pt2"
    torch.save(UNet(base_channels=2).state_dict(), weights)
    given = (f"{model_file}:make", "--weights", weights)
    assert infoflow_command("prune", *given, *SHAPE, "--streams", "1->20", "--out", slim)[0] == 0
    code, text, err = infoflow_command(
        "verify", *given, "--data", data_file, "--pruned", slim, "--json"
    )
    assert code == 3, err
    about = json.loads(text)
    net = UNet(base_channels=2)
    net.load_state_dict(torch.load(weights))
    images, masks = blob_images(80, size=16, seed=3)
    pruned = infoflow.prune(net.eval(), "1->20", images[:2]).eval()
    with torch.no_grad():
        lost = [
            torch.nn.functional.binary_cross_entropy(one(images), masks).item()
            for one in (net, pruned)
        ]
    assert about["data_vars"]["bits"]["data"] == pytest.approx(
        (lost[1] - lost[0]) / math.log(2), rel=1e-3, abs=1e-6
    )


def test_prune_leaves_out_what_an_ablation_says(infoflow_command, model_file, tmp_path):
    torch.manual_seed(0)
    net, (images, masks) = UNet(base_channels=2).eval(), blob_images(200, size=16, seed=3)
    weights, file, slim = (tmp_path / name for name in ("net.pt", "found.nc", "slim.pt2"))
    torch.save(net.state_dict(), weights)
    ablation = infoflow.ablate(
        *(net, [(images, masks)]),
        **_COSTS_NOTHING,
    )
    ablation.save(file)
    given = (f"{model_file}:make", "--weights", weights, *SHAPE, "--ablation", file)
    code, text, err = infoflow_command("prune", *given, "--out", slim)
    assert code == 0, err
    assert ablation.cuttable[0] in text
    dataset = ablation.dataset.assign(best_mender=("stream", ["reader"]))
    infoflow.Ablation(dataset, ablation.graph).save(tmp_path / "mended.nc")
    mended = [*given[:-1], tmp_path / "mended.nc", "--out", tmp_path / "mended.pt2"]
    code, _, err = infoflow_command("prune", *mended)
    assert (code, "judged a mended net (reader)" in " ".join(err.split())) == (2, True)
    other = ("--streams", "7->11", "--out", tmp_path / "other.pt2")
    code, _, err = infoflow_command("prune", *given, *other)
    assert (code, "Pass either --streams" in err) == (2, True)


def test_samples_that_judged_already_are_told(infoflow_command, model_file, data_file, tmp_path):
    torch.manual_seed(0)
    net, weights = UNet(base_channels=2).eval(), tmp_path / "net.pt"
    torch.save(net.state_dict(), weights)
    infoflow.ablate(
        *(net, [blob_images(80, size=16, seed=3), blob_images(40, size=16, seed=4)]),
        **_COSTS_NOTHING,
    ).save(tmp_path / "found.nc")
    code, _, err = infoflow_command(
        *("verify", f"{model_file}:make", "--weights", weights, "--data", data_file),
        *("--ablation", tmp_path / "found.nc", "--calibrate", data_file, "--mend", "none"),
    )
    assert code == 3
    assert "80 of the 80 samples of this test also chose, judged" in " ".join(err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "got no --data"),
        (["--data", "demo"], "Pass one of --pruned"),
        (["--data", "demo", "--streams", "7-11", "--pruned", "a.pt2"], "got 2 of them"),
        (["--data", "demo", "--streams", "7-11"], "needs --calibrate"),
        (["--data", "demo", "--streams", "7-11", "--calibrate", "demo", "--mend", "x"], "--mend"),
        (["--data", "demo", "--ablation", "none.nc"], "none.nc"),
        (["--data", "demo", "--pruned", "none.pt2"], "none.pt2"),
    ],
)
def test_wrong_use_gets_a_sentence(infoflow_command, model_file, arguments, message):
    code, _, err = infoflow_command("verify", f"{model_file}:make", *arguments)
    assert code == 2
    assert message in err
