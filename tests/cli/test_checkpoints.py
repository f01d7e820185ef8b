"""Checkpoints as trainers write them: prefixes, containers, copies, shards, and what is beside."""

import argparse
import json
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.cli.checkpoints import load_weights
from infoflow.cli.models import load_model
from infoflow.interface import ArgumentError


class Net(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.a, self.norm, self.h = nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Linear(6, classes)

    def forward(self, x):
        return self.h(self.norm(self.a(x)).relu())


class Trainer(nn.Module):
    """A module that holds the net, as those of Lightning do."""

    def __init__(self):
        super().__init__()
        self.model, self.loss = Net(), nn.CrossEntropyLoss(weight=torch.ones(2))


SAVED = Net()
STATE = SAVED.state_dict()
OTHER = Net().state_dict()


def under(prefix, state=STATE):
    return {prefix + name: value for name, value in state.items()}


def loads(checkpoint, path, model=None):
    """Load what is saved; return whether the model has the weights of SAVED."""
    torch.save(checkpoint, path)
    model = Net() if model is None else model
    load_weights(model, path)
    values = [value for name, value in model.state_dict().items() if "loss" not in name]
    return all(torch.equal(a, b) for a, b in zip(values, STATE.values(), strict=True))


CHECKPOINTS = {
    "plain": STATE,
    "torch.compile": under("_orig_mod."),
    "DDP": under("module."),
    "DDP of compile": under("module._orig_mod."),
    "compile of DDP": under("_orig_mod.module."),
    "Lightning": {"epoch": 1, "global_step": 7, "state_dict": under("model.")},
    "Lightning of compile": {"state_dict": under("model._orig_mod.")},
    "net. and a loss": {"state_dict": {**under("net."), "loss.weight": torch.ones(2)}},
    "a criterion beside": {**STATE, "criterion.weight": torch.ones(2)},
    "metrics beside": {"state_dict": {**under("model."), "val_acc.total": torch.ones(())}},
    "nnU-Net": {"network_weights": STATE, "init_args": {}},
    "model": {"model": STATE, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}},
    "model_state": {"model_state": under("module.")},
    "of two depths": {"checkpoint": {"model": under("module.net.")}},
    "an EMA beside": {"model": STATE, "model_ema": OTHER},
    "an EMA of Lightning": {"state_dict": {**under("model."), **under("ema_model.module.", OTHER)}},
    "an EMA alone": {"ema": under("module.")},
    "AveragedModel": {**under("module."), "n_averaged": torch.tensor(3)},
    "student and teacher": {"teacher": under("backbone.", OTHER), "student": under("backbone.")},
    "FSDP inside": {name.replace("a.", "a._fsdp_wrapped_module."): v for name, v in STATE.items()},
    "DDP inside": {name.replace("a.", "a.module."): value for name, value in STATE.items()},
    "the same twice": {**under("model.net."), **under("net.")},
    "settings beside": {"state_dict": STATE, "hyper_parameters": argparse.Namespace(lr=0.1)},
    "NumPy beside": {"state_dict": STATE, "best": np.float64(0.5), "curve": np.ones(3)},
    "before num_batches_tracked": OrderedDict(
        (name, value) for name, value in STATE.items() if "num_batches" not in name
    ),
}


@pytest.mark.parametrize("checkpoint", CHECKPOINTS.values(), ids=CHECKPOINTS.keys())
def test_weights_are_found_wherever_a_trainer_puts_them(checkpoint, tmp_path):
    assert loads(checkpoint, tmp_path / "w.pt")


@pytest.mark.parametrize("wrap", [Trainer, lambda: torch.compile(Net(), backend="eager")])
def test_a_wrapped_model_takes_the_weights_of_the_net_alone(wrap, tmp_path):
    model = wrap()
    if isinstance(model, Trainer):
        del model.loss
    assert loads(STATE, tmp_path / "w.pt", model)


def test_weights_of_another_parametrization_are_left_to_torch(tmp_path):
    """Names of the old weight_norm are translated by a hook of the new one."""
    old, new = nn.utils.weight_norm, nn.utils.parametrizations.weight_norm
    with pytest.warns(FutureWarning):
        saved = nn.Sequential(old(nn.Linear(3, 2)))
    torch.save(saved.state_dict(), tmp_path / "w.pt")
    model = nn.Sequential(new(nn.Linear(3, 2)))
    load_weights(model, tmp_path / "w.pt")
    x = torch.randn(2, 3)
    torch.testing.assert_close(model(x), saved(x))


