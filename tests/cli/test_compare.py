"""``infoflow compare`` and ``infoflow graph --diff``."""

import json

import torch

import infoflow


def test_two_graphs_are_compared(infoflow_command, model_file):
    options = ("graph", f"{model_file}:make", "--input-shape", "3,16,16")
    code, printed, errors = infoflow_command(*options, "--diff", f"{model_file}:deep(3)")
    assert (code, errors) == (0, "")
    assert "layers changed: 22" in printed or "layers changed: 23" in printed
    code, printed, _ = infoflow_command(*options, "--diff", f"{model_file}:make", "--json")
    assert code == 0
    assert json.loads(printed)["skips_lost"] == []
    code, _, errors = infoflow_command(*options, "--diff", f"{model_file}:make", "--dot")
    assert (code, "--diff prints text or --json, got --dot" in errors) == (2, True)


def test_two_files_are_compared(infoflow_command, tmp_path):
    points = [torch.randn(12, 3, generator=torch.Generator().manual_seed(0))]
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 2))
    flow = infoflow.analyze(net, points, noise=1.0, progress=False).save(tmp_path / "flow.nc")
    out = tmp_path / "comparison.nc"
    code, printed, errors = infoflow_command("compare", flow, flow, "--out", out)
    assert (code, errors) == (0, "")
    assert printed.startswith(
        f"{flow} against {flow}\n\nThe graphs are the same. I(X;M), of 2: 2 c"
    )
    assert len(infoflow.load(out)) == 2
    code, _, errors = infoflow_command("compare", flow, out)
    assert (code, "got FlowResult and Comparison" in errors) == (2, True)
