"""See every call that a model makes while it runs: its leaf modules and torch's functions."""

from __future__ import annotations

import difflib
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._functorch import apis, eager_transforms
from torch.overrides import TorchFunctionMode

from infoflow.graph.tracing.nesting import tensors_in
from infoflow.interface import ArgumentError

#: Modules to keep whole or to open: a class, or a pattern of qualified names.
Choice = type[nn.Module] | str

_TORCH = Path(torch.__file__).parent
_OURS = Path(__file__).parents[1]
_CONTAINERS = (
    *(nn.Sequential, nn.ModuleList, nn.ModuleDict),
    *(nn.Transformer, nn.TransformerEncoder, nn.TransformerEncoderLayer),
    *(nn.TransformerDecoder, nn.TransformerDecoderLayer),
)
#: Reading these from a tensor says nothing of its values.
_ABOUT = {
    getattr(Tensor, name).__get__
    for name in (
        *("dtype", "device", "layout", "ndim", "requires_grad", "is_leaf", "grad_fn", "grad"),
        *("is_cuda", "is_cpu", "is_meta", "is_mps", "is_quantized", "is_sparse", "is_nested"),
        *("_version", "itemsize", "nbytes", "names", "is_xpu", "is_mkldnn", "_backward_hooks"),
    )
    if hasattr(Tensor, name)
} | {
    getattr(Tensor, name)
    for name in (
        *("dim", "ndimension", "stride", "is_floating_point", "is_complex", "is_contiguous"),
        *("data_ptr", "untyped_storage", "storage", "storage_offset", "element_size", "get_device"),
        *("is_signed", "__len__", "is_pinned", "__hash__", "__repr__", "__format__", "type"),
        *("has_names", "is_inference", "is_conj", "is_neg", "_is_view", "register_hook"),
    )
    if hasattr(Tensor, name)
}
_ABOUT -= {Tensor.type}  # with an argument it converts
SHAPE = Tensor.shape.__get__  # type: ignore[attr-defined]
#: Reading these from a tensor says only how large it is.
SIZES = {SHAPE, Tensor.size, Tensor.numel, Tensor.nelement, torch.ops.aten.sym_size.int}
#: Reading these turns values into numbers of Python, on which the path may then depend.
_VALUES = {
    getattr(Tensor, name)
    for name in (
        *("item", "tolist", "numpy", "__bool__", "__int__", "__float__", "__index__"),
        *("__complex__", "__contains__", "__array__", "is_nonzero", "equal", "allclose"),
    )
    if hasattr(Tensor, name)
} | {torch.equal, torch.allclose, torch.is_nonzero}


#: A call's module, operation, and how many of these there were before.
Key = tuple[str, str, int]


class Keys:
    """Give each call of a run its key, and append it to a trail."""

    def __init__(self, trail: list[Key]) -> None:
        self.trail = trail
        self._seen: Counter[tuple[str, str]] = Counter()

    def next(self, path: list[tuple[str, type]], operation: str) -> Key:
        """Return the key of the call that comes next."""
        place = path[-1][0] if path else ""
        self._seen[place, operation] += 1
        self.trail.append((place, operation, self._seen[place, operation]))
        return self.trail[-1]


#: Of these, the ones that give all values at once, from which a new tensor may be made.
_ALL_VALUES = {Tensor.tolist, Tensor.numpy, Tensor.__array__}
#: Functions whose result is as large as the values say.
_VARYING = {"nonzero", "argwhere", "masked_select", "unique", "unique_consecutive", "nms"}
#: Functions that make a tensor of numbers that are no tensor.
_FROM_NUMBERS = {torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy}


class Leaves:
    """Which modules of a model are kept whole, as one call.

    Those whose ``forward`` is torch's own, but for containers and ``nn.Transformer*``; scripted
    ones; and what the caller chooses.

    Parameters
    ----------
    model
        The model.
    leaves, opened
        Modules to keep whole or to open in any case, by class or by pattern of names.
    """

    def __init__(
        self, model: nn.Module, leaves: Sequence[Choice] = (), opened: Sequence[Choice] = ()
    ) -> None:
        self._names = {module: name for name, module in model.named_modules()}
        _check_choices(model, self._names, (*leaves, *opened))
        self._leaves = {
            module: module is not model
            and _is_leaf(module, name, leaves=tuple(leaves), opened=tuple(opened))
            for module, name in self._names.items()
        }

    @property
    def scripted(self) -> list[str]:
        """Names of the modules that torch.jit has scripted, which stay whole."""
        return [
            name
            for module, name in self._names.items()
            if isinstance(module, torch.jit.ScriptModule) and "." not in name
        ]

    def name(self, module: nn.Module) -> str | None:
        """Return a module's qualified name, None for one that is not the model's."""
        return self._names.get(module)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._names)

    def __contains__(self, module: nn.Module) -> bool:
        return self._leaves.get(module, False)


