"""``infoflow plan`` and ``infoflow validate`` at the terminal."""

import json

import torch
from typer.testing import CliRunner

from infoflow.cli.app import app

runner = CliRunner()


def test_a_plan_needs_no_memory_for_weights(monkeypatch):
    devices = set()
    whole = torch.nn.Conv2d.forward

    def forward(self, x):
        devices.add(x.device.type)
        return whole(self, x)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", forward)
    options = ["--samples", "600", "--input-shape", "3,64,64", "--json"]
    done = runner.invoke(app, ["plan", "torchvision:resnet18", *options])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert (told["layers"], told["samples"], told["passes"]) == (29, 600, 1)
    assert devices == {"meta"}


def test_a_model_that_needs_numbers_is_run_on_samples(tmp_path):
    (tmp_path / "net.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a = torch.nn.Linear(4, 3)\n"
        "    def forward(self, x):\n"
        "        return self.a(x) * float(x.sum() > -1e9)\n"
    )
    done = runner.invoke(
        app, ["plan", f"{tmp_path}/net.py:Net", "--samples", "50", "--input-shape", "4"]
    )
    assert done.exit_code == 0, done.output
    assert "Net: 1 layer for 50 samples" in done.output
