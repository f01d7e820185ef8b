"""What the command writes: never over a file that is there, never after lost work."""

import errno
import os
import sys
import textwrap

import pytest
import torch
from torch import nn

import infoflow
from infoflow.cli.app import main
from infoflow.cli.figures import check_folder, check_new, save_result
from infoflow.cli.imports import find_attribute
from infoflow.cli.libraries import LIBRARIES, _build
from infoflow.cli.spec import parse_spec
from infoflow.interface import ArgumentError, ResultFileError
from infoflow.testing import UNet
from tests import tiers

SHAPE = ("--input-shape", "3,16,16")


def refuses(run, *arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, ""), err
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    "command",
    [
        ("analyze", "{model}:make", "--data", "{model}:data", "--out", "{there}.nc"),
        ("ablate", "{model}:make", "--data", "{model}:data", "--out", "{there}.nc"),
        ("prune-suggest", "{model}:make", "--data", "{model}:data", "--out", "{there}.nc"),
        ("prune", "{model}:make", *SHAPE, "--streams", "1-20", "--out", "{there}.pt2"),
        ("analyze", "{model}:make", "--data", "{model}:data", "--save-plots", "{folder}"),
        ("demo", "--out", "{folder}"),
    ],
)
def test_what_is_there_is_never_replaced_unasked(command, infoflow_command, model_file, tmp_path):
    there = tmp_path / "precious"
    files = [there.with_suffix(".nc"), there.with_suffix(".pt"), tmp_path / "layer_graph.png"]
    for file in files:
        file.write_text("precious")
    names = {"model": model_file, "there": there, "folder": tmp_path}
    err = refuses(infoflow_command, *(part.format(**names) for part in command))
    assert "already. Choose another" in err
    assert "--overwrite" in err
    assert {file.read_text() for file in files} == {"precious"}


def test_a_result_is_replaced_where_the_user_says_so(infoflow_command, model_file, tmp_path):
    out = tmp_path / "flow.nc"
    out.write_text("of another run")
    given = ("analyze", f"{model_file}:make", "--data", f"{model_file}:data", "--target", "none")
    code, _, err = infoflow_command(*given, "--noise", 100, "--out", out, "--overwrite")
    assert code == 0, err
    assert infoflow.load(out).layers


@pytest.mark.parametrize("place", ["/proc/none/a.nc", "{file}/a.nc", "{folder}"])
def test_places_that_cannot_be_written_are_told_before_the_work(place, infoflow_command, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    place = place.format(file=file, folder=tmp_path)
    for command in ("analyze", "ablate", "prune-suggest"):
        # a model that does not exist would be told, were it looked for first
        err = refuses(infoflow_command, command, "no.such:model", "--data", "demo", "--out", place)
        assert place in err
        assert "no.such" not in err
    with pytest.raises(ArgumentError, match="cannot be written to"):
        check_new([file / "a.png"], overwrite=True)


def test_a_folder_for_figures_must_be_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="is below, a file"):
        check_folder(tmp_path / "file")


def test_numbers_are_printed_where_they_cannot_be_saved_after_all(tmp_path, monkeypatch, capsys):
    chain = nn.Sequential(nn.Linear(2, 3))
    result = infoflow.analyze(chain, [torch.randn(9, 2)], noise=1.0, progress=False)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResultFileError, match="No space left on device"):
        save_result(result, tmp_path / "flow.nc", as_json=False)
    assert str(result) in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_pruned_net_that_cannot_be_exported_leaves_its_weights(
    infoflow_command, model_file, tmp_path, monkeypatch
):
    def fails(*_, **__):
        raise RuntimeError("unsupported")

    monkeypatch.setattr(torch.export, "export", fails)
    code, _, err = infoflow_command(
        *("prune", f"{model_file}:make", "--input-shape", "3,32,32"),
        *("--streams", "1-20", "--out", tmp_path / "slim.pt2"),
    )
    assert code == 2
    assert "Its weights are in" in err
    weights = torch.load(tmp_path / "slim.pt", weights_only=True)
    slim = infoflow.prune(UNet(base_channels=2).eval(), "1->20", torch.zeros(1, 3, 32, 32))
    slim.load_state_dict(weights)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "CUDA out of memory. Memory is full"),
        (MemoryError("9 GB"), "9 GB Memory is full"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "Memory is full"),
    ],
)
def test_a_full_memory_is_told_as_such(error, said, infoflow_command, monkeypatch):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("infoflow.cli.models._find", fails)
    code, _, err = infoflow_command("graph", "some.where:net", *SHAPE)
    assert code == 1
    assert said in err
    assert "Traceback" not in err


