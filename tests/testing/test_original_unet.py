"""The U-Net of 2015: sizes of its figure, layers, skips, and what its output depends on."""

import pytest
import torch

import infoflow
from infoflow.testing import OriginalUNet


def test_sizes_are_those_of_the_papers_figure():
    with torch.device("meta"):
        net, image = OriginalUNet(), torch.zeros(1, 1, 572, 572)
        assert net(image).shape == (1, 2, 388, 388)
        value, sides = image, []
        for level, pair in enumerate(net.encoder):
            value = pair(net.pool(value) if level else value)
            sides.append((value.shape[1], value.shape[2]))
    assert sides == [(64, 568), (128, 280), (256, 136), (512, 64), (1024, 28)]


def test_layers_merges_and_skips_are_numbered_as_in_the_padded_net():
    graph = infoflow.trace(OriginalUNet(2), torch.zeros(1, 1, 188, 188))
    assert len(graph) == 23
    assert [merge.index for merge in graph.merges] == [11, 14, 17, 20]
    assert [str(skip) for skip in graph.skips] == ["7→11", "5→14", "3→17", "1→20"]
    assert [merge.kind for merge in graph.merges] == ["concat"] * 4


def test_a_skip_is_cropped_to_the_middle():
    net = OriginalUNet(1).eval()
    image = torch.rand(1, 1, 188, 188, requires_grad=True)
    # only the skip 1→20 is left: the output sees 3×3 five times around its own place, no more
    torch.nn.init.zeros_(net.upsample[3].weight)
    for pair in (net.encoder[0], net.decoder[3]):
        for conv in (pair[0], pair[2]):
            torch.nn.init.ones_(conv.weight)
    torch.nn.init.ones_(net.output.weight)
    net(image)[0, 0, 0, 0].backward()
    rows = image.grad[0, 0].abs().sum(dim=1).nonzero().flatten()
    assert (rows.min(), rows.max()) == (92 - 4, 92 + 4)


@pytest.mark.parametrize("side", [1, 100, 388, 389])
def test_the_smallest_input_whose_output_covers_a_side(side):
    needed = OriginalUNet.input_side(side)
    with torch.device("meta"):
        assert OriginalUNet(1)(torch.zeros(1, 1, needed, needed)).shape[-1] >= side
    assert needed - 16 < 188 or needed - 16 - 184 < side


@pytest.mark.parametrize("side", [64, 172, 187, 256, 573])
def test_sides_that_poolings_would_cut_are_refused(side):
    with pytest.raises(ValueError, match=rf"sides of 16·k \+ 12 pixels, 188 at least, got {side}"):
        OriginalUNet(1)(torch.zeros(1, 1, side, side))