def test_weights_go_into_a_lazy_model(tmp_path):
    model = nn.Sequential(nn.LazyLinear(6))
    torch.save(
        {"module.0.weight": torch.ones(6, 5), "module.0.bias": torch.ones(6)}, p := tmp_path / "w"
    )
    load_weights(model, p)
    assert torch.equal(model[0].weight, torch.ones(6, 5))


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("an EMA beside", "the weights are those of model, not of model_ema"),
        ("an EMA alone", "the weights are those of ema.module, a copy by its name"),
        ("net. and a loss", r"1 key of something else left out \(such as loss.weight\)"),
        ("DDP", None),
    ],
)
def test_a_note_tells_what_was_chosen(name, note, tmp_path, capsys):
    loads(CHECKPOINTS[name], tmp_path / "w.pt")
    said = capsys.readouterr().err
    assert said == "" if note is None else re.search(note, said)


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ({"state_dict": under("model.", Net(3).state_dict())}, r"h.weight: \(3, 6\), the model"),
        ({"a.weight": STATE["a.weight"]}, r"8 keys are missing \(such as a.bias, h.bias, h.weight"),
        ({**STATE, "deep.weight": torch.ones(1)}, r"1 are unexpected \(such as deep.weight\)"),
        ({**under("model."), "model.deep.w": torch.ones(1)}, r"under model \(such as deep.w\)"),
        ({"A": STATE, "B": OTHER}, "several sets of weights that fit: A and B"),
        ({**under("first."), **under("second.", OTHER)}, "fit: first and second"),
        ({"optimizer": {"lr": 0.1}}, r"no tensors by name \(optimizer\)"),
        ({}, r"no tensors by name \(nothing\)"),
        ([STATE], "holds a list, expected a state_dict"),
    ],
)
def test_what_does_not_fit_is_told_with_its_first_keys(checkpoint, message, tmp_path):
    with pytest.raises(ArgumentError, match=message):
        loads(checkpoint, tmp_path / "w.pt")


@pytest.mark.thorough
def test_shards_are_put_together_by_their_index(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    parts = [{k: v for k, v in STATE.items() if k.startswith("a") == first} for first in (1, 0)]
    names = ["model-1-of-2.safetensors", "model-2-of-2.safetensors"]
    for name, part in zip(names, parts, strict=True):
        safetensors.save_file(part, tmp_path / name)
    where = {key: name for name, part in zip(names, parts, strict=True) for key in part}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    for path in (index, tmp_path):
        model = Net()
        load_weights(model, path)
        assert torch.equal(model.h.weight, SAVED.h.weight)
    (tmp_path / names[1]).unlink()
    with pytest.raises(ArgumentError, match=r"names 2 files, of which 1 are not there"):
        load_weights(Net(), index)
    index.write_text("{}")
    with pytest.raises(ArgumentError, match="cannot be read as the index"):
        load_weights(Net(), index)


@pytest.mark.thorough
def test_safetensors_is_known_by_its_content(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file(under("model."), tmp_path / "w.bin")
    model = Net()
    load_weights(model, tmp_path / "w.bin")
    assert torch.equal(model.h.weight, SAVED.h.weight)
    assert loads(STATE, tmp_path / "w.safetensors")  # of torch, by a wrong name


class Rogue:
    def __reduce__(self):
        return print, ("this must never be printed",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"", "damaged, or holds pickled code"),
        (None, "holds pickled code .*print"),
    ],
)
def test_other_files_are_named(content, message, tmp_path, capsys):
    path = tmp_path / "w.pt"
    if content is None:
        torch.save({"a": Rogue()}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(ArgumentError, match=message):
        load_weights(Net(), path)
    assert "must never" not in capsys.readouterr().out


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="is a folder without model"):
        load_weights(Net(), tmp_path)


def test_a_pruned_net_saved_by_ddp_is_loaded_into_its_program(tmp_path):
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.h = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(12, 2)

        def forward(self, x):
            a = self.a(x).relu()
            return self.h(torch.cat([a, self.b(a).relu()], 1))

    x = torch.randn(4, 5)
    slim = infoflow.prune(Skip().eval(), ["a->h"], x).eval()
    torch.export.save(torch.export.export(slim, (x,)), tmp_path / "slim.pt2")
    with torch.no_grad():
        slim.h.weight.add_(1.0)
    torch.save(under("module.", slim.state_dict()), tmp_path / "w.pt")
    loaded = load_model(str(tmp_path / "slim.pt2"), tmp_path / "w.pt")
    torch.testing.assert_close(loaded(x), slim(x))
