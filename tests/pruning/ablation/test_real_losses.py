"""Losses of real models are those that their libraries compute."""

import math

import pytest
import torch
import torch.nn.functional as F

import infoflow
from infoflow.graph.running.arguments import Arguments
from infoflow.pruning.ablation.losses import LossWarning, resolve_loss

BIT = math.log(2)


@pytest.fixture
def transformers():
    return pytest.importorskip("transformers")


@pytest.mark.thorough
def test_gpt2_costs_what_transformers_says(transformers):
    config = transformers.GPT2Config(
        vocab_size=40,
        n_positions=16,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    net = transformers.GPT2LMHeadModel(config).eval()
    ids = torch.randint(0, 40, (3, 12))
    graph = infoflow.trace(net, {"input_ids": ids})
    with torch.no_grad():
        output = net(input_ids=ids)
        own = [float(net(input_ids=row[None], labels=row[None]).loss) for row in ids]
    call = Arguments((), {"input_ids": ids})
    with pytest.warns(LossWarning, match="input token t . 1"):
        loss = resolve_loss("auto", output=output, target=None, call=call, graph=graph)
    found = loss(output, None, call)
    torch.testing.assert_close(found.bits * BIT, torch.tensor(own).double(), rtol=1e-5, atol=1e-6)
    assert found.labels.tolist() == [11.0] * 3


@pytest.mark.thorough
def test_gpt2_with_labels_among_its_arguments(transformers):
    config = transformers.GPT2Config(
        vocab_size=40,
        n_positions=16,
        n_embd=16,
        n_layer=1,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    net = transformers.GPT2LMHeadModel(config).eval()
    ids = torch.randint(0, 40, (1, 12))
    labels = ids.clone()
    labels[:, :4] = -100
    call = Arguments((), {"input_ids": ids, "labels": labels})
    with torch.no_grad():
        output = call.of(net)
    with pytest.warns(LossWarning, match="position t"):
        loss = resolve_loss("auto", output=output, target=None, call=call)
    found = loss(output, None, call)
    assert abs(float(found.bits) * BIT - float(output.loss)) < 1e-5
    assert loss.kind == "next_token"
    assert found.labels.tolist() == [8.0]


@pytest.mark.thorough
def test_bert_costs_what_transformers_says_of_masked_tokens(transformers):
    config = transformers.BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
    )
    net = transformers.BertForMaskedLM(config).eval()
    whole = torch.randint(5, 40, (3, 10))
    chosen = torch.rand(3, 10) < 0.3
    chosen[:, 0] = True
    ids, labels = whole.masked_fill(chosen, 3), whole.masked_fill(~chosen, -100)
    with torch.no_grad():
        output = net(input_ids=ids)
        own = [
            float(net(input_ids=ids[i : i + 1], labels=labels[i : i + 1]).loss) for i in range(3)
        ]
    call = Arguments((), {"input_ids": ids})
    loss = resolve_loss("auto", output=output, target=labels, call=call)
    found = loss(output, labels, call)
    torch.testing.assert_close(found.bits * BIT, torch.tensor(own).double(), rtol=1e-5, atol=1e-6)
    assert loss.kind == "masked"
    assert found.labels.tolist() == chosen.sum(1).tolist()


@pytest.mark.thorough
def test_bert_as_a_classifier(transformers):
    config = transformers.BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=3,
    )
    net = transformers.BertForSequenceClassification(config).eval()
    ids, labels = torch.randint(0, 40, (4, 6)), torch.tensor([0, 2, 1, 2])
    call = Arguments((), {"input_ids": ids})
    with torch.no_grad():
        output = call.of(net)
    loss = resolve_loss("auto", output=output, target=labels, call=call)
    each = F.cross_entropy(output.logits, labels, reduction="none").double()
    torch.testing.assert_close(loss(output, labels, call).bits * BIT, each, rtol=1e-5, atol=1e-6)


def test_a_segmentation_net_of_torchvision_returns_its_map_as_out():
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    net = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=5).eval()
    x, maps = torch.randn(2, 3, 64, 64), torch.randint(0, 5, (2, 64, 64))
    maps[:, :8] = 255
    graph = infoflow.trace(net, x)
    with torch.no_grad():
        output = net(x)
    with pytest.warns(LossWarning, match="255"):
        loss = resolve_loss("auto", output=output, target=maps, graph=graph)
    found = loss(output, maps)
    each = F.cross_entropy(output["out"], maps, reduction="none", ignore_index=255).sum((1, 2))
    torch.testing.assert_close(found.bits * BIT * found.labels, each.double(), rtol=1e-5, atol=1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_a_unet_of_smp_with_and_without_a_sigmoid(activation):
    smp = pytest.importorskip("segmentation_models_pytorch")
    net = smp.Unet("resnet18", encoder_weights=None, classes=1, activation=activation).eval()
    x, masks = torch.randn(2, 3, 64, 64), (torch.rand(2, 1, 64, 64) > 0.5).float()
    graph = infoflow.trace(net, x)
    with torch.no_grad():
        output = net(x)
    loss = resolve_loss("auto", output=output, target=masks, graph=graph)
    score = F.binary_cross_entropy_with_logits if activation is None else F.binary_cross_entropy
    each = score(output, masks, reduction="none").mean((1, 2, 3)).double()
    torch.testing.assert_close(loss(output, masks).bits * BIT, each, rtol=1e-5, atol=1e-6)
    assert loss.kind == "binary"
    assert not loss.notes
