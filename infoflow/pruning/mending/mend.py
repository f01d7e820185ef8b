"""Refitting the layers of a net without streams, in place."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from infoflow.capture.batches import Samples
from infoflow.graph import LayerGraph
from infoflow.graph.tracing.call import Call
from infoflow.interface import ActivationError, PruningWarning
from infoflow.pruning.mending.kernels import as_matrices, from_matrices, row_count, rows
from infoflow.pruning.mending.lockstep import Lane, Route, lanes
from infoflow.pruning.mending.regression import Moments, about_zero, add, moments, solve
from infoflow.pruning.mending.sites import Mender, Site, _attribute, plan_sites
from infoflow.pruning.rewriting.model import PrunedModel
from infoflow.pruning.variants import Footprint, Variant, ready, variant_of

ROWS_PER_UNKNOWN = 32
FEWEST_ROWS = 20_000
CHUNK_BYTES = 2**26


def mend(slim, graph, calls, samples, mender, footprint, *, ridge=0.01, towards="current", sums=True, budget=2e9, seed=0, refresh=False, rows_per_unknown=ROWS_PER_UNKNOWN):
    first = variant_of(slim, graph, footprint)
    layers = [draft.node for draft in graph.anatomy.streams.layers]
    plan, changed = plan_sites(first, footprint, layers, mender, int(budget / 4), sums=sums)
    variant = Variant(first.program, slim.lineage, graph.program, footprint, changed)
    route = Route(variant, graph.program, footprint, plan.sites)
    kept = []
    with ready(graph.program.model, slim):
        for place, step in enumerate(route.steps):
            if not isinstance(step, Site):
                continue
            total = None
            for number, lane in enumerate(lanes(route, calls, place, kept, budget)):
                total = _accumulate(total, step, lane, samples, rows_per_unknown, (seed, place, number))
            _refit(slim, step, total, ridge, towards)
    return plan


def _accumulate(total, site, lane, samples, per_unknown, seeds):
    value = lane.look(site.place.value)
    target = site.target.of(lane.look_whole(site.target.node), lane.look)
    kernel = site.place.kernel
    count = row_count(kernel, target)
    most = max(FEWEST_ROWS, per_unknown * kernel.unknowns)
    share = min(1.0, most * lane._samples / (samples * count))
    if share < 1:
        gen = torch.Generator().manual_seed(hash(seeds) % 2**63)
        chosen = torch.randperm(count, generator=gen)[: math.ceil(share * count)].sort().values
    else:
        chosen = torch.arange(count)
    chunk = max(1, CHUNK_BYTES // (8 * kernel.groups * (kernel.unknowns + 1)))
    for x, t in rows(kernel, value, target, chosen, chunk):
        total = add(total, moments(x, t))
    return total


def _refit(net, site, total, ridge, towards):
    kernel = site.place.kernel
    weight = _attribute(net, site.place.weight)
    start = as_matrices(kernel, weight)
    if not site.has_intercept:
        total = about_zero(total)
    if not bool(total.gram.isfinite().all()):
        raise ActivationError(f"{site.place.name} not finite")
    fit = solve(total, ridge, start if towards == "current" else torch.zeros_like(start))
    new = from_matrices(kernel, fit.weight).to(weight)
    intercept = fit.intercept.reshape(-1)
    silent = site.target.silent()
    if silent is not None and bool(silent.any()):
        axis = 1 if kernel.kind in ("matrix", "transposed") else 0
        assert kernel.groups == 1 or kernel.kind != "transposed"
        keep = silent.nonzero().flatten()
        new.index_copy_(axis, keep, weight.detach().index_select(axis, keep))
    with torch.no_grad():
        if site.place.bias is not None:
            b = _attribute(net, site.place.bias)
            new_b = intercept.to(b)
            b.copy_(new_b if silent is None else torch.where(silent, b, new_b))
        elif site.norm is not None:
            m = net.get_submodule(site.norm).running_mean
            m.sub_(intercept.to(m) if silent is None else torch.where(silent, 0, intercept.to(m)))
        weight.copy_(new)
