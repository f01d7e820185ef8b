"""The example that a model is traced with: what it takes, from what it or its library says."""

import pytest
import torch
from torch import nn

from infoflow.cli.inputs import example_input
from infoflow.cli.models import load_model
from infoflow.graph.running.arguments import as_arguments
from infoflow.interface import ArgumentError
from tests import tiers

BERT = "hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8"


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(5, 4)

    def forward(self, x, y):
        return self.a(x) + self.b(y)


def shapes_of(model, text="net.py:make", shapes=(), loader=None):
    """Check that the model runs on the example, and return its shapes by name or position."""
    call = as_arguments(model, example_input(model, text, shapes, loader))
    with torch.no_grad():
        call.of(model.eval())
    named = {**dict(enumerate(call.args)), **call.kwargs}
    return {
        name: [tuple(v.shape) for v in value] if isinstance(value, list) else tuple(value.shape)
        for name, value in named.items()
    }


def test_shapes_are_given_once_for_each_argument():
    assert shapes_of(Two(), shapes=["3", "5"]) == {0: (2, 3), 1: (2, 5)}


def test_whole_numbers_are_valid_tokens():
    model = nn.Sequential(nn.Embedding(2, 4), nn.Linear(4, 3))
    assert shapes_of(model, shapes=["7:int"]) == {0: (2, 7)}


def test_the_first_samples_of_a_loader_are_taken_by_the_names_of_the_arguments():
    class Renamed(Two):
        def forward(self, first, second):
            return super().forward(first, second)

    batch = {"second": torch.rand(6, 5), "first": torch.rand(6, 3), "labels": torch.zeros(6)}
    assert shapes_of(Renamed(), loader=[batch]) == {"first": (2, 3), "second": (2, 5)}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ((torch.zeros(4, 3), torch.zeros(4, 5)), {0: (4, 3), 1: (4, 5)}),
        ({"y": torch.zeros(1, 5), "x": torch.zeros(1, 3)}, {"x": (1, 3), "y": (1, 5)}),
    ],
)
def test_a_model_may_say_its_example_itself_as_lightning_modules_do(own, expected):
    model = Two()
    model.example_input_array = own
    assert shapes_of(model) == expected
    assert shapes_of(model, shapes=["3", "5"]) == {0: (2, 3), 1: (2, 5)}


def test_a_model_may_have_dummy_inputs():
    model = Two()
    model.dummy_inputs = {"x": torch.zeros(2, 3), "y": torch.zeros(2, 5)}
    assert shapes_of(model) == {"x": (2, 3), "y": (2, 5)}


def test_where_nothing_tells_the_shape_it_is_asked_for():
    with pytest.raises(ArgumentError, match="Pass --input-shape, such as 3,128,128, once for each"):
        example_input(Two(), "net.py:make", [], None)


# --------------------------------------------------------------------------- libraries


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torchvision:squeezenet1_1", (2, 3, 224, 224)),
        tiers.thorough("torchvision:vit_b_32(image_size=64)", (2, 3, 64, 64)),
        ("torchvision:lraspp_mobilenet_v3_large", (2, 3, 520, 520)),
    ],
)
def test_torchvision_says_the_size_of_images(text, expected):
    assert shapes_of(load_model(text), text) == {0: expected}


def test_torchvision_videos_have_frames():
    text = "torchvision:mc3_18"
    call = as_arguments(nn.Identity(), example_input(load_model(text), text, [], None))
    assert call.args[0].shape == (2, 3, 16, 112, 112)


def test_torchvision_detectors_take_a_list_of_images():
    text = "torchvision:ssdlite320_mobilenet_v3_large"
    model = load_model(text)
    assert shapes_of(model, text) == {0: [(3, 320, 320)] * 2}
    assert shapes_of(model, text, ["3,64,96"]) == {0: [(3, 64, 96)] * 2}
    assert shapes_of(model, text, ["3,64,96", "3,80,80"]) == {0: [(3, 64, 96), (3, 80, 80)]}


