"""What MODEL may be: files, modules, libraries, exported programs and their checkpoints."""

import sys
import zipfile

import pytest
import torch
from torch import nn

import infoflow
from infoflow.cli.checkpoints import load_weights
from infoflow.cli.models import load_model
from infoflow.cli.spec import parse_spec
from infoflow.interface import ArgumentError
from infoflow.testing import UNet


@pytest.mark.parametrize(
    ("text", "place", "name", "args", "kwargs"),
    [
        ("timm:resnet18.a1_in1k", "timm", "resnet18.a1_in1k", (), {}),
        ("a.b:C(1, x=[2, (3,)], y='a:b(c)')", "a.b", "C", (1,), {"x": [2, (3,)], "y": "a:b(c)"}),
        ("a (copy)/b:c.py:make", "a (copy)/b:c.py", "make", (), {}),
        ("C:\\net.py:make()", "C:\\net.py", "make", (), {}),
        ("a:b({'k': -1.5, None: True})", "a", "b", ({"k": -1.5, None: True},), {}),
    ],
)
def test_a_spec_is_a_place_a_name_and_arguments(text, place, name, args, kwargs):
    spec = parse_spec(text)
    assert (spec.place, spec.name, spec.args, spec.kwargs) == (place, name, args, kwargs)


@pytest.mark.parametrize("text", ["resnet18", "net.py", ":make", "net.py:", "a:b(c", "a:b)c("])
def test_what_has_another_form_is_no_spec(text):
    assert parse_spec(text) is None


@pytest.mark.parametrize(
    "arguments",
    ["print(1)", "x=__import__('os')", "1), g(2", ")(", "**{}", "*[1]", "x", "x=", "1;2"],
)
def test_arguments_are_never_run(arguments):
    with pytest.raises(ArgumentError, match="must be plain values"):
        parse_spec(f"a:b({arguments})")


def test_a_factory_is_called_with_its_arguments(model_file):
    model = load_model(f"{model_file}:deep(2, width=3)")
    assert model.encoder[0][0].out_channels == 6
    assert not model.training


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{net}:deep", "missing a required argument: 'channels'. It needs channels. Give"),
        ("{net}:deep(2, wide=3)", "unexpected keyword argument 'wide'"),
        ("{net}:make(2)", "too many positional arguments. It takes no arguments"),
        ("{net}:deep(channels='a')", "failed with"),
        ("{net}:instance(3)", "is a ReLU, which takes no arguments"),
        ("{net}", "Name the function in the file that makes the model, as in {net}:make"),
        ("weights.safetensors", "pass it as --weights"),
        ("net.onnx", "An ONNX file cannot be read"),
        ("resnet18", "Say whose it is, as in torchvision:resnet18"),
        ("torchvison:resnet18", "The nearest names are torchvision"),
        ("torchvision:resnet18(depth=3)", "failed with TypeError"),
        ("missing.pt2", "There is no file missing.pt2"),
    ],
)
def test_wrong_models_are_told_with_what_to_do(model_file, spec, message):
    with model_file.open("a") as file:
        file.write("\ninstance = torch.nn.ReLU()\n")
    with pytest.raises(ArgumentError) as error:
        load_model(spec.replace("{net}", str(model_file)))
    assert message.replace("{net}", str(model_file)) in str(error.value)


@pytest.mark.parametrize(
    ("spec", "module", "package"),
    [
        ("timm:resnet18", "timm", "timm"),
        ("smp:Unet", "segmentation_models_pytorch", "segmentation-models-pytorch"),
        ("transformers:ViTModel", "transformers", "transformers"),
    ],
)
def test_a_missing_library_is_told_with_its_package(monkeypatch, spec, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ArgumentError, match=f"Run pip install {package}"):
        load_model(spec)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("module", "spec", "message"),
    [
        ("timm", "timm:resnet_18", "The nearest names are resnet18"),
        ("segmentation_models_pytorch", "smp:Unett", "The nearest names are Unet"),
        ("transformers", "transformers:VitModel", "The nearest names are ViTModel"),
        ("transformers", "transformers:AutoTokenizer", "no class of a model or of a configuration"),
        ("transformers", "transformers:BertModel(hidden_size=7)", "not a multiple of"),
    ],
)
def test_unknown_names_of_libraries_show_the_nearest(module, spec, message):
    pytest.importorskip(module)
    with pytest.raises(ArgumentError) as error:
        load_model(spec)
    assert message in str(error.value)


def test_arguments_of_libraries_go_to_their_builders():
    assert load_model("torchvision:resnet18(num_classes=7)").fc.out_features == 7


@pytest.mark.thorough
def test_timm_and_smp_models_have_random_weights():
    pytest.importorskip("timm")
    pytest.importorskip("segmentation_models_pytorch")
    assert load_model("timm:test_resnet(num_classes=3)").num_classes == 3
    model = load_model("smp:Unet(encoder_name='resnet18', classes=5)")
    assert model.segmentation_head[0].out_channels == 5


@pytest.mark.thorough
def test_transformers_are_built_of_a_model_or_of_a_configuration():
    pytest.importorskip("transformers")
    small = "(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)"
    for name in ("BertModel", "BertConfig"):
        model = load_model(f"transformers:{name}{small}")
        assert type(model).__name__ == "BertModel"
        assert model.config.hidden_size == 8


