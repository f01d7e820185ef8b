"""From a workpiece to a module."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from infoflow.graph.operations.elementwise import DROPOUT
from infoflow.graph.operations.lookup import operation_of
from infoflow.graph.operations.operation import Passing
from infoflow.graph.running.arguments import parameters_of
from infoflow.graph.running.members import attribute, is_training, named_modules, submodule
from infoflow.interface import PruningError
from infoflow.interface.errors import is_out_of_memory
from infoflow.pruning.report import Pruning
from infoflow.pruning.rewriting.model import Cut, Holder, PrunedModel
from infoflow.pruning.rewriting.surgery import Surgery

#: Functions that drop out when ``training`` says so, and the modules that do it when they train.
_DROPOUTS: dict[object, Any] = {
    getattr(functional, operation.name): module
    for operation in DROPOUT
    for module in operation.modules
}


def build(work: Surgery, pruning: Pruning) -> PrunedModel:
    """Return a module of its own, with copies of the weights that are left.

    Raises
    ------
    PruningError
        If no input reaches the output any more.
    """
    _tidy(work, pruning)
    dropouts = _dropouts_as_modules(work)
    model = work.program.model
    tree, hidden = _copy(work, _hidden(work))
    find = partial(_find, tree, hidden)
    for (name, setting), value in work.changes.settings.items():
        setattr(find(name), setting, value)
    for name, piece in work.changes.slices.items():
        _shrink(find, name, piece.take)
    before = set(nn.Module.state_dict(tree))
    called, read = _used(work, tree)
    _keep_only(tree, "", called, read)
    _hold_plainly(tree, called)
    for name, module in dropouts.items():
        hidden[name] = module.train(is_training(model))
    gone = frozenset(before - set(nn.Module.state_dict(tree)))
    constants = {
        name: nn.Parameter(t.detach().clone(), t.requires_grad)
        if isinstance(t, nn.Parameter)
        else t.clone()
        for name, t in work.program.constants.items()
    }
    return _module(work, tree, hidden, constants, gone, pruning)


def _hidden(work: Surgery) -> dict[str, nn.Module]:
    """Return the modules that are called and that torch does not know to be the model's."""
    called = dict.fromkeys(str(n.target) for n in work.nodes.nodes if n.op == "call_module")
    known = work.program.hidden
    return {name: known[name] for name in called if name in known}


def _find(tree: nn.Module, hidden: Mapping[str, nn.Module], name: str) -> nn.Module:
    """Return the module with a name: a part of the net, or one that it hides."""
    for place, module in hidden.items():
        if name == place or name.startswith(f"{place}."):
            return submodule(module, name[len(place) + 1 :])
    return submodule(tree, name)


def _copy(work: Surgery, hidden: dict[str, nn.Module]) -> tuple[nn.Module, dict[str, nn.Module]]:
    name = work.name
    try:
        return copy.deepcopy((work.program.model, hidden))
    except (RuntimeError, TypeError) as error:
        if is_out_of_memory(error):
            raise
        raise PruningError(
            f"{name} cannot be copied ({error}), and prune leaves the model as it is. Take out "
            "what cannot: weights made by torch.nn.utils.weight_norm (remove_weight_norm) or "
            "torch.nn.utils.prune (remove), tensors with a history and locks among its attributes."
        ) from error


def in_training(work: Surgery) -> list[str]:
    """Say what a net would do otherwise in training than its path in evaluation mode does."""
    notes = []
    for node in work.nodes.nodes:
        if node.op != "call_function":
            continue
        operation = operation_of(node)
        if node.target in _DROPOUTS:
            notes.append("functional dropout drops when the net trains, as nn.Dropout does")
        elif operation.passing is Passing.NORM:
            notes.append(
                f"{operation.name}, called as a function, keeps using the statistics that "
                "it has, also when the net trains"
            )
        elif operation.name == "attention":
            notes.append("attention, called as a function, drops nothing when the net trains")
    return list(dict.fromkeys(notes))


def share(work: Surgery) -> PrunedModel:
    """Return a module that computes with the original's own modules."""
    work.nodes.eliminate_dead_code(_is_end)
    model, constants = work.program.model, work.program.constants
    return _module(work, model, _hidden(work), constants, frozenset(), Pruning(work.name, ()))


def _module(
    work: Surgery,
    tree: nn.Module,
    hidden: Mapping[str, nn.Module],
    constants: Mapping[str, torch.Tensor],
    dropped: frozenset[str],
    pruning: Pruning,
) -> PrunedModel:
    tensors, modules = dict(work.tensors), {}
    for node in work.nodes.nodes:
        target = str(node.target)
        if node.op == "get_attr" and target in constants:
            node.target = "_constant_" + target.replace(".", "_")
            tensors[node.target] = constants[target]
        elif node.op == "call_module" and target in hidden:
            node.target = target if target[0] == "_" else "_hidden_" + target.replace(".", "_")
            modules[node.target] = hidden[target]
    work.nodes.lint()
    return PrunedModel(
        tree,
        tensors=tensors,
        modules=modules,
        cut=Cut(dict(work.changes.slices), dropped),
        pruning=pruning,
        lineage=work.lineage(),
    )


