"""MONAI: every net of ``monai.networks.nets`` that can be built, with its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from monai.networks import nets
from torch import nn

from tests.zoo.entry import Arguments, Entry, Make, draw, draw_integers, uniform
from tests.zoo.monai_arguments import ARGUMENTS, PARTS


def entries() -> list[Entry]:
    """Return one entry a net, two where it is made for images and for volumes."""
    found = []
    for name in net_names():
        for variant, options in enumerate(ARGUMENTS.get(name, [{}])):
            label = name if not variant else f"{name}-{variant + 1}"
            build = partial(_build, name, options)
            found.append(Entry("monai", label, "medical", build, partial(_inputs, name, options)))
    return found


def net_names() -> list[str]:
    """Return the name of every net, without synonyms and without parts of nets."""
    kinds = {
        kind
        for kind in vars(nets).values()
        if inspect.isclass(kind) and issubclass(kind, nn.Module) and kind.__name__ not in PARTS
    }
    return sorted(kind.__name__ for kind in kinds)


def _build(name: str, options: dict[str, Any]) -> nn.Module:
    options = {key: value for key, value in options.items() if not key.startswith("_")}
    if name == "NetAdapter":
        options["model"] = nets.resnet18(spatial_dims=2, n_input_channels=3)
    elif name == "DiNTS":
        options["dints_space"] = nets.TopologySearch(num_blocks=4, num_depths=3, spatial_dims=3)
    elif name == "VISTA3D":
        return nets.vista3d132(encoder_embed_dim=48, in_channels=1)
    elif name == "MILModel":
        options["pretrained"] = False
    return getattr(nets, name)(**options)


def _inputs(name: str, options: dict[str, Any], model: nn.Module) -> Iterable[Make]:
    if name in _SPECIAL:
        return [_SPECIAL[name]]
    channels = options.get("in_channels", options.get("n_input_channels", _usual_channels(name)))
    dimensions = options.get("spatial_dims", _usual(name, "spatial_dims", 3))
    given = options.get("_shape")
    if given:
        return [uniform(*given)]
    sizes = (32, 48, 64, 96) if dimensions == 3 else (64, 96, 128, 224)
    return [uniform(channels, *([size] * dimensions)) for size in sizes]


def _usual_channels(name: str) -> int:
    return _usual(name, "in_channels", _usual(name, "num_channels", 1))


def _usual(name: str, argument: str, default: int) -> int:
    parameters = inspect.signature(getattr(nets, name).__init__).parameters
    value = parameters[argument].default if argument in parameters else default
    return value if isinstance(value, int) else default


# ------------------------------------------------------------------ nets with several inputs


def _with(*makers: Callable[[int, int], Any]) -> Make:
    def make(samples: int, seed: int) -> Arguments:
        return tuple(maker(samples, seed + i) for i, maker in enumerate(makers)), {}

    return make


def _image(*shape: int) -> Callable[[int, int], torch.Tensor]:
    return lambda samples, seed: draw(seed, samples, *shape)


def _whole(low: int, high: int, *shape: int) -> Callable[[int, int], torch.Tensor]:
    return lambda samples, seed: draw_integers(seed, low, high, samples, *shape)


def _labels(classes: int, size: int) -> Callable[[int, int], torch.Tensor]:
    def make(samples: int, seed: int) -> torch.Tensor:
        numbers = draw_integers(seed, 0, classes, samples, size, size)
        return nn.functional.one_hot(numbers, classes).permute(0, 3, 1, 2).float()

    return make


def _named(**makers: Callable[[int, int], Any]) -> Make:
    def make(samples: int, seed: int) -> Arguments:
        return (), {name: maker(samples, seed) for name, maker in makers.items()}

    return make


def _vista(samples: int, seed: int) -> Arguments:
    return (draw(seed, 1, 1, 32, 32, 32),), {"class_vector": torch.tensor([[1], [2]])}


_steps = _whole(0, 1000)
_SPECIAL: dict[str, Make] = {
    "ControlNet": _with(_image(1, 32, 32), _steps, _image(1, 32, 32)),
    "DiffusionModelUNet": _with(_image(1, 32, 32), _steps),
    "SPADEDiffusionModelUNet": lambda samples, seed: (
        (draw(seed, samples, 1, 32, 32), _steps(samples, seed)),
        {"seg": _labels(3, 32)(samples, seed)},
    ),
    "SPADEAutoencoderKL": _with(_image(1, 32, 32), _labels(3, 32)),
    "SPADENet": _with(_labels(3, 64), _image(1, 64, 64)),
    "VoxelMorph": _with(_image(1, 32, 32), _image(1, 32, 32)),
    "DecoderOnlyTransformer": _with(_whole(0, 50, 16)),
    "MultiModal": _named(
        input_ids=_whole(0, 100, 16),
        token_type_ids=lambda samples, seed: torch.zeros(samples, 16, dtype=torch.long),
        vision_feats=_image(9, 32),
    ),
    "Transchex": lambda samples, seed: (
        (),
        {
            "input_ids": draw_integers(seed, 0, 100, samples, 16),
            "vision_feats": draw(seed, samples, 3, 32, 32),
        },
    ),
    "MILModel": _with(_image(4, 3, 64, 64)),
    "VISTA3D": _vista,
    "NaViT": lambda samples, seed: (
        ([[draw(seed + i, 1, 32, 32), draw(seed + 9 + i, 1, 16, 32)] for i in range(samples)],),
        {},
    ),
}
