"""The command as a stranger types it: output, files, exit codes."""

import importlib
import json
import pickle
import runpy
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import infoflow
from infoflow.cli.app import as_command
from infoflow.cli.pruning import print_advice
from infoflow.pruning.ablation.stages import Session
from infoflow.testing import UNet, blob_images

SHAPE = ("--input-shape", "3,16,16")


def test_graph_as_table_and_json(infoflow_command, model_file):
    code, out, _ = infoflow_command("graph", f"{model_file}:make", "--input-shape", "3,32,32")
    assert code == 0
    assert out.startswith("UNet: 23 layers, 4 merges, 4 skips")
    code, out, _ = infoflow_command(
        "graph", f"{model_file}:make", "--input-shape", "3x32x32", "--json"
    )
    assert len(json.loads(out)["layers"]) == 23
    code, out, _ = infoflow_command("graph", f"{model_file}:make", "--data", f"{model_file}:data")
    assert code == 0


def test_graph_of_torchvision_knows_its_input(infoflow_command):
    code, out, _ = infoflow_command("graph", "torchvision:squeezenet1_1")
    assert code == 0
    assert out.startswith("SqueezeNet: 26 layers, 8 merges")


def test_analyze_then_prune_suggest_on_the_saved_result(infoflow_command, model_file, tmp_path):
    out_file = tmp_path / "r" / "result.nc"
    code, out, err = infoflow_command(
        *("analyze", f"{model_file}:make", "--data", f"{model_file}:data", "--target", "kmeans:3"),
        *("--out", out_file, "--noise", 100),
    )
    assert (code, err) == (0, "")
    assert "UNet, 12 samples" in out
    code, out, _ = infoflow_command("prune-suggest", out_file)
    assert code == 0
    assert "1→20" in out
    code, out, _ = infoflow_command("prune-suggest", out_file, "--json")
    advice = json.loads(out)
    assert [row["skip"] for row in advice["streams"]] == ["7→11", "5→14", "3→17", "1→20"]


def test_analyze_saves_figures(infoflow_command, model_file, tmp_path):
    code, _, err = infoflow_command(
        *("analyze", f"{model_file}:make", "--data", f"{model_file}:data", "--target", "kmeans:3"),
        *("--layers", "output", "--noise", 100, "--save-plots", tmp_path / "figures"),
    )
    assert (code, err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "information_planes.png",
        "layer_graph.png",
        "uplot_ixm.png",
        "uplot_iym.png",
    ]


def test_prune_suggest_measures_a_model(infoflow_command, model_file):
    code, out, _ = infoflow_command(
        *("prune-suggest", f"{model_file}:make", "--data", f"{model_file}:data"),
        *("--target", "kmeans:3", "--noise", 100, "--reading", "paper"),
    )
    assert code == 0
    assert "Lee and Bajić" in out
    code, _, err = infoflow_command(
        "prune-suggest", f"{model_file}:make", "--data", f"{model_file}:data"
    )
    assert code == 2
    assert "held_out must leave at least 64 samples to judge with, got" in err


def test_prune_suggest_keeps_what_it_measured(infoflow_command, model_file, tmp_path):
    data = ("--data", f"{model_file}:data", "--target", "kmeans:3")
    code, out, _ = infoflow_command(
        *("prune-suggest", f"{model_file}:make", *data, "--reading", "paper"),
        *("--out", tmp_path / "flow.nc"),
    )
    assert code == 0
    again = infoflow_command("prune-suggest", tmp_path / "flow.nc", "--reading", "paper")
    assert again == (0, out, "")


def test_what_is_a_layer_is_chosen_for_every_command(infoflow_command, model_file):
    model = f"{model_file}:make"
    data = ("--data", f"{model_file}:data", "--target", "none")
    _, out, _ = infoflow_command("analyze", model, *data, "--leaves", "*", "--json")
    assert len(json.loads(out)["layers"]) < 23
    whole = json.loads(out)["layers"]
    _, out, _ = infoflow_command(
        "plan", model, "--samples", 8, *SHAPE, "--leaves", "*", "--layers", "all"
    )
    assert f"{len(whole)} layers" in out
    _, _, err = infoflow_command("analyze", model, *data, "--reduce", "most")
    assert "reduce" in err
    assert "'most'" in err


