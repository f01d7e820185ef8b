"""The module that a pruned program becomes."""

from __future__ import annotations

import importlib
import itertools
import linecache
import types
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor, nn

from infoflow.graph.running.members import STORES, is_training
from infoflow.interface import PruningError
from infoflow.pruning.report import Pruning
from infoflow.pruning.rewriting.kept_channels import KeptChannels
from infoflow.pruning.rewriting.surgery import Lineage

#: Numbers the sources of pruned nets.
_NUMBERS = itertools.count()
#: How the names of means that stand for streams begin.
MEAN = "_mean"
_OWN = ("pruning", "_pruned_cuts", "_pruned_code", "_pruned_means", "_pruned_lineage")


@dataclass(frozen=True)
class Cut:
    """What one pruning took from a checkpoint.

    Parameters
    ----------
    slices
        By name of a tensor, what was kept of it.
    dropped
        Names of the tensors that went whole.
    """

    slices: Mapping[str, KeptChannels]
    dropped: frozenset[str]

    def take(self, state_dict: dict[str, Any], prefix: str) -> None:
        """Shrink a checkpoint in place, where it is one of the net before."""
        for name, piece in self.slices.items():
            value = state_dict.get(prefix + name)
            if isinstance(value, Tensor) and tuple(value.shape) == piece.shape:
                state_dict[prefix + name] = piece.take(value)
        for name in self.dropped:
            state_dict.pop(prefix + name, None)


