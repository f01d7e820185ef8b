"""MNIST, and the nets that are trained on it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torchvision.datasets import MNIST

from evidence.convnets import CLASSES, DenseNet, ResNet
from evidence.entry import Parts, Places, Samples, Sizes, split_held_out

Build = Callable[[Places, int], nn.Module]


def digits(places: Places, sizes: Sizes, seed: int) -> Parts:
    """Return the first training digits, and a random split of the 10,000 test digits."""
    if places.data_dir is None:
        raise ValueError("MNIST needs --data-dir, the folder that holds MNIST/raw. Pass it.")
    return split_held_out(_read(places, True), _read(places, False), sizes, seed)


def _read(places: Places, is_training: bool) -> Samples:
    try:
        found = MNIST(str(places.data_dir), train=is_training)
    except RuntimeError as error:
        raise ValueError(
            f"{places.data_dir} holds no MNIST/raw with the four idx files. Pass another "
            "--data-dir, or download MNIST with torchvision.datasets.MNIST(folder, download=True)."
        ) from error
    return found.data[:, None].float() / 255, found.targets


def seeded(net: Callable[[], nn.Module]) -> Build:
    """Return a function that builds the same net for the same seed."""

    def build(places: Places, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return net()

    return build


def vit() -> nn.Module:
    """Return a vision transformer of six blocks on patches of 7×7 pixels."""
    from timm.models.vision_transformer import VisionTransformer  # slow to import

    return VisionTransformer(
        img_size=28,
        patch_size=7,
        in_chans=1,
        num_classes=CLASSES,
        embed_dim=64,
        depth=6,
        num_heads=4,
    )


def gates() -> nn.Module:
    """Return the smallest RegNet-Y: residual blocks, each with a squeeze-and-excite gate."""
    import timm  # slow to import

    return timm.create_model("regnety_002", in_chans=1, num_classes=CLASSES)


build_resnet, build_densenet = seeded(ResNet), seeded(DenseNet)
build_vit, build_gates = seeded(vit), seeded(gates)