def _is_leaf(
    module: nn.Module, name: str, *, leaves: tuple[Choice, ...], opened: tuple[Choice, ...]
) -> bool:
    if any(_is_chosen(module, name, choice) for choice in opened):
        return False
    if is_compiled(module):
        return False
    if any(_is_chosen(module, name, choice) for choice in leaves):
        return True
    if isinstance(module, torch.jit.ScriptModule):
        return True
    home = getattr(module.forward, "__module__", "")  # some set forward on the instance
    return home.startswith(("torch.nn.modules", "torch.ao.")) and not isinstance(
        module, _CONTAINERS
    )


def is_compiled(module: nn.Module) -> bool:
    """Tell whether a module is what ``torch.compile`` makes of another."""
    return isinstance(getattr(module, "_orig_mod", None), nn.Module)


def _check_choices(
    model: nn.Module, names: Mapping[nn.Module, str], choices: Sequence[Choice]
) -> None:
    for choice in choices:
        if not any(_is_chosen(module, name, choice) for module, name in names.items()):
            what = repr(choice) if isinstance(choice, str) else choice.__name__
            near = difflib.get_close_matches(str(choice), names.values(), n=3, cutoff=0.3)
            hint = f" The nearest names are {', '.join(near)}." if near else ""
            raise ArgumentError(
                f"No module of {type(model).__name__} is, or matches, {what}; expected a class or "
                f"a pattern of qualified names such as 'blocks.*.attn'.{hint}"
            )


def _is_chosen(module: nn.Module, name: str, choice: Choice) -> bool:
    return fnmatchcase(name, choice) if isinstance(choice, str) else isinstance(module, choice)


