"""Norms, and the statistics that norms which are written out are made of."""

from __future__ import annotations

from functools import partial

from torch import nn

from infoflow.graph.operations.operation import Operation, Passing, Role

_norm = partial(Operation, family="norm", role=Role.FOLLOW, multiply_adds=0)
_statistic = partial(Operation, family="statistic", is_statistic=True, multiply_adds=0)

BATCH_NORM = _norm(
    name="batch_norm",
    functions=("batch_norm",),
    modules=(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    passing=Passing.NORM,
)
OPERATIONS = (
    BATCH_NORM,
    _norm(
        name="instance_norm",
        functions=("instance_norm",),
        modules=(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
        passing=Passing.NORM,
    ),
    _norm(
        name="group_norm",
        functions=("group_norm",),
        modules=(nn.GroupNorm,),
        passing=Passing.GROUPS,
    ),
    _norm(name="norm", modules=(nn.modules.batchnorm._NormBase,)),
    _norm(name="layer_norm", functions=("layer_norm",), modules=(nn.LayerNorm,)),
    _norm(name="rms_norm", functions=("rms_norm",), modules=(nn.RMSNorm,)),
    _norm(name="normalize", functions=("normalize",)),
    _norm(
        name="local_response_norm",
        functions=("local_response_norm",),
        modules=(nn.LocalResponseNorm, nn.CrossMapLRN2d),
    ),
    _statistic(name="mean", functions=("mean",), passing=Passing.MEAN),
    *(
        _statistic(name=name, functions=(name,))
        for name in ("sum", "var", "std", "amax", "amin", "norm", "vector_norm")
    ),
    *(
        Operation(name=name, family="statistic", functions=(name,), multiply_adds=0)
        for name in (
            *("linalg_vector_norm", "linalg_norm", "frobenius_norm", "var_mean", "std_mean"),
            *("nansum", "nanmean", "logsumexp", "prod", "all", "any", "max", "min", "argmax"),
            *("argmin", "median", "nanmedian", "mode", "quantile", "nanquantile", "aminmax"),
            *("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "diff", "trace"),
            *("count_nonzero", "bincount", "histc", "cosine_similarity", "pairwise_distance"),
            *("pdist", "sort", "argsort", "msort", "topk", "kthvalue"),
            *("one_hot", "multinomial", "trapezoid", "trapz"),
            *("renorm", "weight_norm", "dist", "is_all_true", "is_any_true"),
        )
    ),
    *(
        Operation(
            name=name,
            family="statistic",
            functions=(name,),
            varies_in_shape=True,
            multiply_adds=0,
        )
        for name in ("unique", "unique_consecutive")
    ),
    *(
        Operation(name=module.__name__, family="distance", modules=(module,), multiply_adds=0)
        for module in (nn.CosineSimilarity, nn.PairwiseDistance)
    ),
    *(
        Operation(name=name, family="loss", functions=(name,), modules=modules, multiply_adds=0)
        for name, modules in {
            "cross_entropy": (nn.CrossEntropyLoss,),
            "nll_loss": (nn.NLLLoss,),
            "mse_loss": (nn.MSELoss,),
            "l1_loss": (nn.L1Loss,),
            "smooth_l1_loss": (nn.SmoothL1Loss,),
            "huber_loss": (nn.HuberLoss,),
            "kl_div": (nn.KLDivLoss,),
            "binary_cross_entropy": (nn.BCELoss,),
            "binary_cross_entropy_with_logits": (nn.BCEWithLogitsLoss,),
        }.items()
    ),
)  # fmt: skip