class Holder(nn.Module):
    """Holds what is left of a module that the pruned net does not call, under its names."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        own = vars(self)
        for store in STORES:
            own[store] = vars(module)[store]
        own["_non_persistent_buffers_set"] = module._non_persistent_buffers_set
        own.update({n: v for n, v in vars(module).items() if isinstance(v, Tensor)})
        self._kind = type(module).__name__
        self.training = is_training(module)

    def _get_name(self) -> str:
        return f"Holder of {self._kind}"


class PrunedModel(nn.Module):
    """A net without some of its streams, as :func:`infoflow.prune` returns it.

    Its modules and parameters have the names that they have in the original, and its ``forward``
    is the path of the example through the original. It can be trained, copied, pickled and
    exported. ``load_state_dict`` takes checkpoints of its own and of the original, of which it
    keeps what is left; :meth:`full_state_dict` goes the other way. Both go through all prunings of
    a net that was pruned several times.

    Attributes
    ----------
    pruning
        What was done, and what it saved.

    Examples
    --------
    >>> import torch, infoflow
    >>> from infoflow.testing import UNet
    >>> model = UNet(base_channels=4)
    >>> slim = infoflow.prune(model, "1->20", torch.zeros(1, 3, 32, 32))
    >>> slim.load_state_dict(model.state_dict())
    <All keys matched successfully>
    """

    #: Whether a class is that of one net, whose ``forward`` it has.
    _is_of_one = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make a class for each net, as torch.fx does, since ``forward`` belongs to a class."""
        if not cls._is_of_one:
            names = {"_is_of_one": True, "__module__": cls.__module__, "__doc__": cls.__doc__}
            cls = type(cls.__name__, (cls,), names)
        return super().__new__(cls)

    def __init__(
        self,
        tree: nn.Module,
        *,
        tensors: Mapping[str, Tensor],
        modules: Mapping[str, nn.Module] | None = None,
        cut: Cut,
        pruning: Pruning,
        lineage: Lineage,
    ) -> None:
        super().__init__()
        is_own = isinstance(tree, PrunedModel)
        taken = [] if is_own else [name for name in _OWN if hasattr(tree, name)]
        if taken:
            raise PruningError(
                f"{pruning.model} has an attribute {taken[0]} of its own, which a pruned net needs "
                "for itself. Rename it."
            )
        own = vars(self)
        hiding = set(dir(nn.Module)) | {"forward"}
        kept = {n: v for n, v in vars(tree).items() if n not in own and n not in hiding}
        # functions that were set on the net are not called any more, and few can be pickled
        own.update({n: v for n, v in kept.items() if not isinstance(v, types.FunctionType)})
        for name in ("_modules", "_parameters", "_buffers"):
            own[name] = OrderedDict(vars(tree)[name])
        self._non_persistent_buffers_set = set(tree._non_persistent_buffers_set)
        own["_modules"].update(modules or {})
        for name, tensor in tensors.items():
            if isinstance(tensor, nn.Parameter):
                self.register_parameter(name, tensor)
                continue
            self.register_buffer(name, tensor, persistent=name.startswith(MEAN))
        code = lineage.nodes.python_code("self")
        self.pruning = pruning
        before: tuple[Cut, ...] = tree._pruned_cuts if isinstance(tree, PrunedModel) else ()
        self._pruned_cuts: tuple[Cut, ...] = (*before, cut)
        self._pruned_code = (code.src, dict(code.globals))
        self._pruned_lineage: Lineage | None = lineage
        self.training = is_training(tree)
        self._compile()

    def _compile(self) -> None:
        source, names = self._pruned_code
        space = {**names, "__name__": __name__}
        file = f"<pruned {self.pruning.model} {next(_NUMBERS)}>"
        try:
            exec(compile(source, file, "exec"), space)
        except SyntaxError as error:
            line = (error.text or "").strip()
            raise PruningError(
                f"{self.pruning.model} calls a function with an argument that cannot be written "
                f"down ({line}); expected tensors, numbers and text. Make such objects, for "
                "example generators of random numbers, outside of forward; in place of torch.vmap, "
                "call the layers on the whole batch."
            ) from error
        kind = type(self)
        kind.forward = space["forward"]
        # what asks for the source of a function, as torch.jit and debuggers do, finds it there
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        weakref.finalize(kind, linecache.cache.pop, file, None)

    @property
    def lineage(self) -> Lineage | None:
        """The program, and the nodes of the original's that its nodes come from.

        None for copies, and for nets that were read from a file.
        """
        return self._pruned_lineage

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Copy and pickle it as a net of the public class, whose state compiles its own."""
        return _blank, (), self.__getstate__()

    def __getstate__(self) -> dict[str, Any]:
        """Return everything but the compiled function; modules by their name."""
        source, names = self._pruned_code
        portable = {
            name: _Import(value.__name__) if isinstance(value, types.ModuleType) else value
            for name, value in names.items()
        }
        return {**vars(self), "_pruned_code": (source, portable), "_pruned_lineage": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a state and compile the function."""
        source, names = state["_pruned_code"]
        found = {n: v.load() if isinstance(v, _Import) else v for n, v in names.items()}
        nn.Module.__setstate__(self, {**state, "_pruned_code": (source, found)})
        self._compile()

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *others: Any, **named: Any
    ) -> None:
        for cut in self._pruned_cuts:
            cut.take(state_dict, prefix)
        state_dict.pop(f"{prefix}_extra_state", None)  # of the original's own class
        for name, tensor in self._pruned_means().items():
            state_dict.setdefault(prefix + name, tensor)
        super()._load_from_state_dict(state_dict, prefix, *others, **named)

    def full_state_dict(self, original: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a checkpoint of the original's shapes, with this net's numbers in their places.

        Parameters
        ----------
        original
            A checkpoint of the original, or of the net after one of several prunings. Modules that
            went whole are taken from it; channels that were cut are zero, so that their streams say
            nothing to the layers that read them.

        Raises
        ------
        PruningError
            If ``original`` lacks a tensor, or has one of another shape.
        """
        if not isinstance(original, Mapping):
            raise PruningError(
                f"original must be a checkpoint, names with tensors, got "
                f"{type(original).__name__}. Pass model.state_dict()."
            )
        full = dict(original)
        for name, value in self.state_dict().items():
            if name in self._pruned_means():
                continue
            wanted = tuple(full[name].shape) if isinstance(full.get(name), Tensor) else None
            whole = value.detach().clone()
            for cut in reversed(self._pruned_cuts):
                piece = cut.slices.get(name)
                if piece is not None and tuple(whole.shape) != wanted:
                    whole = piece.put(whole, whole.new_zeros(piece.shape))
            if tuple(whole.shape) != wanted:
                raise PruningError(
                    f"original must be a checkpoint of {self.pruning.model}: expected {name} of "
                    f"shape {tuple(whole.shape)}, got {wanted or 'nothing'}."
                )
            full[name] = whole
        return full

    def _pruned_means(self) -> dict[str, Tensor]:
        """Return the means that stand for streams, which the original has not."""
        return {n: b for n, b in self._buffers.items() if n.startswith(MEAN) and b is not None}


def _blank() -> PrunedModel:
    return PrunedModel.__new__(PrunedModel)


class _Import:
    """A module, as it is pickled: by name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def load(self) -> types.ModuleType:
        return importlib.import_module(self._name)
