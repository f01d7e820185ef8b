"""Activations, dropout, arithmetic and casts: each number by itself, or with what is beside it."""

from __future__ import annotations

from functools import partial

from torch import nn

from infoflow.graph.operations.operation import Operation, Passing, Role

_activation = partial(Operation, family="activation", role=Role.FOLLOW, multiply_adds=0)
_alone = partial(_activation, passing=Passing.ELEMENTWISE)
_dropout = partial(_activation, family="dropout", is_idle=True)
_arithmetic = partial(
    Operation,
    family="arithmetic",
    role=Role.FOLLOW,
    passing=Passing.ELEMENTWISE,
    multiply_adds=0,
)

ACTIVATIONS = (
    *(
        _alone(name=name, functions=(name,), modules=(module,))
        for name, module in {
            "relu": nn.ReLU,
            "relu6": nn.ReLU6,
            "leaky_relu": nn.LeakyReLU,
            "rrelu": nn.RReLU,
            "elu": nn.ELU,
            "selu": nn.SELU,
            "celu": nn.CELU,
            "gelu": nn.GELU,
            "silu": nn.SiLU,
            "mish": nn.Mish,
            "sigmoid": nn.Sigmoid,
            "logsigmoid": nn.LogSigmoid,
            "tanh": nn.Tanh,
            "softplus": nn.Softplus,
            "softsign": nn.Softsign,
            "tanhshrink": nn.Tanhshrink,
            "hardtanh": nn.Hardtanh,
            "hardswish": nn.Hardswish,
            "hardsigmoid": nn.Hardsigmoid,
            "hardshrink": nn.Hardshrink,
            "softshrink": nn.Softshrink,
            "threshold": nn.Threshold,
        }.items()
    ),
    *(
        _activation(name=name, functions=(name,), modules=modules)
        for name, modules in {
            "softmax": (nn.Softmax, nn.Softmax2d),
            "log_softmax": (nn.LogSoftmax,),
            "softmin": (nn.Softmin,),
            "glu": (nn.GLU,),
        }.items()
    ),
    _activation(name="prelu", functions=("prelu",)),
    _activation(name="prelu", modules=(nn.PReLU,), passing=Passing.SLOPES),
    _alone(name="identity", modules=(nn.Identity,), is_idle=True),
)
DROPOUT = (
    *(
        _dropout(name=name, functions=(name,), modules=(module,), passing=Passing.ELEMENTWISE)
        for name, module in {
            "dropout": nn.Dropout,
            "dropout1d": nn.Dropout1d,
            "dropout2d": nn.Dropout2d,
            "dropout3d": nn.Dropout3d,
            "alpha_dropout": nn.AlphaDropout,
        }.items()
    ),
    _dropout(
        name="feature_alpha_dropout",
        functions=("feature_alpha_dropout",),
        modules=(nn.FeatureAlphaDropout,),
    ),
    _dropout(
        name="stochastic_depth",
        functions=("stochastic_depth",),
        class_names=("StochasticDepth", "DropPath"),
    ),
)
ARITHMETIC = (
    _arithmetic(name="add", functions=("add", "iadd", "radd"), in_place=("iadd",), neutral=0),
    _arithmetic(
        name="sub",
        functions=("sub", "isub", "subtract"),
        in_place=("isub",),
        neutral=0,
        commutes=False,
    ),
    _arithmetic(name="rsub", functions=("rsub",)),
    _arithmetic(
        name="mul", functions=("mul", "imul", "rmul", "multiply"), in_place=("imul",), neutral=1
    ),
    _arithmetic(
        name="div",
        functions=("div", "truediv", "itruediv", "rtruediv", "true_divide", "divide"),
        in_place=("itruediv",),
        neutral=1,
        commutes=False,
    ),
    _arithmetic(name="pow", functions=("pow", "ipow", "rpow"), in_place=("ipow",)),
    _arithmetic(name="abs", functions=("abs", "absolute")),
    _arithmetic(name="neg", functions=("neg", "negative")),
    *(
        _arithmetic(name=name, functions=(name,))
        for name in (
            *("clamp", "clip", "exp", "log", "log1p", "sqrt", "rsqrt", "square", "sin", "cos"),
            *("erf", "reciprocal"),
        )
    ),
    *(
        _activation(name=name, functions=(name,), family="arithmetic")
        for name in ("addcmul", "masked_fill", "where")
    ),
)
CASTS = (
    *(
        _arithmetic(name=name, functions=(name,), family="cast", is_idle=True)
        for name in ("contiguous", "clone", "detach")
    ),
    *(
        _arithmetic(name=name, functions=(name,), family="cast")
        for name in ("float", "half", "double", "bfloat16")
    ),
    *(
        _activation(name=name, functions=(name,), family="cast", reads="first")
        for name in ("to", "type_as")
    ),
    *(
        _activation(name=name, functions=(name,), family="cast")
        for name in ("type", "requires_grad", "packed", "data", "real")
    ),
    _activation(name="new_tensor", functions=("new_tensor",), family="cast", reads="second"),
)
#: Edges that cost no products: a merge, where streams from different layers meet in them.
OTHERS = tuple(
    Operation(
        name=name, family="arithmetic", functions=(name, *more), in_place=more, multiply_adds=0
    )
    for name, more in {
        **{f"{name}": (f"i{name}",) for name in ("floordiv", "mod", "and", "or", "xor")},
        **{f"{name}": (f"i{name}",) for name in ("lshift", "rshift")},
        **dict.fromkeys(
            (
                *("addcdiv", "lerp", "atan2", "fmod", "remainder", "floor_divide", "heaviside"),
                *("floor", "ceil", "round", "trunc", "frac", "sign", "sgn", "exp2", "expm1"),
                *("log2", "log10", "logit", "sinh", "cosh", "tan", "asin", "acos", "atan"),
                *("asinh", "acosh", "atanh", "sinc", "erfc", "erfinv", "lgamma", "digamma"),
                *("maximum", "minimum", "fmax", "fmin", "eq", "ne", "lt", "le", "gt", "ge"),
                *("logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and"),
                *("bitwise_or", "bitwise_xor", "bitwise_not", "invert", "isnan", "isinf"),
                *("isfinite", "isin", "isclose", "nan_to_num", "bernoulli", "polar", "complex"),
                *("angle", "conj", "resolve_conj", "resolve_neg", "int", "long", "bool", "short"),
                *("cpu", "cuda", "numpy", "logaddexp", "hypot", "clamp_min", "clamp_max"),
                *(
                    "copysign",
                    "xlogy",
                    "special_expit",
                    "log_sigmoid",
                    "gumbel_softmax",
                    "kron",
                    "outer",
                    "ger",
                ),
                *("cross", "linalg_cross", "cartesian_prod", "bucketize", "searchsorted"),
            ),
            (),
        ),
    }.items()
)
OPERATIONS = (*ACTIVATIONS, *DROPOUT, *ARITHMETIC, *CASTS, *OTHERS)
