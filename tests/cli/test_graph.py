"""``infoflow graph``: its forms, its options, and what it says of wrong ones."""

import json

import numpy as np
import pytest
import torch

import infoflow
from infoflow.testing import UNet


@pytest.fixture
def unet_spec(model_file):
    return f"{model_file}:make"


SHAPE = ("--input-shape", "3,32,32")


def test_the_table_is_the_usual_form(infoflow_command, unet_spec):
    code, out, err = infoflow_command("graph", unet_spec, *SHAPE)
    graph = infoflow.trace(UNet(base_channels=2).eval(), torch.rand(2, 3, 32, 32))
    assert (code, err) == (0, "")
    assert out == f"{graph}\n"


def test_json_has_the_whole_graph_and_its_verification(infoflow_command, unet_spec):
    code, out, _ = infoflow_command("graph", unet_spec, *SHAPE, "--json")
    assert code == 0
    data = json.loads(out)
    assert data["verification"]["label"] == "exact"
    graph = infoflow.LayerGraph.from_dict(data)
    assert [str(skip) for skip in graph.skips] == ["7→11", "5→14", "3→17", "1→20"]


@pytest.mark.parametrize(
    ("form", "first", "skip"),
    [
        ("--dot", 'digraph "UNet" {', 'layer7 -> layer11 [label="7→11"'),
        ("--mermaid", "flowchart TD", 'layer7 -.->|"7→11"| layer11'),
    ],
)
def test_other_forms_show_the_skips(infoflow_command, unet_spec, form, first, skip):
    code, out, _ = infoflow_command("graph", unet_spec, *SHAPE, form)
    assert code == 0
    assert out.startswith(first)
    assert skip in out


def test_leaves_and_open_choose_what_is_kept_whole(infoflow_command, tmp_path):
    path = tmp_path / "net.py"
    path.write_text(
        "from torch import nn\n"
        "class Block(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)\n"
        "    def forward(self, x):\n"
        "        return x + self.two(self.one(x))\n"
        "def blocks():\n"
        "    return nn.Sequential(Block(), Block())\n"
    )

    def layers(*options):
        code, out, _ = infoflow_command(
            "graph", f"{path}:blocks", "--input-shape", 4, "--json", *options
        )
        assert code == 0
        return [layer["name"] for layer in json.loads(out)["layers"]]

    assert layers() == ["0.one", "0.two", "0.add", "1.one", "1.two", "1.add"]
    assert layers("--leaves", "0") == ["0", "1.one", "1.two", "1.add"]
    assert layers("--leaves", "0", "--leaves", "1") == ["0", "1"]
    assert layers("--leaves", "[01]", "--open", "1") == ["0", "1.one", "1.two", "1.add"]


def test_reduce_takes_a_name_or_a_position(infoflow_command, unet_spec, tmp_path):
    code, out, _ = infoflow_command("graph", unet_spec, *SHAPE, "--json", "--reduce", "mean")
    assert json.loads(out)["layers"][0]["shape"] == [2]
    (tmp_path / "s.py").write_text("import torch\nnet = torch.nn.Linear(3, 5)\n")
    wide = ("graph", f"{tmp_path / 's.py'}:net", "--input-shape", "7,3", "--json")
    assert json.loads(infoflow_command(*wide)[1])["layers"][0]["shape"] == [7, 5]
    for position in ("-1", "2", "last"):
        code, out, _ = infoflow_command(*wide, "--reduce", position)
        assert (code, json.loads(out)["layers"][0]["shape"]) == (0, [5])


def test_weights_are_loaded_into_the_model(infoflow_command, unet_spec, tmp_path):
    torch.save(UNet(base_channels=4).state_dict(), tmp_path / "wide.pt")
    code, _, err = infoflow_command("graph", unet_spec, *SHAPE, "--weights", tmp_path / "wide.pt")
    assert code == 2
    assert "does not fit UNet" in err


def test_the_example_comes_from_the_data(infoflow_command, unet_spec, tmp_path):
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).random((5, 3, 48, 16), np.float32))
    code, out, _ = infoflow_command("graph", unet_spec, "--data", tmp_path / "data.npz", "--json")
    assert code == 0
    assert json.loads(out)["layers"][0]["shape"] == [2, 48, 16]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--json", "--dot"], "one form, got --json and --dot. Choose one"),
        (["--json", "--dot", "--mermaid"], "got --json and --dot and --mermaid"),
        (["--reduce", "median"], "got 'median'"),
        (["--leaves", "encodr.*"], "No module of UNet is, or matches, 'encodr.*'"),
        (["--open", "99"], "No module of UNet is, or matches, '99'"),
        (["--input-shape", "3,a"], "--input-shape must be whole numbers"),
        (["--input-shape", "3,32,32:half"], "can end in :int"),
        (["--input-shape", "1,32,32"], "UNet does not run on the example, (2, 1, 32, 32)"),
        ([], "Pass --input-shape, such as 3,128,128, once for each argument, or --data"),
    ],
)
def test_wrong_options_are_one_sentence(infoflow_command, unet_spec, options, message):
    shape = [] if not options or "--input-shape" in options else SHAPE
    code, out, err = infoflow_command("graph", unet_spec, *shape, *options)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
