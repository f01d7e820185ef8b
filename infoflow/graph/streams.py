"""From a program's nodes to layers, and to the streams and bundles of streams between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import fx

from infoflow.graph.builders import OUTPUT, Edge, Flow, LayerBuilder, Names, Streams, unique
from infoflow.graph.bundles import Bundles, norms_of
from infoflow.graph.learned_weights import Weights
from infoflow.graph.operations.lookup import arguments_of, operation_name, operation_of, role_of
from infoflow.graph.operations.operation import Operation, Role
from infoflow.graph.regions import last_of_region
from infoflow.graph.tracing.node_info import NodeInfo
from infoflow.graph.tracing.program import Program
from infoflow.graph.tracing.program_functions import set_item


def find_streams(program: Program, facts: Mapping[fx.Node, NodeInfo]) -> Streams:
    """Follow the data through ``program``, node by node."""
    return _Sweep(program, facts).run()


class _Sweep:
    """One walk over a program in the order of computation."""

    def __init__(self, program: Program, facts: Mapping[fx.Node, NodeInfo]) -> None:
        self.program = program
        self.facts = facts
        self.flows: dict[fx.Node, Flow] = {}
        self.layers: list[LayerBuilder] = []
        self.inputs: list[str] = []
        self.outputs: tuple[Flow, ...] = ()
        self._values: dict[fx.Node, LayerBuilder] = {}
        self._names = Names(str(n.target) for n in program.nodes if n.op == "call_module")
        self._weights = Weights(program, facts)
        self._bundles = Bundles(program, facts, self.flows)
        self._edges: list[fx.Node] = []
        self._owned: set[fx.Node] = set()
        self._learned: dict[fx.Node, dict[int, int]] = {}

    def run(self) -> Streams:
        for node in self.program.nodes:
            self._visit(node)
        for draft in self.layers:
            self._absorb_region(draft)
        return Streams(
            tuple(self.inputs),
            tuple(self.layers),
            tuple(self._bundles.drafts),
            self.outputs,
            self.flows,
            tuple(self._edge(node) for node in self._edges if node not in self._owned),
            self._learned,
        )

    def _edge(self, node: fx.Node) -> Edge:
        places = {draft.node: draft.name for draft in self.layers}
        readers: set[object] = set()
        own = self.flows[node].bundle
        waiting, seen = [node], {node}
        while waiting:
            for user in self._readers(waiting.pop()):
                if user in seen:
                    continue
                seen.add(user)
                flow = self.flows.get(user)
                if user in places:
                    readers.add(places[user])
                elif flow is None:
                    readers.add(OUTPUT)
                elif flow.bundle not in (None, own) and flow.bundle.readers:
                    readers.add(flow.bundle)
                else:
                    waiting.append(user)
        sources = self.flows[node].sources
        source = sources[0] if len(sources) == 1 else None
        return Edge(node, source, frozenset(readers))

    def _visit(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            if self.facts[node].carries_tensor:
                source = self._names.of_input(self.program.sources[node])
                self.inputs += [] if source in self.inputs else [source]
                self.flows[node] = Flow((source,))
            return
        arguments = [self.flows[a] for a in arguments_of(node) if a in self.flows]
        if node.op == "output":
            self._finish(arguments)
            return
        if not self.facts[node].carries_tensor:
            return
        if not arguments:
            self._weights.add(node)
            return
        learned = self._weights.read_by(node)
        if learned:
            self._learned[node] = learned
        role = self._role(node)
        if role is Role.SHAPE:
            return
        canvas = self._bundles.written(node) if role is Role.WRITE else None
        if role is Role.CONCAT:
            self._concatenate(node, arguments)
        elif role is Role.OVERWRITE:
            self._overwrite(node)
        elif canvas is not None:
            self.flows[node] = canvas
        elif role is Role.KERNEL or len({flow.origin for flow in arguments}) > 1:
            self._add_layer(node, role, arguments)
        elif role is Role.FOLLOW and self._absorb(node):
            pass
        else:
            norms, is_mixed = norms_of(arguments), any(flow.is_mixed for flow in arguments)
            whole = replace(arguments[0], norms=norms, is_mixed=is_mixed)
            self.flows[node] = self._pass_on(node, whole)
            if node in self._learned or self.facts[node].multiply_adds != 0:
                self._edges.append(node)

    def _role(self, node: fx.Node) -> Role:
        first = node.args[0] if node.args else None
        kind = self.facts[first].kind if isinstance(first, fx.Node) else type(first)
        return role_of(
            node,
            self.program.module(node),
            has_weights=bool(self._weights.matrices(node)),
            value_of_argument=kind,
        )

    def _overwrite(self, node: fx.Node) -> None:
        """``target.copy_(source)`` or ``target[:] = source``: what the target was is gone."""
        place = 2 if node.target is set_item else 1
        source = node.args[place] if len(node.args) > place else None
        if isinstance(source, fx.Node) and source in self.flows:
            self.flows[node] = self.flows[source]

    def _concatenate(self, node: fx.Node, arguments: list[Flow]) -> None:
        if len(unique(source for flow in arguments for source in flow.sources)) > 1:
            self.flows[node] = self._bundles.concatenated(node, arguments)
        elif len(arguments) > 1 or not self._absorb(node):
            self.flows[node] = arguments[0]

    def _add_layer(self, node: fx.Node, role: Role, arguments: list[Flow]) -> None:
        draft = LayerBuilder(
            name=self._name(node, role),
            kind=self._kind(node),
            node=node,
            value=node,
            rank=len(self.facts[node].shape),
            arguments=tuple(arguments),
        )
        self.layers.append(draft)
        self.flows[node] = Flow((draft.name,))
        self._values[node] = draft
        for bundle in draft.bundles:
            bundle.readers.append(draft.name)

    def _operation(self, node: fx.Node) -> str:
        return operation_name(node, self.program.module(node))

    def _kind(self, node: fx.Node) -> str:
        """Return what a layer is called: a module's class, or an operation's usual name."""
        module = self.program.module(node)
        return operation_of(node).usual_kind if module is None else type(module).__name__

    def _name(self, node: fx.Node, role: Role) -> str:
        weight = self._weights.name_of(node) if role is Role.KERNEL else None
        if node.op == "call_module":
            name = str(node.target)
        elif weight is not None:
            name = weight
        else:
            name = f"{node.meta.get('path', '')}.{self._kind(node)}".strip(".")
        return self._names.new(name, owns=node.op == "call_module")

    def _absorb(self, node: fx.Node) -> bool:
        """Let ``node`` belong to the layer whose value it alone reads; tell whether it does."""
        sources = [a for a in arguments_of(node) if a in self.flows]
        draft = self._values.get(sources[0]) if len(sources) == 1 else None
        if draft is None or self._readers(sources[0]) != [node]:
            return False
        if self.facts[node].shape[:1] != self.facts[sources[0]].shape[:1]:
            return False  # its first dimension no longer counts the samples
        if self._is_state(node, sources[0]):
            return False
        del self._values[sources[0]]
        self._values[node] = draft
        self.flows[node] = self.flows[sources[0]]
        draft.value = node
        draft.followed_by.append(self._operation(node))
        draft.parts.append(node)
        return True

    def _is_state(self, node: fx.Node, source: fx.Node) -> bool:
        """Tell whether a node takes the last state of a recurrent layer, not its outputs.

        Its first dimension counts layers and directions, whatever its length.
        """
        is_item = self._operation(node) == "getitem" and node.args[1:] not in ((0,), (slice(None),))
        return is_item and self._record(source).family == "recurrent"

    def _record(self, node: fx.Node) -> Operation:
        return operation_of(node, self.program.module(node))

    def _absorb_region(self, draft: LayerBuilder) -> None:
        """Let an activation or a norm that is written out belong to its layer."""

        def belongs(node: fx.Node) -> bool:
            flow = self.flows.get(node)
            if flow is None or flow.sources != (draft.name,):
                return False
            if self._values.get(node, draft) is not draft:
                return False
            return self._role(node) is Role.FOLLOW or operation_of(node).is_statistic

        nodes = last_of_region(draft.value, self.facts, belongs)
        if nodes:
            draft.value = nodes[-1]
            draft.followed_by += [
                self._operation(n) for n in nodes if not operation_of(n).is_statistic
            ]
            draft.parts += nodes
            self._owned.update(nodes)

    def _readers(self, node: fx.Node) -> list[fx.Node]:
        """Return the nodes that use the value of ``node``, not its shape alone."""
        return [
            user
            for user in node.users
            if user.op == "output"
            or (self.facts[user].carries_tensor and self._role(user) is not Role.SHAPE)
        ]

    def _pass_on(self, node: fx.Node, flow: Flow) -> Flow:
        if flow.bundle is None:
            return flow
        keeps_places = self._record(node).is_elementwise
        narrow = self._bundles.narrowed(node, flow, keeps_places=keeps_places)
        own = {node} if node in self._learned else set()
        is_mixed = flow.is_mixed or not self._bundles.treats_channels_alone(node, flow.bundle)
        return replace(narrow, norms=narrow.norms | own, is_mixed=is_mixed)

    def _finish(self, arguments: list[Flow]) -> None:
        self.outputs = unique(arguments)
        for bundle in unique(flow.bundle for flow in arguments if flow.bundle is not None):
            bundle.readers.append(OUTPUT)
