"""Merges of real nets, counted from their sources, and kept as text.

Run with INFOFLOW_UPDATE_SNAPSHOTS=1 to write the text anew; then read the difference.
"""

import os
from collections import Counter
from pathlib import Path

import pytest
import torch
import torchvision

import infoflow
from infoflow.testing import UNet
from tests import small_nets, tiers

SNAPSHOTS = Path(__file__).parent / "snapshots"

#: Kinds of merges of torchvision's nets, counted from their sources.
TRUTH = {
    "resnet18": {"add": 8},
    "resnet50": {"add": 16},
    "densenet121": {"concat": 58},
    "googlenet": {"concat": 9},
    "efficientnet_b0": {"add": 9, "mul": 16},
    "convnext_tiny": {"add": 18},
    "vit_b_16": {"add": 24},
    "swin_t": {"add": 24},
}


def build(name, **options):
    if name == "googlenet":
        options["init_weights"] = False
    return torchvision.models.get_model(name, weights=None, **options)


def check_snapshot(name, text):
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("INFOFLOW_UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    assert text + "\n" == path.read_text()


def merges_as_text(graph):
    lines = [repr(graph)]
    for merge in graph.merges:
        readers = ", ".join(merge.layers) or "output"
        lines.append(f"{merge.kind} in {readers}: main {merge.main}")
        lines += [f"    skip {skip}  {skip.name}" for skip in merge.skips]
    return "\n".join(lines)


#: The same of small nets of the same classes, by blocks and layers.
SMALL = {
    "resnet": {"add": 2 + 1 + 1 + 1},
    "densenet": {"concat": 5 + 1 + 2},
    "efficientnet": {"add": 1 + 1, "mul": 1 + 2},
    "convnext": {"add": 2 + 1},
    "vit": {"add": 2 * 2},
    "swin": {"add": 2 * (1 + 2)},
}


@pytest.mark.parametrize("name", SMALL)
def test_merges_of_small_nets(name):
    graph = infoflow.trace(getattr(small_nets, name)(), torch.rand(2, 3, 32, 32))
    assert Counter(merge.kind for merge in graph.merges) == SMALL[name]


@pytest.mark.parametrize(
    "name", ["resnet18", *(tiers.thorough(name) for name in TRUTH if name != "resnet18")]
)
def test_torchvision_merges(name):
    graph = infoflow.trace(build(name), torch.rand(2, 3, 224, 224))
    assert Counter(merge.kind for merge in graph.merges) == TRUTH[name]
    check_snapshot(name, merges_as_text(graph))


@pytest.mark.thorough
def test_googlenet_slices_of_one_input_are_no_merge():
    graph = infoflow.trace(build("googlenet", transform_input=True), torch.rand(2, 3, 224, 224))
    assert len(graph.merges) == 9


@pytest.mark.thorough
def test_densenet_bundles_are_54_in_dense_layers_and_4_where_blocks_end():
    graph = infoflow.trace(build("densenet121"), torch.rand(2, 3, 64, 64))
    readers = [merge.layers[0] for merge in graph.merges]
    assert sum("denselayer" in name for name in readers) == 54
    assert [name for name in readers if "denselayer" not in name] == [
        "features.transition1.conv",
        "features.transition2.conv",
        "features.transition3.conv",
        "classifier",
    ]
    assert all(len(merge.streams) >= 2 for merge in graph.merges)


def test_paper_unet_is_numbered_as_in_the_paper():
    graph = infoflow.trace(UNet(), torch.rand(1, 3, 128, 128))
    assert [layer.index for layer in graph.layers] == list(range(23))
    assert [layer.index for layer in graph.layers if layer.is_merge] == [11, 14, 17, 20]
    assert [merge.index for merge in graph.merges] == [11, 14, 17, 20]
    assert [str(skip) for skip in graph.skips] == ["7→11", "5→14", "3→17", "1→20"]
    assert [graph[merge.main].index for merge in graph.merges] == [10, 13, 16, 19]
    check_snapshot("paper_unet", str(graph))


def test_paper_unet_savings_are_those_of_a_net_built_without_the_skip():
    graph = infoflow.trace(UNet(), torch.rand(1, 3, 64, 64))
    whole = sum(layer.multiply_adds for layer in graph.layers)
    for skip, name in zip(graph.skips, UNet.ALL_SKIPS, strict=True):
        smaller = UNet(skips=set(UNet.ALL_SKIPS) - {name})
        cost = sum(
            layer.multiply_adds for layer in infoflow.trace(smaller, torch.rand(1, 3, 64, 64))
        )
        parameters = sum(p.numel() for p in UNet().parameters()) - sum(
            p.numel() for p in smaller.parameters()
        )
        assert (skip.parameters, skip.multiply_adds) == (parameters, whole - cost)


@pytest.mark.parametrize(
    ("skips", "merges"), [((), []), (("1->20",), [20]), (("7->11", "3->17"), [11, 17])]
)
def test_unet_with_some_skips(skips, merges):
    graph = infoflow.trace(UNet(4, skips=skips), torch.rand(1, 3, 32, 32))
    assert len(graph) == 23
    assert [merge.index for merge in graph.merges] == merges


def test_resnet_savings_are_of_the_shortcut_and_the_block_stays():
    graph = infoflow.trace(build("resnet18"), torch.rand(1, 3, 64, 64))
    identity, downsample = graph.skips[0], graph.skips[2]
    assert (identity.parameters, identity.multiply_adds) == (0, 0)
    assert downsample.source == "layer2.0.downsample.0"
    layer = graph[downsample.source]
    assert (downsample.parameters, downsample.multiply_adds) == (
        layer.parameters,
        layer.multiply_adds,
    )
