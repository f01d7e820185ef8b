"""transformers: tiny configurations of the model types that its own mapping lists.

Every fourth type is taken, in the order of the mapping, and the ones that everybody knows. A type
of which no tiny configuration runs is listed as such.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, AutoModel, PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

from tests.zoo.entry import Arguments, Entry, Make, draw, draw_integers, runnable
from tests.zoo.tiny import tiny_configs

_STRIDE = 4
_KNOWN = (
    *("bert", "roberta", "albert", "electra", "deberta-v2", "distilbert", "xlnet", "gpt2", "llama"),
    *("opt", "mistral", "mixtral", "gemma3_text", "qwen3", "qwen3_moe", "mamba", "rwkv", "bloom"),
    *("t5", "bart", "m2m_100", "longformer", "vit", "deit", "swin", "segformer", "convnext"),
    *("dinov2", "detr", "sam", "clip", "siglip", "blip", "vilt", "vit_mae", "videomae"),
    *(
        "wav2vec2",
        "hubert",
        "whisper",
        "audio-spectrogram-transformer",
        "speecht5",
        "time_series_transformer",
    ),
)
#: More numbers than this are no tiny model.
_LARGEST = 60_000_000
_LENGTH = 16


def entries() -> list[Entry]:
    spread = list(MODEL_MAPPING_NAMES)[::_STRIDE]
    types = [kind for kind in MODEL_MAPPING_NAMES if kind in spread or kind in _KNOWN]
    return [
        Entry("transformers", kind, _category(kind), partial(build, kind), inputs) for kind in types
    ]


def _category(kind: str) -> str:
    name = MODEL_MAPPING_NAMES[kind]
    return name if isinstance(name, str) else name[0]


def build(kind: str) -> nn.Module:
    """Build the smallest configuration of a type that can be built and run."""
    first: Exception | None = None
    for config in tiny_configs(CONFIG_MAPPING[kind]):
        try:
            with torch.device("meta"):
                size = sum(p.numel() for p in AutoModel.from_config(config).parameters())
            if size > _LARGEST:
                raise ValueError(f"{size:,} parameters, more than {_LARGEST:,}")
            model = AutoModel.from_config(config).eval()
            runnable(model, inputs(model))
            return model
        except Exception as error:
            first = first or error
    raise first or ValueError("no configuration")


def inputs(model: nn.Module) -> Iterable[Make]:
    """Yield arguments by the names of those of ``forward``: as many as can be given, then fewer."""
    given = set(inspect.signature(model.forward).parameters)
    main = getattr(model, "main_input_name", "input_ids")
    known = {name: makers for name, makers in _makers(model.config).items() if name in given}
    decoder = ["decoder_input_ids"] if getattr(model.config, "is_encoder_decoder", False) else []
    names = list(dict.fromkeys([main, *_TOGETHER, *decoder]))
    choices = [
        [name for name in names if name in known],
        [name for name in (main, *decoder) if name in known],
        *([name] for name in names if name in known),
    ]
    for choice in dict.fromkeys(map(tuple, choices)):
        for variant in range(max((len(known[name]) for name in choice), default=0)):
            yield partial(_make, {n: known[n][min(variant, len(known[n]) - 1)] for n in choice})


_Maker = Callable[[int, int], Tensor]
_TOGETHER = ("input_ids", "pixel_values", "input_features", "input_values", "bbox")


def _make(makers: dict[str, _Maker], samples: int, seed: int) -> Arguments:
    return (), {name: maker(samples, seed) for name, maker in makers.items()}


def _makers(config: PretrainedConfig) -> dict[str, list[_Maker]]:
    """Return for every argument that can be made the ways to make it."""
    words = min(_number(config, "vocab_size", 100), 100)
    channels = _number(config, "num_channels", 3)
    mels = _number(config, "num_mel_bins", 80)
    sizes = dict.fromkeys([_size(config), 64, 224])

    def tokens(length: int) -> _Maker:
        return lambda samples, seed: draw_integers(seed, 5, words, samples, length)

    def numbers(*shape: int) -> _Maker:
        return lambda samples, seed: draw(seed, samples, *shape)

    images = [numbers(channels, size, size) for size in sizes]
    films = [numbers(_number(config, "num_frames", 8), channels, s, s) for s in sizes]
    return {
        "input_ids": [tokens(_LENGTH), tokens(64), tokens(128)],
        "decoder_input_ids": [tokens(_LENGTH // 2)],
        "bbox": [lambda samples, seed: torch.zeros(samples, _LENGTH, 4, dtype=torch.long)],
        "pixel_values": [*images, *films],
        "pixel_values_videos": films,
        "input_features": [
            *(numbers(mels, 64), numbers(64, mels), numbers(mels, 3000)),
            numbers(mels, 2 * _number(config, "max_source_positions", 64)),
        ],
        "input_values": [numbers(4000), numbers(1, 4000), numbers(1024, 128), numbers(64, mels)],
        "past_values": [numbers(_number(config, "context_length", 32), 1), numbers(64)],
        "hidden_states": [numbers(_LENGTH, 32)],
        "inputs_embeds": [numbers(_LENGTH, 32)],
    }


def _number(config: PretrainedConfig, name: str, default: int) -> int:
    """Return a number of a configuration, or of the first part of it that has one."""
    places = [config, *(v for v in vars(config).values() if isinstance(v, PretrainedConfig))]
    found = (getattr(place, name, None) for place in places)
    return next((value for value in found if isinstance(value, int)), default)


def _size(config: PretrainedConfig) -> int:
    return _number(config, "image_size", 64)