def test_torchvision_flow_takes_two_images():
    text = "torchvision:raft_small"
    model = load_model(text)
    for shapes in ([], ["3,128,128"]):
        call = as_arguments(model, example_input(model, text, shapes, None))
        assert [tuple(image.shape) for image in call.args] == [(2, 3, 128, 128)] * 2


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("timm:test_resnet", (2, 3, 160, 160)),
        ("timm:test_resnet(in_chans=1)", (2, 1, 160, 160)),
        ("timm:test_vit(img_size=64)", (2, 3, 64, 64)),
    ],
)
def test_timm_says_the_size_of_images(text, expected):
    pytest.importorskip("timm")
    assert shapes_of(load_model(text), text) == {0: expected}


@pytest.mark.thorough
def test_a_timm_model_is_known_however_it_was_made():
    timm = pytest.importorskip("timm")
    assert shapes_of(timm.create_model("test_resnet")) == {0: (2, 3, 160, 160)}


@pytest.mark.thorough
def test_smp_takes_images_with_the_channels_asked_for():
    pytest.importorskip("segmentation_models_pytorch")
    text = "smp:Unet(encoder_name='resnet18', in_channels=2)"
    assert shapes_of(load_model(text), text) == {0: (2, 2, 224, 224)}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"ViTModel(image_size=32, patch_size=8, {BERT})", {"pixel_values": (2, 3, 32, 32)}),
        ("ResNetModel(depths=[1], hidden_sizes=[8], embedding_size=8, num_channels=1)",
         {"pixel_values": (2, 1, 224, 224)}),
        (f"VideoMAEModel(image_size=32, num_frames=4, {BERT})",
         {"pixel_values": (2, 4, 3, 32, 32)}),
        (f"BertModel(vocab_size=20, {BERT})", {"input_ids": (2, 16)}),
        (f"BertModel(vocab_size=9, max_position_embeddings=5, {BERT})", {"input_ids": (2, 5)}),
        ("T5Model(vocab_size=20, d_model=8, d_ff=8, d_kv=4, num_layers=1, num_heads=2)",
         {"input_ids": (2, 16), "decoder_input_ids": (2, 16)}),
        (f"HubertModel(conv_dim=[8], conv_stride=[320], conv_kernel=[400], "
         f"num_conv_pos_embedding_groups=2, {BERT})", {"input_values": (2, 16000)}),
        (f"ASTModel(max_length=64, num_mel_bins=32, {BERT})", {"input_values": (2, 64, 32)}),
        ("WhisperModel(num_mel_bins=8, max_source_positions=20, d_model=8, encoder_layers=1, "
         "decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2)",
         {"input_features": (2, 8, 40), "decoder_input_ids": (2, 16)}),
        (f"ViltModel(image_size=32, {BERT})",
         {"input_ids": (2, 16), "pixel_values": (2, 3, 32, 32)}),
    ],
    ids=lambda value: value.partition("(")[0] if isinstance(value, str) else "",
)  # fmt: skip
def test_transformers_say_their_inputs(text, expected):
    pytest.importorskip("transformers")
    spec = f"transformers:{text}"
    assert shapes_of(load_model(spec), spec) == expected


@pytest.mark.thorough
def test_shapes_replace_the_usual_ones_of_transformers_in_their_order():
    pytest.importorskip("transformers")
    text = f"transformers:ViltModel(image_size=32, vocab_size=20, {BERT})"
    model = load_model(text)
    usual = {"input_ids": (2, 16), "pixel_values": (2, 3, 32, 32)}
    assert shapes_of(model, text, ["9"]) == {**usual, "input_ids": (2, 9)}
    with pytest.raises(ArgumentError, match="takes input_ids, pixel_values, got 3 shapes"):
        example_input(model, text, ["9", "3,32,32", "1"], None)


@pytest.mark.thorough
def test_a_transformers_model_is_traced_from_its_spec(infoflow_command):
    pytest.importorskip("transformers")
    code, out, _ = infoflow_command("graph", f"transformers:BertModel(vocab_size=20, {BERT})")
    assert code == 0
    assert out.startswith("BertModel: ")
