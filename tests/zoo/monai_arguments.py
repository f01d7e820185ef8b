"""Arguments of MONAI's constructors: what each net needs, small; a list holds variants."""

from __future__ import annotations

from typing import Any

#: Modules among the nets that are parts of others, bases, or abstract.
PARTS = {
    *("BertAttention", "BertMixedLayer", "BertOutput", "BertPreTrainedModel", "Pooler"),
    *("PatchMerging", "PatchMergingV2", "ResNetBlock", "ResNetBottleneck", "HighResBlock"),
    *("TopologyConstruction", "EfficientNetEncoder", "FlexUNetEncoder", "BaseEncoder"),
    *("ResNetEncoder", "TopologyInstance", "TopologySearch"),
}
_PLAIN = {"channels": (8, 16, 32), "strides": (2, 2)}
_CODER = {"channels": (8, 16), "strides": (2, 2)}
_IMAGES = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2}
_VOLUMES = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2}
_PYRAMID = {
    "num_res_blocks": (1, 1, 1),
    "channels": (16, 32, 32),
    "attention_levels": (False, True, True),
    "norm_num_groups": 8,
}
_DIFFUSION = {**_PYRAMID, "spatial_dims": 2, "in_channels": 1, "num_head_channels": 8}
_SPADE = {**_PYRAMID, "spatial_dims": 2, "label_nc": 3, "spade_intermediate_channels": 16}
_SMALL_VIT = {"hidden_size": 48, "mlp_dim": 64, "num_layers": 3, "num_heads": 4}
_KERNELS = {"kernel_size": (3, 3, 3), "strides": (1, 2, 2), "upsample_kernel_size": (2, 2)}
_BERT = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 100,
    "max_position_embeddings": 64,
    "num_hidden_layers": 2,
}
_SE = {"spatial_dims": 2, "in_channels": 3, "num_classes": 2}

