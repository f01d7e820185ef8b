"""The projections inside of ``nn.MultiheadAttention``, as linear layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from infoflow.graph.running.pytree import first_tensor
from infoflow.pruning.mending.finding import Look, Place
from infoflow.pruning.mending.kernels import Kernel
from infoflow.pruning.mending.regression_targets import Target
from infoflow.pruning.variants import Variant

_INPUTS = ("query", "key", "value")


def attention_parts(
    variant: Variant, node: fx.Node, whole: nn.MultiheadAttention
) -> list[tuple[Place, Target | None]]:
    """Return the projections of an attention module, in the order of computation.

    Parameters
    ----------
    variant
        The net without streams.
    node
        The node that calls the module.
    whole
        The module of the whole net.

    Returns
    -------
    list of (Place, Target)
        No target for the last projection, whose output is the module's.
    """
    given = dict(zip(_INPUTS, node.args, strict=False)) | dict(node.kwargs)
    values = [given.get(name) for name in _INPUTS]
    if not all(isinstance(value, fx.Node) and value in variant.whole for value in values):
        return []
    nodes = [value for value in values if isinstance(value, fx.Node)]
    return [*_projections_in(variant, node, whole, nodes), (_out(variant, node, nodes), None)]


def _projections_in(
    variant: Variant, node: fx.Node, whole: nn.MultiheadAttention, nodes: list[fx.Node]
) -> list[tuple[Place, Target | None]]:
    """Return the projections of query, key and value; those of one input and one matrix in one."""
    name, width = str(node.target), whole.embed_dim
    bias = None if whole.in_proj_bias is None else f"{name}.in_proj_bias"
    if not whole._qkv_same_embed_dim:
        return []
    runs: list[tuple[fx.Node, int, int]] = []
    for number, value in enumerate(nodes):
        if runs and runs[-1][0] is value:
            runs[-1] = (value, runs[-1][1], runs[-1][2] + width)
        else:
            runs.append((value, number * width, width))
    found: list[tuple[Place, Target | None]] = []
    for value, start, size in runs:
        kernel = Kernel("linear", (size, width))
        weight = f"{name}.in_proj_weight"
        place = Place(node, (value,), kernel, weight, bias, part=(start, size))
        target = Target(variant.whole[value], (_projected(whole, start, size),))
        found.append((place, target))
    return found


def _projected(whole: nn.MultiheadAttention, start: int, size: int) -> Any:
    def project(value: Tensor, look: Look) -> Tensor:
        weight: Any = whole.in_proj_weight
        bias: Any = whole.in_proj_bias
        part = None if bias is None else bias.narrow(0, start, size)
        return functional.linear(value, weight.narrow(0, start, size), part)

    return project


def _out(variant: Variant, node: fx.Node, nodes: list[fx.Node]) -> Place:
    """Return the projection behind the heads; what it reads is computed by the module itself."""
    module: Any = variant.program.module(node)
    name, width = str(node.target), int(module.embed_dim)

    def heads(look: Look) -> Tensor:
        weight = module.out_proj.weight
        plain = {"out_proj.weight": torch.eye(width, dtype=weight.dtype, device=weight.device)}
        if module.out_proj.bias is not None:
            plain["out_proj.bias"] = torch.zeros_like(module.out_proj.bias)
        arguments = fx.node.map_arg(node.args, look)
        options = fx.node.map_arg(node.kwargs, look)
        found = first_tensor(torch.func.functional_call(module, plain, arguments, options))
        assert found is not None
        return found

    others = [n for n in node.all_input_nodes if n not in nodes]
    bias = None if module.out_proj.bias is None else f"{name}.out_proj.bias"
    values = (*dict.fromkeys([*nodes, *others]),)
    kernel = Kernel("linear", (width, width))
    return Place(node, values, kernel, f"{name}.out_proj.weight", bias, compute=heads)