def test_the_version(infoflow_command):
    assert infoflow_command("--version") == (0, f"infoflow {infoflow.__version__}\n", "")


def test_prune_suggest_of_a_chain_says_that_there_is_nothing_to_prune(infoflow_command, tmp_path):
    (tmp_path / "random.py").write_text(
        "import torch\n"
        "def make():\n    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh())\n"
        "def data():\n    x = torch.randn(200, 3)\n    return [(x, (x[:, 0] > 0).long())]\n"
    )
    spec = tmp_path / "random.py"
    code, _, err = infoflow_command("prune-suggest", f"{spec}:make", "--data", f"{spec}:data")
    assert code == 2
    assert "has no merges, so there is no stream to leave out" in err
    assert importlib.import_module("random").random() < 1


def test_prune_writes_weights_and_a_program_that_runs(infoflow_command, model_file, tmp_path):
    spec, out = f"{model_file}:make", tmp_path / "new" / "slim.pt2"
    weights = tmp_path / "weights.pt"
    torch.save(UNet(base_channels=2).state_dict(), weights)
    arguments = ("prune", spec, "--weights", weights, *SHAPE, "--streams", "1-20", "--out", out)
    code, text, err = infoflow_command(*arguments)
    assert (code, err) == (0, "")
    assert "encoder.0.2->decoder.3.0: cut" in text
    whole = UNet(base_channels=2)
    whole.load_state_dict(torch.load(weights, weights_only=True))
    batch = torch.rand(5, 3, 16, 16)
    slim = infoflow.prune(whole, "1->20", batch)
    torch.testing.assert_close(torch.export.load(out).module()(batch), slim(batch))
    slim.load_state_dict(torch.load(tmp_path / "new" / "slim.pt", weights_only=True))

    code, _, err = infoflow_command(*arguments)
    assert code == 2
    assert "slim.pt exist already. Choose another --out, or pass --overwrite" in err
    code, text, _ = infoflow_command(*arguments, "--overwrite", "--json")
    assert code == 0
    assert json.loads(text)["streams"][0]["how"] == "cut"


def test_the_package_runs_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["infoflow", "--help"])
    with pytest.raises(SystemExit) as raised:
        runpy.run_module("infoflow", run_name="__main__")
    assert raised.value.code == 0
    assert "prune-suggest" in capsys.readouterr().out


def test_prune_refuses_weights_that_do_not_fit(infoflow_command, model_file, tmp_path):
    weights = tmp_path / "wide.pt"
    torch.save(UNet(base_channels=4).state_dict(), weights)
    code, _, err = infoflow_command(
        *("prune", f"{model_file}:make", "--weights", weights, *SHAPE),
        *("--streams", "1-20", "--out", tmp_path / "slim.pt2"),
    )
    assert code == 2
    assert "does not fit UNet" in err
    assert not (tmp_path / "slim.pt2").exists()


def test_fail_if_prunable_exits_with_3_where_a_stream_could_go(infoflow_command, tmp_path):
    """The layers before 7→11 have 2.9 or 0.5 bits of the 3 that any layer has."""
    images, masks = blob_images(12, size=16)
    net = UNet(2, skips=["7->11"])
    result = infoflow.analyze(net, [(images, masks)], target=infoflow.KMeans(3), noise=1e6)
    result.dataset["iym"][0] = 0.1
    result.dataset["iym_ceiling"][0] = 6.0
    command = ("prune-suggest", tmp_path / "result.nc", "--reading", "paper", "--json")
    for main, code in ((2.9, 3), (0.5, 0)):
        result.dataset["iym"][0, 0], result.dataset["iym"][0, 10] = 3.0, main
        result.save(tmp_path / "result.nc")
        got, out, _ = infoflow_command(*command, "--fail-if-prunable")
        assert got == code
        assert bool(json.loads(out)["prunable"]) == (code == 3)
        assert infoflow_command(*command)[0] == 0