Options = dict[str, Any]
ARGUMENTS: dict[str, list[Options]] = {
    "AHNet": [{"spatial_dims": 2}, {"spatial_dims": 3, "psp_block_num": 1}],
    "AttentionUnet": [{**_IMAGES, **_PLAIN}, {**_VOLUMES, **_PLAIN}],
    "AutoEncoder": [{**_IMAGES, **_CODER, "num_res_units": 1}],
    "AutoencoderKL": [{"spatial_dims": 2, **_PYRAMID}, {"spatial_dims": 3, **_PYRAMID}],
    "BasicUNet": [{"spatial_dims": 2}, {"spatial_dims": 3}],
    "BasicUNetPlusPlus": [{"spatial_dims": 2}, {"spatial_dims": 2, "deep_supervision": True}],
    "Classifier": [{"in_shape": (1, 64, 64), "classes": 3, **_PLAIN, "_shape": (1, 64, 64)}],
    "ControlNet": [{**_DIFFUSION, "conditioning_embedding_num_channels": (16,)}],
    "Critic": [{"in_shape": (1, 64, 64), **_PLAIN, "_shape": (1, 64, 64)}],
    "DAF3D": [{"in_channels": 1, "out_channels": 2}],
    "DecoderOnlyTransformer": [
        {
            "num_tokens": 50,
            "max_seq_len": 16,
            "attn_layers_dim": 32,
            "attn_layers_depth": 2,
            "attn_layers_heads": 4,
        }
    ],
    "DenseNet": [_IMAGES],
    "DenseNet121": [_VOLUMES],
    "DenseNet169": [_IMAGES],
    "DenseNet201": [_IMAGES],
    "DenseNet264": [_IMAGES],
    "DiNTS": [{"in_channels": 1, "num_classes": 2}],
    "DiffusionModelUNet": [
        {**_DIFFUSION, "out_channels": 1},
        {**_DIFFUSION, "out_channels": 1, "resblock_updown": True},
    ],
    "Discriminator": [{"in_shape": (1, 64, 64), **_PLAIN, "_shape": (1, 64, 64)}],
    "DynUNet": [
        {**_IMAGES, **_KERNELS},
        {**_VOLUMES, **_KERNELS, "res_block": True},
        {**_IMAGES, **_KERNELS, "deep_supervision": True},
    ],
    "EfficientNet": [
        {"blocks_args_str": ["r1_k3_s11_e1_i32_o16_se0.25", "r2_k3_s22_e6_i16_o24_se0.25"]}
    ],
    "EfficientNetBN": [{"model_name": "efficientnet-b0", "pretrained": False}],
    "EfficientNetBNFeatures": [{"model_name": "efficientnet-b0", "pretrained": False}],
    "FlexibleUNet": [
        {"in_channels": 3, "out_channels": 2, "backbone": "efficientnet-b0"},
        {"in_channels": 3, "out_channels": 2, "backbone": "resnet18"},
    ],
    "FullyConnectedNet": [
        {"in_channels": 10, "out_channels": 3, "hidden_channels": (16, 8), "_shape": (10,)}
    ],
    "Generator": [{"latent_shape": (12,), "start_shape": (8, 8, 8), **_PLAIN, "_shape": (12,)}],
    "GlobalNet": [
        {
            "image_size": [32, 32],
            "spatial_dims": 2,
            "in_channels": 1,
            "num_channel_initial": 8,
            "depth": 2,
            "_shape": (1, 32, 32),
        }
    ],
    "HighResNet": [{"spatial_dims": 2}, {"spatial_dims": 3}],
    "HoVerNet": [{"_shape": (3, 256, 256)}],
    "HyenaNDUNETR": [{"in_channels": 1, "out_channels": 2, "hyena_stages": (True,) * 4}],
    "LocalNet": [
        {"spatial_dims": 2, "in_channels": 1, "num_channel_initial": 8, "extract_levels": (0, 1, 2)}
    ],
    "MILModel": [{"num_classes": 2, "mil_mode": mode} for mode in ("att", "mean", "att_trans")],
    "MaskedAutoEncoderViT": [
        {
            "in_channels": 1,
            "img_size": (32, 32),
            "patch_size": (8, 8),
            "spatial_dims": 2,
            **_SMALL_VIT,
            "decoder_hidden_size": 32,
            "decoder_mlp_dim": 64,
            "decoder_num_layers": 2,
            "decoder_num_heads": 4,
            "_shape": (1, 32, 32),
        }
    ],
    "MedNeXt": [{"spatial_dims": 2, "init_filters": 8, "use_residual_connection": True}],
    "MultiModal": [
        {
            "num_language_layers": 1,
            "num_vision_layers": 1,
            "num_mixed_layers": 1,
            "bert_config": _BERT,
        }
    ],
    "MultiScalePatchDiscriminator": [
        {
            "num_d": 2,
            "num_layers_d": 2,
            "spatial_dims": 2,
            "channels": 8,
            "in_channels": 1,
            "minimum_size_im": 64,
            "_shape": (1, 64, 64),
        }
    ],
    "NaViT": [
        {"image_size": (32, 32), "patch_size": 8, "num_classes": 2, "spatial_dims": 2, **_SMALL_VIT}
    ],
    "NetAdapter": [{"num_classes": 2, "dim": 2, "pool": None, "_shape": (3, 64, 64)}],
    "PatchDiscriminator": [{"spatial_dims": 2, "channels": 8, "in_channels": 1}],
    "Quicknat": [{"num_classes": 3, "num_filters": 16, "_shape": (1, 64, 64)}],
    "RegUNet": [{"spatial_dims": 2, "in_channels": 1, "num_channel_initial": 8, "depth": 2}],
    "Regressor": [{"in_shape": (1, 64, 64), "out_shape": (2,), **_PLAIN, "_shape": (1, 64, 64)}],
    "ResNet": [
        {
            "block": "basic",
            "layers": [1, 1, 1, 1],
            "block_inplanes": [8, 16, 32, 64],
            "spatial_dims": 3,
            "n_input_channels": 1,
        }
    ],
    "ResNetFeatures": [{"model_name": "resnet18", "pretrained": False, "spatial_dims": 2}],
    "SENet": [
        {
            **_SE,
            "block": "se_resnet_bottleneck",
            "layers": [1, 1, 1, 1],
            "groups": 1,
            "reduction": 16,
            "inplanes": 64,
        }
    ],
    **{
        name: [_SE]
        for name in (
            *(
                "SENet154",
                "SEResNext101",
                "SEResNext50",
                "SEResNet101",
                "SEResNet152",
                "SEResNet50",
            ),
        )
    },
    "SPADEAutoencoderKL": [_SPADE],
    "SPADEDiffusionModelUNet": [
        {**_SPADE, "in_channels": 1, "out_channels": 1, "num_head_channels": 8}
    ],
    "SPADENet": [
        {
            "spatial_dims": 2,
            "in_channels": 1,
            "out_channels": 1,
            "label_nc": 3,
            "input_shape": [64, 64],
            "channels": [8, 16],
            "z_dim": 16,
        }
    ],
    "SegResNet": [{"spatial_dims": 2}, {"spatial_dims": 3}],
    "SegResNetDS": [{"spatial_dims": 2, "dsdepth": 2}, {"spatial_dims": 3}],
    "SegResNetDS2": [{"spatial_dims": 2}],
    "SegResNetVAE": [
        {"input_image_size": (32, 32), "spatial_dims": 2, "vae_nz": 16, "_shape": (1, 32, 32)}
    ],
    "SwinUNETR": [
        {**_IMAGES, "feature_size": 12},
        {**_VOLUMES, "feature_size": 12, "use_v2": True},
    ],
    "TorchVisionFCModel": [{"num_classes": 2, "_shape": (3, 224, 224)}],
    "Transchex": [
        {
            "in_channels": 3,
            "img_size": (32, 32),
            "patch_size": (8, 8),
            "num_classes": 2,
            "num_language_layers": 1,
            "num_vision_layers": 1,
            "num_mixed_layers": 1,
            **_BERT,
        }
    ],
    "UNETR": [
        {
            "in_channels": 1,
            "out_channels": 2,
            "img_size": 64,
            "spatial_dims": 2,
            "hidden_size": 48,
            "mlp_dim": 64,
            "_shape": (1, 64, 64),
        }
    ],
    "UNet": [
        {**_IMAGES, **_PLAIN},
        {**_VOLUMES, **_PLAIN, "num_res_units": 2},
    ],
    "VQVAE": [
        {
            **_IMAGES,
            "channels": (16, 32),
            "num_res_channels": 16,
            "num_res_layers": 1,
            "downsample_parameters": ((2, 4, 1, 1),) * 2,
            "upsample_parameters": ((2, 4, 1, 1, 0),) * 2,
        }
    ],
    "VarAutoEncoder": [
        {
            "spatial_dims": 2,
            "in_shape": (1, 32, 32),
            "out_channels": 1,
            "latent_size": 4,
            **_CODER,
            "_shape": (1, 32, 32),
        }
    ],
    "VarFullyConnectedNet": [
        {
            "in_channels": 10,
            "out_channels": 3,
            "latent_size": 2,
            "encode_channels": (8,),
            "decode_channels": (8,),
            "_shape": (10,),
        }
    ],
    "ViT": [
        {
            "in_channels": 1,
            "img_size": (32, 32),
            "patch_size": (8, 8),
            "spatial_dims": 2,
            "classification": True,
            **_SMALL_VIT,
            "_shape": (1, 32, 32),
        }
    ],
    "ViTAutoEnc": [
        {
            "in_channels": 1,
            "img_size": (32, 32),
            "patch_size": (4, 4),
            "spatial_dims": 2,
            **_SMALL_VIT,
            "_shape": (1, 32, 32),
        }
    ],
    "VoxelMorph": [{"spatial_dims": 2}],
    "VoxelMorphUNet": [
        {
            "spatial_dims": 2,
            "in_channels": 2,
            "unet_out_channels": 8,
            "channels": (8, 16, 16, 16, 8, 8),
            "final_conv_channels": (8, 8),
        }
    ],
}