def _is_end(node: fx.Node) -> bool:
    return node.op in ("placeholder", "output")


def _tidy(work: Surgery, pruning: Pruning) -> None:
    """Delete what computes nothing that reaches the output, and check what is left."""
    work.nodes.eliminate_dead_code(_is_end)
    inputs = [n for n in work.nodes.nodes if n.op == "placeholder"]
    if not any(n.users and work.shapes[n] is not None for n in inputs):
        streams = ", ".join(stream.stream for stream in pruning.streams)
        raise PruningError(
            f"Without {streams} no way is left from an input of {work.name} to its output; "
            "expected one. Leave a stream of these merges in."
        )
    given = (*work.call.args, *work.call.kwargs.values())
    others = [type(value).__name__ for value in given if not isinstance(value, torch.Tensor)]
    known = parameters_of(work.program.model)
    nested = [str(n.target) for n in inputs if not _is_plain(work, n, known)]
    if others or nested:
        raise PruningError(
            f"{work.name} takes arguments that are no tensors ({', '.join(others or nested)}), and "
            "a pruned net takes plain tensors. Wrap the model in a module whose forward does, and "
            "makes the rest."
        )
    if any(node.meta.get("gradients") for node in work.nodes.nodes):
        raise PruningError(
            f"{work.name} turns gradients on inside its forward, which a pruned net cannot. Prune "
            "a module without the part that differentiates."
        )
    if any(node.meta.get("autocast") for node in work.nodes.nodes):
        raise PruningError(
            f"{work.name} computes under torch.autocast inside its forward, which a pruned net "
            "cannot. Take autocast out of the model, and wrap the call of it instead."
        )


def _is_plain(work: Surgery, node: fx.Node, known: Iterable[str]) -> bool:
    name = str(node.target)
    return name in known or name.rpartition("_")[2].isdigit()


def _dropouts_as_modules(work: Surgery) -> dict[str, nn.Module]:
    """Let functions that dropped nothing, in evaluation mode, drop when the net trains."""
    made: dict[str, nn.Module] = {}
    for node in list(work.nodes.nodes):
        kind = _DROPOUTS.get(node.target) if node.op == "call_function" else None
        options = dict(zip(("p", "training", "inplace"), node.args[1:], strict=False))
        options = {**options, **node.kwargs}
        if kind is None or options.get("training", True) is not False:
            continue
        name = f"_dropout_{len(made)}"
        made[name] = kind(options.get("p", 0.5), bool(options.get("inplace", False)))
        node.op, node.target, node.args, node.kwargs = "call_module", name, node.args[:1], {}
    return made


def _used(work: Surgery, tree: nn.Module) -> tuple[set[int], set[str]]:
    """Return the modules that are called, by id, and the tensors that are read, by name."""
    called = [str(n.target) for n in work.nodes.nodes if n.op == "call_module"]
    known = dict(named_modules(tree, remove_duplicate=False))
    modules = {id(known[name]) for name in called if name in known}
    return modules, {str(n.target) for n in work.nodes.nodes if n.op == "get_attr"}


def _keep_only(module: nn.Module, prefix: str, modules: set[int], tensors: set[str]) -> bool:
    """Delete what is in neither set; tell whether anything is left."""
    if id(module) in modules:
        return True
    for name, child in list(module._modules.items()):
        if child is None or _keep_only(child, f"{prefix}{name}.", modules, tensors):
            continue
        del module._modules[name]
    for store in (module._parameters, module._buffers):
        for name in [name for name in store if prefix + name not in tensors]:
            del store[name]
    return bool(module._modules or module._parameters or module._buffers)


def _hold_plainly(tree: nn.Module, modules: set[int]) -> None:
    """Put plain modules in the places of those that are not called, but hold what is left.

    Methods of their own, such as a ``train`` that merges weights, expect all that they had.
    """
    for name, child in list(tree._modules.items()):
        if child is None or id(child) in modules:
            continue
        if type(child) not in (nn.Sequential, nn.ModuleList, nn.ModuleDict):
            tree._modules[name] = child = Holder(child)
        _hold_plainly(child, modules)


def _shrink(find: Callable[[str], nn.Module], name: str, take: Any) -> None:
    """Keep a part of a parameter or buffer, by its qualified name."""
    place, _, last = name.rpartition(".")
    module = find(place)
    value: torch.Tensor = attribute(module, last)
    part = take(value)
    if isinstance(value, nn.Parameter):
        module._parameters[last] = nn.Parameter(part, requires_grad=value.requires_grad)
    else:
        module._buffers[last] = part