class Observer(TorchFunctionMode):
    """Base of what looks on while a model runs.

    ``on_module`` and ``on_function`` are asked to make each call and return its result; what they
    call is not observed again. ``path`` holds the names of the modules that are running.
    """

    def __init__(self, leaves: Leaves) -> None:
        super().__init__()
        self.leaves = leaves
        self.path: list[tuple[str, type]] = []
        self._thread = threading.get_ident()
        self._is_inside_leaf = False

    def on_module(
        self, name: str, module: nn.Module, call: Callable[[], Any], args: Any, kwargs: Any
    ) -> Any:
        """Make the call of a leaf module."""
        raise NotImplementedError

    def on_function(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Make the call of one of torch's functions."""
        raise NotImplementedError

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if torch._C._functorch.maybe_current_level() is not None:
            return function(*args, **kwargs)  # inside torch.vmap, which is one call
        if function in _ABOUT or threading.get_ident() != self._thread:
            return function(*args, **kwargs)
        return self.on_function(function, args, kwargs)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Observe what runs inside the ``with``."""
        with ExitStack() as stack:
            stack.enter_context(_intercepted(self._called))
            stack.enter_context(_whole(self, apis, "vmap_impl"))
            stack.enter_context(_whole(self, torch.nested, "nested_tensor"))
            stack.enter_context(_whole_scripted(self))
            for name in ("grad_impl", "grad_and_value_impl"):
                stack.enter_context(_whole(self, eager_transforms, name))
            stack.enter_context(_uncompiled(self.leaves))
            stack.enter_context(self)
            yield

    def _called(
        self, original: Callable[..., Any], module: nn.Module, *args: Any, **kwargs: Any
    ) -> Any:
        name = self.leaves.name(module)
        is_within = torch._C._functorch.maybe_current_level() is not None  # torch.vmap is one call
        if is_within or name is None or self._is_inside_leaf:
            return original(module, *args, **kwargs)
        if threading.get_ident() != self._thread:
            return original(module, *args, **kwargs)
        if module in self.leaves:
            with torch._C.DisableTorchFunction():
                return self.on_module(
                    name, module, lambda: self._whole(original, module, args, kwargs), args, kwargs
                )
        self.path.append((name, type(module)))
        try:
            return original(module, *args, **kwargs)
        finally:
            self.path.pop()

    def _whole(
        self, original: Callable[..., Any], module: nn.Module, args: Any, kwargs: Any
    ) -> Any:
        self._is_inside_leaf = True
        try:
            return original(module, *args, **kwargs)
        finally:
            self._is_inside_leaf = False


@contextmanager
def _intercepted(called: Callable[..., Any]) -> Iterator[None]:
    """Let ``called`` make every call of a module, as torch.fx does while it traces."""
    original = nn.Module.__call__

    def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        plain = original if module._compiled_call_impl is None else nn.Module._call_impl
        return called(plain, module, *args, **kwargs)

    nn.Module.__call__ = call  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__call__ = original  # type: ignore[method-assign]


@contextmanager
def _whole(observer: Observer, home: Any, name: str) -> Iterator[None]:
    """Let ``torch.vmap`` or the like be one call: what happens inside cannot happen outside it."""
    original = getattr(home, name, None)
    if original is None:
        yield
        return

    def whole(*args: Any, **kwargs: Any) -> Any:
        if torch._C._functorch.maybe_current_level() is not None:
            return original(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            return observer.on_function(original, args, kwargs)

    setattr(home, name, whole)
    try:
        yield
    finally:
        setattr(home, name, original)


@contextmanager
def _whole_scripted(observer: Observer) -> Iterator[None]:
    """Let the call of a function that torch.jit has scripted be one call."""
    home: Any = torch.jit.ScriptFunction
    original = home.__call__

    def call(script: Any, *args: Any, **kwargs: Any) -> Any:
        def whole(*args: Any, **kwargs: Any) -> Any:
            return original(script, *args, **kwargs)

        whole.__name__ = script.name
        with torch._C.DisableTorchFunction():
            return observer.on_function(whole, args, kwargs)

    home.__call__ = call
    try:
        yield
    finally:
        home.__call__ = original


def _without_compiler() -> AbstractContextManager[Any]:
    """Let compiled functions run as they were written; where there is none, load no compiler."""
    if "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance"):
        stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
        return stance
    return nullcontext()


@contextmanager
def _uncompiled(leaves: Leaves) -> Iterator[None]:
    """Let compiled parts run as they were written, and ``torch.cond`` be an ``if``."""
    compiled = {m: m.__dict__.get("forward") for m in leaves if is_compiled(m)}
    cond = torch.cond

    def choose(pred: Any, true_fn: Any, false_fn: Any, operands: Any = ()) -> Any:
        return (true_fn if pred else false_fn)(*operands)

    for module in compiled:
        module.__dict__["forward"] = module._orig_mod
    torch.cond = choose
    try:
        with _without_compiler():
            yield
    finally:
        torch.cond = cond
        for module, forward in compiled.items():
            module.__dict__["forward"] = forward


def operation_key(function: Callable[..., Any]) -> str:
    """Return the name of a function; of what reads a property, the property's."""
    name = getattr(function, "__name__", str(function))
    owner = getattr(function, "__self__", None) if name == "__get__" else None
    return str(getattr(owner, "__name__", name))


def reads_values(function: Any) -> bool:
    """Tell whether a function turns values into numbers of Python."""
    return function in _VALUES


def reads_all_values(function: Any) -> bool:
    """Tell whether a function gives all values of a tensor, as NumPy's array or as a list."""
    return function in _ALL_VALUES


def varies_in_shape(function: Any, args: Sequence[Any]) -> bool:
    """Tell whether the shape of a function's result depends on values of its arguments."""
    if function is Tensor.__getitem__:
        return any(tensor.dtype in (torch.bool, torch.uint8) for tensor in tensors_in(args[1]))
    return operation_key(function) in _VARYING


def is_from_numbers(function: Any) -> bool:
    """Tell whether a function makes a tensor of numbers that are no tensor."""
    return function in _FROM_NUMBERS


def line_of_the_model() -> str:
    """Return where the model is now: file, line and code of its last own frame."""
    frames = traceback.extract_stack()
    for frame in reversed(frames):
        path = Path(frame.filename)
        if not path.is_relative_to(_OURS) and not path.is_relative_to(_TORCH):
            return f"{path.name}:{frame.lineno}, in {frame.name}: `{frame.line}`"
    return "a line that cannot be told"
