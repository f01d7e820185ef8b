"""Tiny configurations of transformers: its own classes with small numbers in place of the usual."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transformers import PretrainedConfig

_WIDTH = (
    *("hidden_size", "d_model", "n_embd", "dim", "embedding_size", "emb_dim", "embed_dim"),
    *("projection_dim", "decoder_hidden_size", "encoder_hidden_size", "word_embed_proj_dim"),
    *("d_embed", "out_hidden_size", "adapter_hidden_size", "model_dim", "attention_hidden_size"),
    *("embedding_dim", "fpn_hidden_size", "mask_feature_size", "qformer_hidden_size"),
)
_HEADS = (
    *(
        "num_attention_heads",
        "num_key_value_heads",
        "n_head",
        "n_heads",
        "num_heads",
        "n_layer_heads",
    ),
    *("encoder_attention_heads", "decoder_attention_heads", "decoder_num_attention_heads"),
)
_FEED_FORWARD = (
    *("intermediate_size", "ffn_dim", "d_ff", "n_inner", "encoder_ffn_dim", "decoder_ffn_dim"),
    *("hidden_dim", "moe_intermediate_size", "mlp_dim", "decoder_intermediate_size", "d_inner"),
    *("shared_expert_intermediate_size", "dim_feedforward", "feed_forward_hidden_dim"),
)
_LAYERS = (
    *("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers"),
    *("num_decoder_layers", "num_encoder_layers", "decoder_num_hidden_layers", "depth"),
    *("l_layers", "x_layers", "r_layers", "num_block_layers", "vision_layers"),
)
_OTHERS = {
    **dict.fromkeys(("vocab_size", "decoder_vocab_size", "text_vocab_size", "src_vocab_size"), 128),
    **dict.fromkeys(("head_dim", "d_kv", "attention_head_size", "kv_channels"), 8),
    **dict.fromkeys(("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("max_source_positions", "max_target_positions"), 128),
    **dict.fromkeys(("num_experts_per_tok", "top_k_experts"), 2),
    **dict.fromkeys(("rotary_dim", "qk_rope_head_dim"), 4),
    "image_size": 64,
    "num_queries": 10,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "scale_embedding": False,
}
_SMALL: dict[str, int] = {
    **dict.fromkeys(_WIDTH, 32),
    **dict.fromkeys(_HEADS, 4),
    **dict.fromkeys(_FEED_FORWARD, 64),
    **dict.fromkeys(_LAYERS, 2),
    **_OTHERS,
}
#: From the smallest to the usual configuration: what is made small.
_STEPS = (
    tuple(_SMALL),
    tuple(set(_SMALL) - {"head_dim", "image_size"}),
    tuple(set(_SMALL) - set(_WIDTH) - {"head_dim", "image_size"} - set(_HEADS)),
    (*_LAYERS, "vocab_size", "image_size"),
    _LAYERS,
    (),
)


def tiny_configs(kind: type[PretrainedConfig]) -> Iterator[PretrainedConfig]:
    """Yield configurations of a class, the smallest first, without those that it refuses."""
    for names in _STEPS:
        try:
            yield kind(**_overrides(kind(), names))
        except Exception:
            continue


def _overrides(config: PretrainedConfig, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the small numbers of a configuration and of its parts."""
    mapped = set(getattr(config, "attribute_map", {}))
    found: dict[str, Any] = {}
    for name, value in vars(config).items():
        if isinstance(value, PretrainedConfig):
            found[name] = {**value.to_dict(), **_overrides(value, names)}
        elif name in names and name not in mapped and type(value) is int:
            found[name] = min(_SMALL[name], value)
        elif name == "layer_types" and isinstance(value, list) and "num_hidden_layers" in names:
            found[name] = _alternating(value)
    return found


def _alternating(types: list[str]) -> list[str]:
    """Return two layers, of different types where there are any."""
    kinds = list(dict.fromkeys(types))
    return (kinds * 2)[:2]
