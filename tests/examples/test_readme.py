"""The README's Python, run as it stands, ends in an answer."""

from pathlib import Path

import torch

README = Path(__file__).parents[2] / "README.md"


def test_the_readmes_python_runs_and_ends_in_a_verified_cut(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = README.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["ablation"].cuttable
    out = capsys.readouterr().out
    assert out.startswith("Can go")
    assert "Within tolerance on 256 samples" in out
    assert (tmp_path / "report.html").stat().st_size > 10_000
    images, _ = next(iter(names["training"]))
    with torch.no_grad():
        assert names["slim"](images).shape == names["model"](images).shape
