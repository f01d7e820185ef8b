"""The layers of a net without streams that a mender refits, each with what it shall compute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, fx, nn

from infoflow.graph.tracing.operations import Role, role_of
from infoflow.pruning.mending.finding import Place, Unmendable, place_of
from infoflow.pruning.mending.targets import _NORMS, Target, Targets
from infoflow.pruning.variants import Variant
from infoflow.pruning.variants.memory import Footprint

Mender = Literal["reader", "cascade"]


@dataclass(frozen=True)
class Site:
    """A layer that is refitted.

    Parameters
    ----------
    place
        The layer, and where its weights lie.
    target
        What its output shall be.
    norm
        Name of the batch norm that takes the layer's intercept into its running mean, where the
        layer has no bias and the norm is its only reader; or None.
    """

    place: Place
    target: Target
    norm: str | None = None

    @property
    def has_intercept(self) -> bool:
        """Whether the regression has an intercept."""
        return self.place.bias is not None or self.norm is not None


@dataclass(frozen=True)
class Plan:
    """What a mender refits, in the order of computation, and what it leaves, with reasons."""

    sites: tuple[Site, ...]
    left: tuple[tuple[str, str], ...]


def plan_sites(
    variant: Variant,
    footprint: Footprint,
    layers: Iterable[fx.Node],
    mender: Mender,
    budget: int,
    *,
    sums: bool = True,
) -> tuple[Plan, frozenset[fx.Node]]:
    """Return what a mender refits, and the nodes that change with it.

    Parameters
    ----------
    variant
        The net without streams.
    footprint
        Of the whole net.
    layers
        The whole net's nodes that are the operation of a layer.
    mender
        ``"reader"`` or ``"cascade"``.
    budget
        Bytes that one regression may use.
    """
    places, left = _places(variant, budget)
    targets = Targets(variant, footprint)
    changed = frozenset(variant.changed)
    own_sums = {
        node: target
        for node in places
        if (target := targets.of_sum(node, frozenset())) is not None
    }
    changed = _behind(variant.program.nodes, changed | set(own_sums))
    readers = _readers(variant, places, left, set(layers))
    chosen: list[Site] = []
    for node, place in places.items():
        is_reading = place.value in changed or node in variant.own
        target = own_sums.get(node)
        if target is None and (not is_reading or (mender == "reader" and node not in readers)):
            continue
        if target is None and sums and mender == "cascade":
            target = targets.of_sum(node, changed)
        if target is None:
            old = variant.whole.get(node)
            if old is None:
                continue
            target = Target(old)
        chosen.append(Site(place, target, _norm_behind(variant, place)))
    wanted = readers if mender == "reader" else changed
    reads = {read for site in chosen for read in site.place.reads}
    changed = _behind(variant.program.nodes, changed | reads)
    notes = [(name, why) for node, (name, why) in left.items() if node in wanted]
    return Plan(tuple(chosen), tuple(dict.fromkeys(notes))), changed


def _behind(nodes: Iterable[fx.Node], first: Iterable[fx.Node]) -> frozenset[fx.Node]:
    found = set(first)
    for node in nodes:
        if not found.isdisjoint(node.all_input_nodes):
            found.add(node)
    return frozenset(found)


def _places(
    variant: Variant, budget: int
) -> tuple[dict[fx.Node, Place], dict[fx.Node, tuple[str, str]]]:
    """Return all layers that can be refitted, and why others with weights cannot."""
    net = variant.program.root
    places: dict[fx.Node, Place] = {}
    left: dict[fx.Node, tuple[str, str]] = {}
    uses = _uses(variant.program.nodes, net)
    for node in variant.program.nodes:
        try:
            place = place_of(node, net)
        except Unmendable as reason:
            left[node] = (str(node.target), str(reason))
            continue
        module = variant.program.module(node)
        if place is None:
            if module is not None and role_of(node, module, has_weights=True, value_of_argument=object) is Role.KERNEL:
                left[node] = (str(node.target), f"{type(module).__name__} has no closed form")
            continue
        reason = _obstacle(place, net, uses, budget)
        if reason:
            left[node] = (place.name, reason)
        else:
            places[node] = place
    return places, left


def _uses(nodes: Iterable[fx.Node], net: nn.Module) -> Counter[int]:
    """Count how often each parameter is used: by calls, reads, and under several names."""
    named = dict(net.named_modules(remove_duplicate=False))
    uses: Counter[int] = Counter()
    for node in nodes:
        if node.op == "call_module":
            module = named[str(node.target)]
            uses.update({id(p) for p in module.parameters()})
        elif node.op == "get_attr":
            value = _attribute(net, str(node.target))
            uses.update([id(value)] * max(1, len(node.users)))
    return uses


def _attribute(net: nn.Module, name: str) -> Any:
    place, _, last = name.rpartition(".")
    return getattr(net.get_submodule(place), last)


def _obstacle(place: Place, net: nn.Module, uses: Counter[int], budget: int) -> str:
    names = [place.weight] + ([] if place.bias is None else [place.bias])
    if any(uses[id(_attribute(net, name))] > 1 for name in names):
        return "its weights are used more than once"
    if not _attribute(net, place.weight).is_floating_point():
        return "its weights are no floating-point numbers"
    if place.kernel.gram_bytes > budget:
        return (
            f"{place.kernel.unknowns} unknowns need more than the memory budget; raise it to "
            "refit it"
        )
    return ""


def _readers(
    variant: Variant,
    places: dict[fx.Node, Place],
    left: dict[fx.Node, tuple[str, str]],
    layers: set[fx.Node],
) -> set[fx.Node]:
    """Return the layers with weights that are reached first from where the nets differ."""
    found: set[fx.Node] = set()
    waiting = list(variant.own)
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if node in places or node in left:
            found.add(node)
            continue
        if variant.whole.get(node) in layers:
            continue
        waiting += [user for user in node.users if user not in seen]
        seen.update(node.users)
    return found


def _norm_behind(variant: Variant, place: Place) -> str | None:
    """Return the batch norm that can take a layer's intercept."""
    if place.bias is not None or len(place.node.users) != 1:
        return None
    (user,) = place.node.users
    module = variant.program.module(user)
    if not isinstance(module, _NORMS) or module.running_mean is None:
        return None
    calls = sum(variant.program.module(n) is module for n in variant.program.nodes)
    return str(user.target) if calls == 1 else None
