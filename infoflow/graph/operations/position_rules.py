"""Pooling, upsampling and padding: functions of the positions within each channel."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from torch import nn

from infoflow.graph.operations.operation import Operation, Passing

_spatial = partial(Operation, passing=Passing.SPATIAL, multiply_adds=0)


def _pooling() -> Iterator[Operation]:
    for dimensions in (1, 2, 3):
        for kind, words in {"max": "Max", "avg": "Avg", "lp": "LP"}.items():
            module = getattr(nn, f"{words}Pool{dimensions}d", None)
            yield _spatial(
                name=f"{kind}_pool{dimensions}d",
                family="pooling",
                functions=(f"{kind}_pool{dimensions}d",),
                modules=() if module is None else (module,),
                positions=dimensions,
            )
        for kind, words in {"max": "Max", "avg": "Avg"}.items():
            yield _spatial(
                name=f"adaptive_{kind}_pool{dimensions}d",
                family="pooling",
                functions=(f"adaptive_{kind}_pool{dimensions}d",),
                modules=(getattr(nn, f"Adaptive{words}Pool{dimensions}d"),),
                positions=dimensions,
            )
        yield _spatial(
            name=f"max_unpool{dimensions}d",
            family="pooling",
            modules=(getattr(nn, f"MaxUnpool{dimensions}d"),),
            positions=dimensions,
        )
    for dimensions in (2, 3):
        yield _spatial(
            name=f"fractional_max_pool{dimensions}d",
            family="pooling",
            modules=(getattr(nn, f"FractionalMaxPool{dimensions}d"),),
            positions=dimensions,
        )


def _padding() -> Iterator[Operation]:
    yield _spatial(name="pad", family="padding", functions=("pad",))
    for dimensions in (1, 2, 3):
        kinds = ("Circular", "Constant", "Reflection", "Replication", "Zero")
        yield _spatial(
            name="pad",
            family="padding",
            modules=tuple(getattr(nn, f"{kind}Pad{dimensions}d") for kind in kinds),
            positions=dimensions,
        )


UPSAMPLING = (
    *(
        _spatial(name=name, family="upsampling", functions=(name,))
        for name in ("interpolate", "upsample_bilinear", "upsample_nearest")
    ),
    _spatial(name="upsample", family="upsampling", functions=("upsample",), modules=(nn.Upsample,)),
    _spatial(
        name="upsample",
        family="upsampling",
        modules=(nn.UpsamplingBilinear2d, nn.UpsamplingNearest2d),
        positions=2,
    ),
)
_resampling = partial(Operation, family="resampling", multiply_adds=0)
#: Those that mix channels with positions, or take more than one tensor.
OTHERS = tuple(
    _resampling(name=name, functions=(name,), modules=modules)
    for name, modules in {
        "fold": (nn.Fold,),
        "unfold": (nn.Unfold,),
        "grid_sample": (),
        **{f"max_unpool{n}d": () for n in (1, 2, 3)},
        **{f"fractional_max_pool{n}d": () for n in (2, 3)},
        **dict.fromkeys(("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool"), ()),
    }.items()
)
BOXES = (_resampling(name="nms", functions=("nms",), varies_in_shape=True),)
OPERATIONS = (*_pooling(), *_padding(), *UPSAMPLING, *OTHERS, *BOXES)