def test_prune_suggest_with_probes_and_plots(infoflow_command, model_file, monkeypatch):
    few = partial(infoflow.usable_streams, family="linear", folds=2, pixels=4)
    monkeypatch.setattr("infoflow.cli.subject.usable_streams", few)
    drawn = []
    monkeypatch.setattr("infoflow.cli.ablating.save_figures", lambda *given: drawn.append(given))
    code, out, _ = infoflow_command(
        *("prune-suggest", f"{model_file}:make", "--data", f"{model_file}:data"),
        *("--target", "kmeans:3", "--noise", 100, "--usable", "--reading", "paper"),
        *("--save-plots", "figures"),
    )
    assert code == 0
    assert out.startswith("By the paper's reading, of a redesign:")
    assert "small probe" in out
    ((result, folder),) = drawn
    assert (len(result.layers), folder) == (23, Path("figures"))


def test_ablate_prints_a_conclusion_and_saves_what_prune_suggest_reads(
    infoflow_command, model_file, tmp_path
):
    path = tmp_path / "ablation.nc"
    code, out, _ = infoflow_command(
        *("ablate", f"{model_file}:make", "--data", "demo", "--input-shape", "3,16,16"),
        *("--mend", "none", "--metric", "dice", "--tolerance", 10, "--out", path),
        *("--metric-tolerance", 0.3, "--largest-rise", 50),
    )
    assert code == 0
    assert [one.name for one in tmp_path.glob("ablation*")] == ["ablation.nc"]  # no journal left
    ablation = infoflow.load(path)
    assert float(ablation.dataset["metric_tolerance"]) == 0.3
    assert float(ablation.dataset["largest_rise"]) == 50
    assert out.split()[:3] == ablation.conclusion.split()[:3]
    assert max(map(len, out.splitlines())) <= 80
    code, again, _ = infoflow_command("prune-suggest", path)
    assert (code, again) == (0, out)
    code, out, _ = infoflow_command("prune-suggest", path, "--tolerance", 20, "--json")
    about = json.loads(out)
    assert (code, about["tolerance"], about["basis"]) == (0, 20, "ablation")
    assert [row["skip"] for row in about["streams"]] == [str(row.skip) for row in ablation.rows]


def test_an_ablation_that_was_stopped_goes_on_beside_its_result(
    infoflow_command, model_file, tmp_path, monkeypatch
):
    path = tmp_path / "ablation.nc"
    given = (
        *("ablate", f"{model_file}:make", "--data", "demo", "--input-shape", "3,16,16"),
        *("--mend", "none", "--no-frontier", "--out", path),
    )

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Session, "examine_each", stop)
        assert infoflow_command(*given)[0] == 130
    assert (tmp_path / "ablation.journal").exists()
    assert infoflow_command(*given)[0] == 0
    assert [one.name for one in tmp_path.glob("ablation*")] == ["ablation.nc"]


def test_an_archive_without_targets_is_told_of_them(infoflow_command, model_file, tmp_path):
    np.savez(tmp_path / "noy.npz", x=np.zeros((80, 3, 16, 16), np.float32))
    code, _, err = infoflow_command(
        "ablate", f"{model_file}:make", "--data", tmp_path / "noy.npz", "--input-shape", "3,16,16"
    )
    assert (code, "noy.npz has no array y" in err) == (2, True)