# --------------------------------------------------------------------------- exported programs


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A U-Net of two channels, exported for any number of samples."""
    path = tmp_path_factory.mktemp("exported") / "unet.pt2"
    batch = ({0: torch.export.Dim.DYNAMIC},)
    net, example = UNet(base_channels=2).eval(), torch.rand(2, 3, 16, 16)
    torch.export.save(torch.export.export(net, (example,), dynamic_shapes=batch), path)
    return path


def test_an_exported_program_has_the_layers_of_its_model(exported, infoflow_command):
    code, out, err = infoflow_command("graph", exported)
    assert (code, err) == (0, "")
    assert out.startswith("UNet: 23 layers, 4 merges, 4 skips\nexact")
    own = infoflow.trace(UNet(base_channels=2), torch.rand(2, 3, 16, 16))
    model = load_model(str(exported))
    graph = infoflow.trace(model, model.example_input_array)
    assert graph.names == own.names
    assert [layer.shape for layer in graph] == [layer.shape for layer in own]
    assert [layer.parameters for layer in graph] == [layer.parameters for layer in own]
    assert [(m.kind, m.streams, m.layers, m.main) for m in graph.merges] == [
        (m.kind, m.streams, m.layers, m.main) for m in own.merges
    ]


def test_an_exported_program_can_be_measured(exported, infoflow_command):
    code, out, err = infoflow_command(
        *("analyze", exported, "--data", "demo", "--input-shape", "3,16,16", "--target", "none"),
        *("--noise", 0.001),
    )
    assert (code, err) == (0, "")
    assert out.startswith("UNet, 128 samples")


def test_an_exported_program_tells_that_a_shape_is_not_its_own(exported, infoflow_command):
    code, out, err = infoflow_command("graph", exported, "--input-shape", "3,32,32")
    assert (code, out) == (2, "")
    assert "UNet does not run on the example" in err


@pytest.fixture
def not_exported(tmp_path, exported):
    """Files that are no exported program, by what is wrong with them."""
    whole = exported.read_bytes()
    (tmp_path / "empty.pt2").write_bytes(b"")
    (tmp_path / "text.pt2").write_text("hello")
    (tmp_path / "cut.pt2").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "damaged.pt2").write_bytes(whole[:2000] + bytes(200) + whole[2200:])
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "checkpoint.pt2")
    with zipfile.ZipFile(tmp_path / "scripted.pt2", "w") as archive:
        archive.writestr("net/data.pkl", "")
        archive.writestr("net/constants.pkl", "")
    with zipfile.ZipFile(tmp_path / "other.pt2", "w") as archive:
        archive.writestr("letter.txt", "")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "damaged or no exported program"),
        ("text", "damaged or no exported program"),
        ("cut", "damaged or no exported program"),
        ("damaged", "cannot be loaded by torch"),
        ("checkpoint", "is a checkpoint of torch.save, expected a program"),
        ("scripted", "is a scripted module, expected a program"),
        ("other", "is an archive of something else"),
    ],
)
def test_files_that_are_no_exported_program(not_exported, infoflow_command, name, message):
    code, out, err = infoflow_command("graph", not_exported / f"{name}.pt2")
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1


# --------------------------------------------------------------------------- checkpoints


@pytest.mark.thorough
def test_a_safetensors_file_is_loaded(tmp_path, infoflow_command, model_file):
    torch_file = pytest.importorskip("safetensors.torch")
    model = UNet(2)
    torch_file.save_file(model.state_dict(), tmp_path / "unet.safetensors")
    loaded = load_model(f"{model_file}:make", tmp_path / "unet.safetensors")
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    (tmp_path / "broken.safetensors").write_bytes(b"not safe")
    with pytest.raises(ArgumentError, match="cannot be read as plain tensors"):
        load_model(f"{model_file}:make", tmp_path / "broken.safetensors")


def test_safetensors_missing_is_told_with_its_package(tmp_path, monkeypatch, model_file):
    (tmp_path / "a.safetensors").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(ArgumentError, match="Run pip install safetensors"):
        load_model(f"{model_file}:make", tmp_path / "a.safetensors")


class Tied(nn.Module):
    """A language model whose head has the weights of its embedding."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        self.head.weight = self.embedding.weight


@pytest.mark.thorough
def test_safetensors_holds_tied_weights_once(tmp_path):
    torch_file = pytest.importorskip("safetensors.torch")
    saved, loaded = Tied(), Tied()
    torch_file.save_model(saved, str(tmp_path / "tied.safetensors"))
    load_weights(loaded, tmp_path / "tied.safetensors")
    assert torch.equal(loaded.embedding.weight, saved.embedding.weight)
    assert loaded.head.weight is loaded.embedding.weight


def test_weights_that_are_missing_and_not_tied_are_told(tmp_path):
    torch.save({"a": torch.zeros(2)}, tmp_path / "a.pt")
    with pytest.raises(ArgumentError, match=r"2 keys are missing .* 1 are unexpected"):
        load_weights(Tied(), tmp_path / "a.pt")


def test_a_file_that_exits_is_named(infoflow_command, tmp_path):
    (tmp_path / "quits.py").write_text("raise SystemExit(3)\n")
    code, _, err = infoflow_command("graph", f"{tmp_path / 'quits.py'}:net")
    assert code == 2
    assert "SystemExit: 3" in err


def test_the_hint_names_an_argument_that_there_is(infoflow_command, tmp_path):
    (tmp_path / "block.py").write_text("def Block(width=4):\n    return None\n")
    code, _, err = infoflow_command("graph", f"{tmp_path / 'block.py'}:Block(w=3)")
    assert code == 2
    assert "Block(width=...)" in err


def test_an_example_of_the_wrong_kind_is_no_traceback(infoflow_command, tmp_path):
    (tmp_path / "odd.py").write_text(
        "import torch\nnet = torch.nn.Linear(3, 2)\nnet.example_input_array = 3\n"
    )
    code, _, err = infoflow_command("graph", f"{tmp_path / 'odd.py'}:net")
    assert code == 2
    assert "got int" in err