# --------------------------------------------------------------------------- misspelt settings


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        tiers.thorough("transformers:BertModel(layers=2)", "num_hidden_layers"),
        tiers.thorough("transformers:BertConfig(hiden_size=32)", "hidden_size"),
        tiers.thorough("transformers:ViTModel(image_sizes=32)", "image_size"),
        tiers.thorough("transformers:GPT2Model(n_layers=2)", "n_layer"),
        tiers.thorough("transformers:CLIPModel(text_config={'hidden_sise': 32})", "hidden_size"),
        tiers.thorough("timm:hrnet_w18_small(drop_rat=0.1)", "drop_rat"),
        tiers.thorough("timm:resnet18(in_chan=1)", "in_chan"),
        ("torchvision:resnet18(num_clases=3)", "num_clases"),
        tiers.thorough("smp:Unet(encoder_nam='resnet18')", "encoder_nam"),
    ],
)
def test_misspelt_settings_of_other_libraries_are_errors(text, nearest):
    spec = parse_spec(text)
    pytest.importorskip({"smp": "segmentation_models_pytorch"}.get(spec.place, spec.place))
    with pytest.raises(ArgumentError, match=nearest):
        LIBRARIES[spec.place](spec)


def test_a_library_that_takes_anything_is_asked_what_it_knows():
    class Greedy(nn.Linear):
        def __init__(self, size=2, **others):
            super().__init__(size, size)

    spec = parse_spec("timm:greedy(sise=3)")
    with pytest.raises(ArgumentError, match="has no setting 'sise'"):
        _build(Greedy, spec, {})
    assert _build(Greedy, parse_spec("timm:greedy(size=3)"), {}).in_features == 3


SMALL = "hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "text",
    [
        f"transformers:BertModel({SMALL}, num_labels=3, attn_implementation='eager')",
        f"transformers:ViTConfig({SMALL}, image_size=32, patch_size=16)",
        f"transformers:LlamaConfig({SMALL}, vocab_size=20, rope_theta=5e5)",
        "transformers:GPT2Model(n_layer=1, n_embd=8, n_head=2, vocab_size=20)",
        "transformers:GPT2Model(num_hidden_layers=1, hidden_size=8, n_head=2, vocab_size=20)",
        "timm:resnet18(in_chans=1, num_classes=3)",
        "torchvision:resnet18(num_classes=3)",
    ],
)
def test_settings_that_exist_are_taken_under_all_their_names(text):
    spec = parse_spec(text)
    pytest.importorskip(spec.place)
    assert isinstance(LIBRARIES[spec.place](spec), nn.Module)


# --------------------------------------------------------------------------- imports


@pytest.mark.parametrize(
    "adds", ["sys.path.insert(0, 'added')", "sys.path[:0] = ['added', 'more']"]
)
def test_what_imported_code_adds_to_the_path_stays(adds, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    (tmp_path / "adding_to_path.py").write_text(f"import sys\n{adds}\nnet = 1\n")
    assert find_attribute(parse_spec(f"{tmp_path}/adding_to_path.py:net")) == 1
    sys.modules.pop("adding_to_path")
    assert "added" in sys.path
    assert [place for place in sys.path if place in before] == before
    assert sys.path.count(str(tmp_path)) <= 1


def test_a_module_may_take_the_path_away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    text = "import sys\nsys.path.pop(0)\nnet = 2\n"
    (tmp_path / "taking_from_path.py").write_text(text)
    assert find_attribute(parse_spec("taking_from_path:net")) == 2
    sys.modules.pop("taking_from_path")
    assert sys.path == before


def test_a_file_that_fails_is_not_left_half_imported(tmp_path):
    (tmp_path / "half_a_module.py").write_text("net = 1\nraise ValueError('no')\n")
    with pytest.raises(ArgumentError, match="cannot be imported: ValueError: no"):
        find_attribute(parse_spec(f"{tmp_path}/half_a_module.py:net"))
    assert "half_a_module" not in sys.modules


def test_a_file_called_main_is_imported(tmp_path):
    (tmp_path / "__main__.py").write_text(textwrap.dedent("net = 3\n"))
    assert find_attribute(parse_spec(f"{tmp_path}/__main__.py:net")) == 3
    assert callable(main)
