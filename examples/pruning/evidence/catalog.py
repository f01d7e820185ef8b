"""The nets of the study, and in which half each is judged (CRITERIA.md)."""

from __future__ import annotations

from evidence.denoising import build_topaz, build_topaz_small, patches
from evidence.digits import build_densenet, build_gates, build_resnet, build_vit, digits
from evidence.entry import Entry, Recipe, Sizes
from evidence.nuclei import build_smp, build_unet, nuclei
from evidence.sentences import build_minilm, docstrings
from evidence.text import build_gpt, library_text

_DIGITS = Sizes(train=6000, choose=128, judge=640, test=1536)
_TILES = Sizes(train=960, choose=128, judge=320, test=480)
_SGD = Recipe("sgd", learning_rate=0.05, epochs=4, batch_size=64)

ENTRIES = (
    Entry(
        "unet", "U-Net, nuclei", 1, build_unet, nuclei, _TILES, "probabilities", "dice",
        Recipe("sgd", learning_rate=0.02, epochs=12, batch_size=16, flips=True),
    ),
    Entry("resnet", "ResNet, MNIST", 1, build_resnet, digits, _DIGITS, "classes", "accuracy", _SGD),
    Entry(
        "vit", "ViT, MNIST", 1, build_vit, digits, _DIGITS, "classes", "accuracy",
        Recipe("adamw", learning_rate=1e-3, epochs=14, batch_size=32),
    ),
    Entry(
        "topaz", "denoising U-Net, photographs", 1, build_topaz, patches,
        Sizes(train=320, choose=64, judge=256, test=384), "squares", "psnr", None,
    ),
    Entry(
        "topaz-small", "small denoising U-Net, photographs", 1, build_topaz_small, patches,
        Sizes(train=320, choose=64, judge=256, test=384), "squares", "psnr", None,
    ),
    Entry(
        "smp", "smp.Unet on ResNet-18, nuclei", 2, build_smp, nuclei, _TILES, "logits", "dice",
        Recipe("adamw", learning_rate=1e-3, epochs=3, batch_size=16, flips=True),
    ),
    Entry(
        "densenet", "DenseNet, MNIST", 2, build_densenet, digits, _DIGITS, "classes", "accuracy",
        _SGD,
    ),
    Entry(
        "gpt", "GPT, characters", 2, build_gpt, library_text,
        Sizes(train=10_000, choose=128, judge=512, test=768), "classes", "accuracy",
        Recipe("adamw", learning_rate=3e-3, epochs=1, batch_size=32),
    ),
    Entry(
        "gates", "RegNet-Y, MNIST", 2, build_gates, digits, _DIGITS, "classes", "accuracy",
        Recipe("sgd", learning_rate=0.05, epochs=3, batch_size=64),
    ),
    Entry(
        "minilm", "MiniLM, docstrings", 2, build_minilm, docstrings,
        Sizes(train=1500, choose=128, judge=512, test=768), "classes", "accuracy",
        Recipe("adamw", learning_rate=1e-2, epochs=4, batch_size=32),
    ),
)  # fmt: skip


def find_entry(name: str) -> Entry:
    """Return an entry by its name."""
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in ENTRIES)
    raise ValueError(f"The study has no net {name!r}. Its nets are {names}.")