def test_a_terminal_gets_a_table_with_colours(model_file, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    images, masks = blob_images(12, size=16)
    result = infoflow.analyze(
        UNet(base_channels=2), [(images, masks)], target=infoflow.KMeans(3), noise=100
    )
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_advice(infoflow.suggest_pruning(result), as_json=False)
    out = capsys.readouterr().out
    assert "\x1b[" in out
    assert "7→11" in out


def test_failed_commands_leave_no_folder(infoflow_command, tmp_path):
    assert infoflow_command("analyze", "nope", "--data", "demo", "--out", tmp_path / "a" / "r.nc")[
        0
    ]
    assert infoflow_command("analyze", "nope", "--data", "demo", "--out", tmp_path)[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_analyze_as_json_is_repeatable(infoflow_command, model_file):
    arguments = ("analyze", f"{model_file}:make", "--data", f"{model_file}:data", "--json")
    options = ("--target", "kmeans:3", "--noise", "100", "--seed", "3")
    first, second = (infoflow_command(*arguments, *options) for _ in range(2))
    assert json.loads(first[1])["samples"] == 12
    assert first[1] == second[1]


def test_data_from_npz_and_image_folder(infoflow_command, model_file, tmp_path):
    images, masks = infoflow.testing.blob_images(8, size=16)
    np.savez(tmp_path / "data.npz", x=images.numpy(), y=masks.numpy())
    code, out, _ = infoflow_command(
        *("analyze", f"{model_file}:make", "--data", tmp_path / "data.npz"),
        *("--target", "none", "--noise", 100),
    )
    assert code == 0
    from torchvision.utils import save_image

    for number, image in enumerate(images):
        folder = tmp_path / "images" / ("few" if number % 2 else "many")
        folder.mkdir(parents=True, exist_ok=True)
        save_image(image, folder / f"{number}.png")
    code, out, _ = infoflow_command(
        *("analyze", f"{model_file}:make", "--data", tmp_path / "images"),
        *("--input-shape", "3,32,32", "--noise", 100),
    )
    assert code == 0
    assert "classes of the target" in out


def test_weights_are_loaded(infoflow_command, model_file, tmp_path):
    model = infoflow.testing.UNet(2)
    torch.nn.init.zeros_(model.encoder[0][0].weight)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "weights.pt")
    code, out, _ = infoflow_command(
        *("analyze", f"{model_file}:make", "--data", f"{model_file}:data", "--json"),
        *("--weights", tmp_path / "weights.pt", "--target", "none", "--noise", 100),
    )
    assert code == 0
    assert json.loads(out)["layers"][0]["ixm"] == 0.0


class Rogue:
    def __reduce__(self):
        return print, ("this must never be printed",)


def test_checkpoints_that_do_not_fit_or_hold_code(infoflow_command, model_file, tmp_path, capsys):
    torch.save(infoflow.testing.UNet(4).state_dict(), tmp_path / "wide.pt")
    (tmp_path / "rogue.pt").write_bytes(pickle.dumps({"a": Rogue()}))
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    for name, message in (
        ("wide.pt", "0 keys are missing, 0 are unexpected, 45 have another shape"),
        ("rogue.pt", "holds pickled code, which is never run"),
        ("tensor.pt", "holds a Tensor, expected a state_dict"),
        ("nothing.pt", "There is no checkpoint"),
    ):
        code, out, err = infoflow_command(
            *("analyze", f"{model_file}:make", "--data", f"{model_file}:data"),
            *("--weights", tmp_path / name),
        )
        assert code == 2
        assert message in err
        assert "must never" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["graph", "nonsense"], "MODEL must be package.module:factory"),
        (["graph", "torchvision:resnet19"], "The nearest names are"),
        (["graph", "no.such.module:make"], "Cannot import 'no.such.module'"),
        (["graph", "missing.py:make"], "There is no file missing.py"),
        (["graph", "{net}:mak"], "The nearest names are make"),
        (["graph", "{net}:wrong"], "type int, expected a torch.nn.Module"),
        (["graph", "{net}:fails"], "failed with RuntimeError: no such file"),
        (["graph", "{net}:make"], "Pass --input-shape, such as 3,128,128"),
        (["graph", "{net}:make", "--input-shape", "3,a"], "--input-shape must be whole numbers"),
        (["graph", "{net}:make", "--input-shape", "1,32,32"], "does not run on the example"),
        (["analyze", "{net}:make"], "needs samples, got no --data"),
        (["analyze", "{net}:make", "--data", "nowhere"], "which is none of them"),
        (["analyze", "{net}:make", "--data", "x.npz"], "There is no file x.npz"),
        (["analyze", "{net}:make", "--data", "{net}:wrong"], "type int, expected an iterable"),
        (["analyze", "{net}:make", "--data", "demo", "--target", "kmeans:1"], "number from 2 on"),
        (["analyze", "{net}:make", "--data", "demo", "--layers", "x"], "No layer of UNet"),
        (["analyze", "{net}:make", "--data", "demo", "--device", "gpu"], "cannot be used here"),
        (["prune-suggest", "missing.nc"], "There is no file missing.nc"),
        (["prune", "{net}:make", "--out", "slim.pt"], "--out must end in .pt2"),
        (["prune", "{net}:make", "--out", "slim.pt2"], "Pass either --streams"),
        (
            [*("prune", "{net}:make", "--out", "s.pt2", "--streams", "1->21"), *SHAPE],
            "No merge of UNet has a stream '1->21'. The nearest are",
        ),
        (["prune-suggest", "a.nc", "--data", "demo"], "what says how to measure are for a MODEL"),
        (["prune-suggest", "a.nc", "--reading", "mine"], "--reading must be ablation or paper"),
        (["ablate", "{net}:make"], "needs held-out samples with targets, got no --data"),
        (["ablate", "{net}:make", "--data", "demo", "--mend", "x"], "--mend must be one of auto"),
        (
            ["prune", "{net}:make", "--streams", "1->20", "--mend", "auto", "--out", "{net}.pt2"],
            "Mending needs both",
        ),
        (["demo", "--out", "{net}/figures"], "Cannot make the output folder"),
        (["analyze", "{net}:make", "--data", "demo", "--save-plots", "{net}"], "Cannot make"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(
    infoflow_command, model_file, arguments, message
):
    code, out, err = infoflow_command(*(a.replace("{net}", str(model_file)) for a in arguments))
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_unknown_option_is_exit_code_2(infoflow_command):
    assert infoflow_command("graph", "--nope")[0] == 2


def test_anything_else_keeps_its_traceback(infoflow_command, model_file, monkeypatch):
    """Python then ends with exit code 1."""
    monkeypatch.setattr(infoflow.LayerGraph, "__str__", lambda graph: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        infoflow_command("graph", f"{model_file}:make", "--input-shape", "3,32,32")


@pytest.mark.thorough
def test_demo_with_few_epochs(infoflow_command, tmp_path, monkeypatch):
    """With few samples and no figures; ``.ci/run`` runs the whole demo."""
    for name, value in {
        "_TRAIN": 12,
        "_HELD_OUT": 100,
        "_SIZE": 16,
        "save_figures": lambda *given: [],
    }.items():
        monkeypatch.setattr(f"infoflow.cli.demo.{name}", value)
    code, out, _ = infoflow_command("demo", "--out", tmp_path / "demo", "--epochs", 1, "--json")
    assert code == 0
    both = json.loads(out)
    assert len(both["result"]["layers"]) == 23
    assert len(both["advice"]["streams"]) == 4
    assert infoflow.load(tmp_path / "demo" / "result.nc").epochs == [0, 1]


def test_prune_never_replaces_the_checkpoint_that_it_reads(infoflow_command, model_file, tmp_path):
    weights = tmp_path / "net.pt"
    torch.save(UNet(base_channels=2).state_dict(), weights)
    before = weights.read_bytes()
    given = ["--weights", weights, "--streams", "1->20", "--input-shape", "3,32,32"]
    code, _, err = infoflow_command(
        "prune", f"{model_file}:make", *given, "--out", tmp_path / "net.pt2", "--overwrite"
    )
    assert code == 2
    assert "the checkpoint that is read" in err
    assert weights.read_bytes() == before
    assert not list(tmp_path.glob(".infoflow*"))


def test_results_go_into_nc_files(infoflow_command, model_file, tmp_path):
    weights = tmp_path / "w.pt"
    torch.save(UNet(base_channels=2).state_dict(), weights)
    code, _, err = infoflow_command(
        "analyze", f"{model_file}:make", "--data", "demo", "--out", weights
    )
    assert code == 2
    assert "--out must end in .nc" in err
    torch.load(weights, weights_only=True)


def test_a_saved_result_is_not_measured_again(infoflow_command, tmp_path):
    code, _, err = infoflow_command("prune-suggest", tmp_path / "flow.nc", "--noise", "relative")
    assert code == 2
    assert "is read as it is" in err


@pytest.mark.parametrize("wrap", ["model_state_dict", "module."])
def test_checkpoints_as_tutorials_and_ddp_write_them(infoflow_command, model_file, tmp_path, wrap):
    state = UNet(base_channels=2).state_dict()
    if wrap == "module.":
        state = {f"module.{name}": value for name, value in state.items()}
    else:
        state = {"epoch": 3, wrap: state}
    torch.save(state, tmp_path / "w.pt")
    code, out, err = infoflow_command(
        "graph", f"{model_file}:make", "--weights", tmp_path / "w.pt", "--input-shape", "3,32,32"
    )
    assert (code, err) == (0, "")
    assert "23 layers" in out


def test_the_page_shows_what_plan_prints(infoflow_command):
    page = (Path(__file__).parents[2] / "docs" / "cli.rst").read_text(encoding="utf-8")
    block = page[page.index("   $ infoflow plan ") :].split("\n\n")[0]
    command, *shown = (line.removeprefix("   ") for line in block.splitlines())
    code, out, _ = infoflow_command(*command.split()[2:])
    assert code == 0
    assert out.splitlines() == shown


def test_layers_by_number_and_a_seed_out_of_range(infoflow_command, model_file):
    model, data = f"{model_file}:make", ("--data", f"{model_file}:data", "--target", "none")
    _, out, _ = infoflow_command("analyze", model, *data, "--layers", "0,encoder.1.*", "--json")
    assert [row["index"] for row in json.loads(out)["layers"]] == [0, 2, 3]
    code, _, err = infoflow_command("analyze", model, *data, "--seed", -1)
    assert code == 2
    assert "Invalid value for '--seed'" in err


def test_prune_numbers_layers_as_graph_does(infoflow_command, model_file, tmp_path):
    options = (f"{model_file}:make", *SHAPE, "--leaves", "encoder.0")
    _, out, _ = infoflow_command("graph", *options, "--json")
    skip = json.loads(out)["merges"][-1]["skips"][0]
    stream = f"{skip['source_index']}-{skip['merge_index']}"
    code, out, _ = infoflow_command(
        "prune", *options, "--streams", stream, "--out", tmp_path / "slim.pt2"
    )
    assert code == 0
    assert f"{skip['source']}->" in out


def test_a_file_is_found_by_the_processes_of_a_loader(tmp_path):
    """By its own name, where nothing else has it."""
    from infoflow.cli.imports import _import_file

    path = tmp_path / "loader_of_a_test.py"
    path.write_text("class Data:\n    pass\n")
    module = _import_file(path)
    assert importlib.import_module("loader_of_a_test") is module
    other = tmp_path / "json.py"
    other.write_text("mine = True\n")
    assert _import_file(other).mine
    assert not hasattr(importlib.import_module("json"), "mine")


def test_sentences_about_calls_name_the_command_that_does_the_same():
    text = "No stream. print(infoflow.trace(model, example)) shows all of them."
    assert as_command(text) == "No stream. infoflow graph MODEL shows all of them."
