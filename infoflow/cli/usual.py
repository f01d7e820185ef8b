"""What libraries say of the inputs that their models are made for."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from infoflow.cli.spec import Spec

#: Frames of a video, tokens of a text and numbers of a sound, where a library does not say.
_FRAMES, _TOKENS, _SOUND = 16, 16, 16_000
_IMAGE = 224
#: Samples in an example.
SAMPLES = 2

_Shape = tuple[int, ...]


def is_detector(model: nn.Module) -> bool:
    """Tell whether a model is one of torchvision's that take a list of images."""
    return _is_of(model, "torchvision.models.detection")


def is_flow(model: nn.Module) -> bool:
    """Tell whether a model is one of torchvision's that take two images."""
    return _is_of(model, "torchvision.models.optical_flow")


def _is_of(model: nn.Module, place: str) -> bool:
    return any(kind.__module__.startswith(place) for kind in type(model).__mro__)


def image_shape(model: nn.Module, spec: Spec) -> _Shape | None:
    """Return the shape of one sample, None where neither the model nor its library tells it."""
    if spec.place == "torchvision":
        return _of_torchvision(model, spec.name)
    if spec.place == "smp":
        return (spec.kwargs.get("in_channels", 3), _IMAGE, _IMAGE)
    settings = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None)
    if isinstance(settings, dict) and settings.get("input_size"):
        return _of_timm(tuple(settings["input_size"]), spec)
    return None


def _of_timm(usual: _Shape, spec: Spec) -> _Shape:
    """Return the shape that a model's configuration has, changed as its arguments ask."""
    channels, height, width = usual
    size = spec.kwargs.get("img_size", (height, width))
    height, width = (size, size) if isinstance(size, int) else size
    return spec.kwargs.get("in_chans", channels), height, width


def _of_torchvision(model: nn.Module, name: str) -> _Shape:
    from torchvision import models

    weights = models.get_model_weights(name).DEFAULT
    steps, about = weights.transforms(), weights.meta
    usual = getattr(steps, "crop_size", None) or getattr(steps, "resize_size", None)
    # some builders make a smaller net than the one that the best weights are for
    size = getattr(model, "image_size", None) or (usual or about["min_size"])[-1]
    if _is_of(model, "torchvision.models.video"):
        return 3, max(_FRAMES, about.get("min_temporal_size", 0)), size, size
    return 3, size, size


# --------------------------------------------------------------------------- transformers


def transformers_inputs(model: nn.Module) -> dict[str, Tensor]:
    """Return example arguments of a model of transformers, by name; empty for other models."""
    if not _is_of(model, "transformers.modeling_utils"):
        return {}
    parameters = inspect.signature(model.forward).parameters
    main = str(getattr(model, "main_input_name", ""))
    config: Any = model.config
    names = [main]
    if main == "input_ids" and "pixel_values" in parameters and _sees(config):
        names.append("pixel_values")
    if config.is_encoder_decoder and "decoder_input_ids" in parameters:
        names.append("decoder_input_ids")
    values = {name: _value(name, config) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _sees(config: Any) -> bool:
    """Tell whether a text model takes an image whatever the text is: not at a token for it."""
    has_vision = hasattr(config, "vision_config") or hasattr(config, "image_size")
    return has_vision and not hasattr(config, "image_token_id")


def _value(name: str, config: Any) -> Tensor | None:
    if name in ("input_ids", "decoder_input_ids"):
        return _tokens(config.get_text_config())
    shapes = {
        "pixel_values": _pixels,
        "input_values": _sound,
        "input_features": _features,
    }
    shape = shapes[name](config) if name in shapes else None
    return None if shape is None else uniform(SAMPLES, *shape)


def _tokens(config: Any) -> Tensor:
    """Draw tokens from the middle of the vocabulary: the special ones are at its ends."""
    size = config.vocab_size
    limit = getattr(config, "max_position_embeddings", None) or 0  # some have none, as -1
    length = min(_TOKENS, limit) if limit > 0 else _TOKENS
    return torch.randint(size // 4, max(size // 2, size // 4 + 1), (SAMPLES, length), device="cpu")


def _pixels(config: Any) -> _Shape:
    config = getattr(config, "vision_config", config)
    size = getattr(config, "image_size", None) or _IMAGE
    height, width = (size, size) if isinstance(size, int) else (size[0], size[-1])
    image = (getattr(config, "num_channels", None) or 3, height, width)
    frames = getattr(config, "num_frames", None)
    return image if frames is None else (frames, *image)


def _sound(config: Any) -> _Shape:
    if hasattr(config, "num_mel_bins") and hasattr(config, "max_length"):
        return config.max_length, config.num_mel_bins
    channels = getattr(config, "audio_channels", None)
    return (_SOUND,) if channels is None else (channels, _SOUND)


def _features(config: Any) -> _Shape | None:
    if hasattr(config, "num_mel_bins") and hasattr(config, "max_source_positions"):
        return config.num_mel_bins, 2 * config.max_source_positions
    width = getattr(config, "input_feat_per_channel", None)
    return None if width is None else (10 * _TOKENS, width)


def uniform(*shape: int) -> Tensor:
    """Return random numbers from 0 to 1, on the CPU, of torch's default type."""
    return torch.rand(shape, dtype=torch.get_default_dtype(), device="cpu")
