"""What a mender refits in a net without streams, and what it has to leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import fx, nn

from infoflow.graph.operations.lookup import role_of
from infoflow.graph.operations.operation import Role
from infoflow.graph.running.members import parameters_in
from infoflow.graph.tracing.program import Program
from infoflow.pruning.mending.attention import attention_parts
from infoflow.pruning.mending.finding import Place, UnmendableError, attribute, place_of
from infoflow.pruning.mending.regression_targets import NORMS, Target, Targets
from infoflow.pruning.mending.sites import LayerSite, NormSite, Site
from infoflow.pruning.variants import Variant
from infoflow.pruning.variants.kept_values import Footprint

MenderName = Literal["reader", "cascade"]

#: A layer, and its target where that is no value of a node.
Part = tuple[Place, Target | None]


@dataclass(frozen=True)
class Plan:
    """What a mender refits.

    Parameters
    ----------
    sites
        What is refitted, in the order of computation.
    changed
        The nodes of the net without streams that give something else once it is.
    left
        Names of layers that are left as they are, with the reasons.
    """

    sites: tuple[Site, ...]
    changed: frozenset[fx.Node]
    left: tuple[tuple[str, str], ...]


class Layers:
    """Which nodes of a net without streams are layers with weights, and which can be refitted.

    Parameters
    ----------
    variant
        The net without streams.
    whole
        The whole net's program.
    budget
        Bytes that one regression may use.

    Attributes
    ----------
    parts
        By node, the layers that can be refitted.
    left
        By node, the name of a layer that cannot, and why.
    """

    def __init__(self, variant: Variant, whole: Program, budget: int) -> None:
        self._variant, self._whole, self._budget = variant, whole, budget
        self._net = variant.program.root
        self._uses = _uses(variant.program)
        self.parts: dict[fx.Node, list[Part]] = {}
        self.left: dict[fx.Node, tuple[str, str]] = {}
        for node in variant.program.nodes:
            self._add(node)

    def _add(self, node: fx.Node) -> None:
        try:
            parts = self._parts_of(node)
        except UnmendableError as reason:
            self.left[node] = (str(node.target), str(reason))
            return
        reasons = [(place.name, why) for place, _ in parts if (why := self._obstacle(place))]
        module = self._variant.program.module(node)
        if reasons:
            self.left[node] = reasons[0]
        elif parts:
            self.parts[node] = parts
        elif module is not None and _has_weights(node, module):
            self.left[node] = (str(node.target), f"{type(module).__name__} has no closed form")

    def _parts_of(self, node: fx.Node) -> list[Part]:
        module, old = self._variant.program.module(node), self._variant.whole.get(node)
        whole = None if old is None else self._whole.module(old)
        if isinstance(module, nn.MultiheadAttention) and isinstance(whole, nn.MultiheadAttention):
            return attention_parts(self._variant, node, whole)
        place = place_of(node, self._net)
        return [] if place is None or old is None else [(place, None)]

    def _obstacle(self, place: Place) -> str:
        names = [place.weight] + ([] if place.bias is None else [place.bias])
        tensors = [attribute(self._net, name) for name in names]
        if any(self._uses[id(tensor)] > 1 for tensor in tensors):
            return "its weights are used more than once"
        if not all(tensor.is_floating_point() for tensor in tensors):
            return "its weights are no floating-point numbers"
        if place.kernel.gram_bytes > self._budget:
            return (
                f"its regression has {place.kernel.unknowns} unknowns and needs "
                f"{place.kernel.gram_bytes:,} bytes of memory; raise memory_budget"
            )
        return ""


def _has_weights(node: fx.Node, module: nn.Module) -> bool:
    role = role_of(node, module, has_weights=True, value_of_argument=object)
    return role is Role.KERNEL


def _uses(program: Program) -> Counter[int]:
    """Count how often each parameter is used: by calls, and by nodes that read it."""
    uses: Counter[int] = Counter()
    for node in program.nodes:
        module = program.module(node)
        if module is not None:
            uses.update({id(parameter) for parameter in parameters_in(module)})
        elif node.op == "get_attr":
            uses.update([id(program.attribute(node))] * max(1, len(node.users)))
    return uses


def make_plan(
    variant: Variant,
    whole: Program,
    footprint: Footprint,
    merges: Collection[fx.Node],
    mender: MenderName,
    budget: int,
) -> Plan:
    """Return what a mender refits.

    Parameters
    ----------
    variant
        The net without streams.
    whole, footprint
        The whole net's program, and how its values lie in memory.
    merges
        The nodes of the whole net that are the operation of a layer.
    mender
        ``"reader"`` or ``"cascade"``.
    budget
        Bytes that one regression may use.
    """
    layers = Layers(variant, whole, budget)
    targets = Targets(variant, footprint)
    nodes = variant.program.nodes
    sums = {node: targets.of_sum(node) for node in layers.parts}
    learners = {node for node, target in sums.items() if target is not None}
    changed = _behind(nodes, {*variant.changed, *learners})
    chosen = _readers(variant, layers, merges) if mender == "reader" else changed
    sites: list[Site] = []
    for node in nodes:
        for place, own in layers.parts.get(node, ()):
            target = sums[node] if own is None else None
            is_reading = node in variant.own or not changed.isdisjoint(place.values)
            if target is None and is_reading and node in chosen:
                target = own or _target(targets, variant, node, changed, mender)
            if target is not None:
                sites.append(LayerSite(place, target, _norm_behind(variant, place)))
        if mender == "reader":
            sites += _norm_sites(variant, node, changed, sites)
    parameters = {read for site in sites for read in _parameters(site)}
    notes = dict.fromkeys(note for node, note in layers.left.items() if node in chosen)
    return Plan(tuple(sites), _behind(nodes, changed | parameters), tuple(notes))


def _target(
    targets: Targets,
    variant: Variant,
    node: fx.Node,
    changed: frozenset[fx.Node],
    mender: MenderName,
) -> Target:
    found = targets.of_sum(node, changed) if mender == "cascade" else None
    return found or Target(variant.whole[node])


def _parameters(site: Site) -> tuple[fx.Node, ...]:
    return site.place.parameters if isinstance(site, LayerSite) else ()


def _behind(nodes: Iterable[fx.Node], first: Iterable[fx.Node]) -> frozenset[fx.Node]:
    """Return nodes and all that depend on them."""
    found = set(first)
    for node in nodes:
        if not found.isdisjoint(node.all_input_nodes):
            found.add(node)
    return frozenset(found)


def _readers(variant: Variant, layers: Layers, merges: Collection[fx.Node]) -> set[fx.Node]:
    """Return the layers with weights that are reached first from where the nets differ."""
    found: set[fx.Node] = set()
    waiting = list(variant.own)
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if node in layers.parts or node in layers.left:
            found.add(node)
        elif variant.whole.get(node) not in merges:
            waiting += [user for user in node.users if user not in seen]
            seen.update(node.users)
    return found


def _norm_behind(variant: Variant, place: Place) -> str | None:
    """Return the batch norm that can take a layer's intercept."""
    if place.bias is not None or len(place.node.users) != 1:
        return None
    (user,) = place.node.users
    return str(user.target) if _has_statistics(variant, user) else None


def _norm_sites(
    variant: Variant, node: fx.Node, changed: Collection[fx.Node], sites: Sequence[Site]
) -> Iterator[NormSite]:
    """Yield the batch norm that a node calls, where what it reads has changed.

    A norm behind which a layer learns a sum keeps its statistics, which the layer was fitted to.
    """
    value = node.args[0] if node.args else None
    if not isinstance(value, fx.Node) or value not in changed or node not in variant.whole:
        return
    module = variant.program.module(node)
    learned = [n for site in sites if isinstance(site, LayerSite) for n in site.target.norms]
    if _has_statistics(variant, node) and not any(norm is module for norm in learned):
        whole = variant.whole[node].args[0]
        if isinstance(whole, fx.Node):
            yield NormSite(node, value, whole)


def _has_statistics(variant: Variant, node: fx.Node) -> bool:
    """Tell whether a node is the only call of a batch norm that uses running statistics."""
    module = variant.program.module(node)
    if not isinstance(module, NORMS) or module.running_mean is None:
        return False
    return sum(variant.program.module(n) is module for n in variant.program.nodes) == 1
