"""``infoflow.prune``: a net without some of its streams."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, fx, nn

from infoflow.capture.budget import parse_bytes
from infoflow.capture.loaders import check_loader
from infoflow.graph import LayerGraph, trace
from infoflow.graph.running.model_state import check_model
from infoflow.graph.tracing_options import TracingOptions
from infoflow.interface import (
    ArgumentError,
    ArgumentTypeError,
    PruningWarning,
    total,
    warn,
)
from infoflow.interface.argument_checks import one_of, seed_number
from infoflow.pruning.choice import Removal, StreamName, StreamNames, removals
from infoflow.pruning.graph_to_prune import first_call, graph_of, known_graph
from infoflow.pruning.mending.choosing import Mend, Recipe, check_recipe, mend_pruned
from infoflow.pruning.mending.comparing import LossChoice
from infoflow.pruning.mending.mend import RIDGE
from infoflow.pruning.report import Pruning, Removed
from infoflow.pruning.rewriting.build import build, in_training
from infoflow.pruning.rewriting.limits import limits, unused_parameters, used_parameters
from infoflow.pruning.rewriting.means import means_of
from infoflow.pruning.rewriting.model import PrunedModel
from infoflow.pruning.rewriting.proof import MismatchError, compare, constants_gone
from infoflow.pruning.rewriting.remove import RemovalMode, remove
from infoflow.pruning.rewriting.reset import Reset, check_reset, reset_weights
from infoflow.pruning.rewriting.surgery import Shapes, Surgery, value_shapes


def prune(
    model: nn.Module,
    streams: StreamName | Iterable[StreamName],
    example: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    mode: RemovalMode = "auto",
    data: Iterable[Any] | None = None,
    reset: Reset = False,
    mend: Mend = None,
    calibrate: Iterable[Any] | None = None,
    loss: LossChoice = "auto",
    ridge: float = RIDGE,
    memory_budget: int | float | str = "2GB",
    seed: int = 0,
    tracing: TracingOptions | None = None,
) -> PrunedModel:
    """Return a net without some of its streams; the model is left as it is.

    A concatenated stream is *cut*: the layers that read the concatenation lose those input
    channels, and so do the norms between. In a sum, the other streams stay. In a product, the
    stream becomes 1. Layers that nothing reads any more are removed too, such as a residual block
    or a branch of an encoder. The new net is compared with the model whose streams are set to zero,
    on the example, on new input and with another number of samples.

    Parameters
    ----------
    model
        Any module that :func:`infoflow.trace` can replay.
    streams
        ``"source->merge"``, by names or by indices as in ``print(infoflow.trace(…))``
        (``"#1->#20"`` where names are numbers, too), Skips, ``advice.prunable`` or
        ``advice.cuttable``. A main stream can go, too: without its branch, a residual block is
        gone.
    example, kwargs
        A batch of inputs, as for :func:`infoflow.trace`. None takes it of ``calibrate`` or
        ``data``; names from advice on this very model, not read from a file, need none.
    mode
        ``"cut"`` changes the structure, or raises where it cannot. ``"zero"`` keeps the structure
        and puts zeros in place of the stream (ones in a product), ``"mean"`` the stream's mean over
        ``data``. ``"auto"`` cuts; where that is not possible, it zeroes with a PruningWarning.
    data
        A loader, for ``mode="mean"``.
    reset
        True re-initialises every module by its ``reset_parameters``; a function is applied to
        every module, as by ``nn.Module.apply``. The paper trains its smaller nets from scratch.
    mend
        What to refit to the whole net's values, in closed form: no training, no labels.
        ``"reader"``: the layers that read the merges; batch norms behind them get new statistics.
        ``"cascade"``: every linear layer and convolution behind the cut, in order. In a sum, the
        last layer of the branch that stays learns the whole sum. ``"auto"``: for
        ``ablation.cuttable``, what mended best in the ablation; otherwise whatever loses least, the
        plain cut included, on a quarter of ``calibrate`` that does not mend. None: nothing.
    calibrate
        A loader of samples that mend; training data will do. About 1,000 are enough for most nets.
    loss
        The loss by which ``mend="auto"`` chooses, as for :func:`infoflow.ablate`; for samples
        without labels, the divergence from the model's own prediction.
    ridge
        Strength of the ridge regression that refits: the penalty is this share of the mean
        variance of what a layer reads, and shrinks towards the weights that the layer has.
    memory_budget
        Memory for mending, in bytes or as ``"2GB"``. Values that do not fit are computed again,
        with the same result. Layers whose regression does not fit are left, and named.
    seed
        Of the choice of samples, and of positions where a regression sees only some.
    tracing
        Which modules to keep whole or to open, where an example is given: an
        :class:`infoflow.TracingOptions`.

    Returns
    -------
    PrunedModel
        ``.pruning`` says what was removed and saved, ``.pruning.mending`` what was refitted.
        Mending changes no shape and no name of a parameter.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If a stream does not exist or its name means two, or an example or data are needed.
    PruningError
        If a stream is the only way to the output, cannot be cut (``mode="cut"``), or the model
        cannot be replayed or copied, or takes arguments that are no tensors, or samples of
        ``calibrate`` are not like the example.
    ActivationError
        If a layer's values are not finite on ``calibrate``.

    Warns
    -----
    PruningWarning
        If a stream was zeroed and not cut, or a layer was refitted on fewer rows than unknowns.

    Examples
    --------
    >>> import torch
    >>> from infoflow.testing import UNet
    >>> model, images = UNet(base_channels=2), torch.rand(32, 3, 16, 16)
    >>> slim = prune(model, ["1->20", "3->17"], images[:2])
    >>> slim.pruning.parameters == 4 * 4 * 9 + 2 * 2 * 9
    True
    >>> slim(images).shape
    torch.Size([32, 1, 16, 16])
    >>> slim = prune(model, "3->17", images[:2], mend="cascade", calibrate=[images])
    >>> slim.pruning.mending.refitted[:2]
    ('decoder.2.0', 'decoder.2.2')
    """
    check_model(model)
    one_of("mode", mode, ("auto", "cut", "zero", "mean"))
    check_reset(reset)
    seed = seed_number(seed)
    if mode == "mean" and data is None:
        raise ArgumentError("mode='mean' needs data=, a loader to take the mean over, got None.")
    for loader in (data, calibrate):
        if loader is not None:
            check_loader(loader)
    check_recipe(mend, calibrate, ridge)
    budget = parse_bytes(memory_budget)
    if mend is not None and reset:
        raise ArgumentError("reset= makes new weights, which mend= would refit. Pass one of both.")
    if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        raise ArgumentTypeError(
            f"model must be a net of its own, got one inside of {type(model).__name__}. Pass "
            "model.module."
        )
    if example is None and kwargs is None and known_graph(streams, model) is None:
        example = first_call(model, calibrate if data is None else data)
    graph = graph_of(model, streams, example, kwargs, TracingOptions.of(tracing))
    chosen = removals(graph, streams)
    if not chosen and isinstance(streams, StreamNames):
        warn("No stream can go, so the net stays whole.", PruningWarning)
    elif not chosen:
        raise ArgumentError(
            "streams must name at least one stream, got none: the net would stay whole. "
            "print(infoflow.trace(model, example)) shows all of them."
        )
    means = None if data is None or mode != "mean" else means_of(graph, chosen, data)
    try:
        slim = _without(graph, chosen, mode, means)
    except MismatchError as mismatch:
        if mode != "auto":
            raise
        said = str(mismatch).partition(". ")[0]
        slim = _without(graph, chosen, "zero", None, said[0].lower() + said[1:])
    _warn(slim.pruning.streams)
    if mend is not None and calibrate is not None:
        judged: Any = streams.mender if isinstance(streams, StreamNames) else ""
        mender = judged if judged and mend == "auto" else mend
        recipe = Recipe(mender, calibrate, loss, ridge, budget, seed)
        mending = mend_pruned(slim, graph, recipe)
        slim.pruning = replace(slim.pruning, mending=mending)
        if mending.notes:
            warn(f"{mending.notes[0]}. See .pruning.mending for all.", PruningWarning)
    if reset:
        reset_weights(slim, reset)
    return slim


def _without(
    graph: LayerGraph,
    chosen: Sequence[Removal],
    mode: RemovalMode,
    means: Mapping[fx.Node, Tensor] | None,
    reason: str = "",
) -> PrunedModel:
    """Return the net without streams, compared with the original and accounted for."""
    call = graph.source.example
    assert call is not None
    shapes = value_shapes(graph, call)
    work = Surgery(graph, call, shapes)
    removed = remove(work, chosen, mode, means)
    if reason:
        removed = [replace(stream, reason=reason) for stream in removed]
    notes = [*unused_parameters(graph), *limits(graph), *in_training(work)]
    slim = build(work, Pruning(graph.model, tuple(removed)))
    checks = compare(slim, graph, shapes, chosen, removed, means)
    if any(stream.how == "cut" for stream in removed):
        constants = constants_gone(slim, graph, shapes, chosen)
        notes += [constants] if constants else []
    pruning = replace(slim.pruning, checks=checks, notes=tuple(notes))
    slim.pruning = _account(slim, graph, pruning)
    return slim


def _warn(removed: Sequence[Removed]) -> None:
    left = [stream for stream in removed if stream.reason]
    if left:
        more = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
        warn(f"{left[0]}{more}. See .pruning for all.", PruningWarning)


def carve(
    graph: LayerGraph, chosen: Sequence[Removal], shapes: Shapes | None = None
) -> PrunedModel:
    """Return the net without streams as :func:`prune` makes it, not compared nor accounted for.

    Parameters
    ----------
    graph
        A traced graph, with its program.
    chosen
        What shall go.
    shapes
        Shapes of the program's values, where they are known.
    """
    call = graph.source.example
    assert call is not None
    work = Surgery(graph, call, shapes)
    removed = remove(work, chosen, "auto")
    return build(work, Pruning(graph.model, tuple(removed)))


def _account(slim: PrunedModel, graph: LayerGraph, pruning: Pruning) -> Pruning:
    """Count what is left, in the way in which the original was counted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        after = trace(slim, graph.source.example)
    return replace(
        pruning,
        parameters_before=sum(p.numel() for p in used_parameters(graph).values()),
        parameters_after=sum(p.numel() for p in slim.parameters()),
        multiply_adds_before=total(layer.multiply_adds for layer in graph),
        multiply_adds_after=total(layer.multiply_adds for layer in after),
    )
