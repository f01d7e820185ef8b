"""See every call that a model makes while it runs: its leaf modules and torch's functions."""

from __future__ import annotations

import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._functorch import apis, eager_transforms
from torch.overrides import TorchFunctionMode

from infoflow.graph.running.members import parameters_in
from infoflow.graph.running.model_state import include
from infoflow.graph.running.process_lock import alone
from infoflow.graph.running.pytree import tensors_in
from infoflow.graph.tracing.leaves import Leaves, is_compiled
from infoflow.graph.tracing.value_reads import ABOUT

_TORCH = Path(torch.__file__).parent
_OURS = Path(__file__).parents[1]


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


class Interceptor(TorchFunctionMode):
    """Base of what looks on while a model runs.

    ``on_module`` and ``on_function`` are asked to make each call and return its result; what they
    call is not observed again. ``path`` holds the names of the modules that are running.
    """

    def __init__(self, leaves: Leaves) -> None:
        super().__init__()
        self.leaves = leaves
        self.path: list[tuple[str, type]] = []
        self.touched: dict[int, Tensor] = {}
        self._thread = threading.get_ident()
        self._is_inside_leaf = False
        self._is_inside_transform = False

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

    def on_transform(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Make the call of ``torch.vmap`` or the like, which is one call.

        After it, ``touched`` holds the tensors that were read inside.
        """
        return self.on_function(function, args, kwargs)

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs) if kwargs else {}
        if threading.get_ident() != self._thread or self._is_inside_leaf:
            return function(*args, **kwargs)
        if self._is_inside_transform or torch._C._functorch.maybe_current_level() is not None:
            self.touched |= {id(tensor): tensor for tensor in tensors_in((args, kwargs))}
            return function(*args, **kwargs)  # inside torch.vmap, which is one call
        if function in ABOUT:
            return function(*args, **kwargs)
        return self.on_function(function, args, kwargs)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Observe what runs inside the ``with``."""
        self._thread = threading.get_ident()
        with ExitStack() as stack:
            stack.enter_context(alone())
            stack.enter_context(_intercepted(self._called))
            stack.enter_context(_whole(self, torch.nested, "nested_tensor", self.on_function))
            stack.enter_context(_whole_scripted(self))
            stack.enter_context(_whole(self, apis, "vmap_impl", self._transform))
            for name in ("grad_impl", "grad_and_value_impl", "_jvp_with_argnums"):
                stack.enter_context(_whole(self, eager_transforms, name, self._transform))
            stack.enter_context(_uncompiled(self))
            stack.enter_context(self)
            yield

    def sees(self) -> bool:
        """Tell whether a call that is made now is one to look at."""
        is_within = torch._C._functorch.maybe_current_level() is not None
        is_ours = threading.get_ident() == self._thread
        is_whole = self._is_inside_leaf or self._is_inside_transform
        return is_ours and not is_within and not is_whole

    def _transform(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        self.touched = {}

        def whole(*args: Any, **kwargs: Any) -> Any:
            self._is_inside_transform = True
            try:
                with torch._C._EnableTorchFunction():
                    return function(*args, **kwargs)
            finally:
                self._is_inside_transform = False

        whole.__name__, whole.__module__ = function.__name__, function.__module__
        return self.on_transform(whole, args, kwargs)

    def _called(
        self, original: Callable[..., Any], module: nn.Module, *args: Any, **kwargs: Any
    ) -> Any:
        if not self.sees():
            return original(module, *args, **kwargs)
        name = self.leaves.name(module)
        if name is None and parameters_in(module):
            name = self.leaves.adopt(module, self.path[-1][0] if self.path else "")
            include(module)
        if name is None:
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
def _replaced(home: Any, name: str, new: Any) -> Iterator[None]:
    """Put something in the place of one of torch's functions."""
    original = getattr(home, name)
    setattr(home, name, new)
    try:
        yield
    finally:
        setattr(home, name, original)


@contextmanager
def _intercepted(called: Callable[..., Any]) -> Iterator[None]:
    """Let ``called`` make every call of a module, as torch.fx does while it traces."""
    original = nn.Module.__call__
    thread = threading.get_ident()

    def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != thread:
            return original(module, *args, **kwargs)
        plain = original if module._compiled_call_impl is None else nn.Module._call_impl
        return called(plain, module, *args, **kwargs)

    with _replaced(nn.Module, "__call__", call):
        yield


@contextmanager
def _whole(
    observer: Interceptor, home: Any, name: str, on_call: Callable[..., Any]
) -> Iterator[None]:
    """Let ``torch.vmap`` or the like be one call: what happens inside cannot happen outside it."""
    original = getattr(home, name, None)
    if original is None:
        yield
        return

    def whole(*args: Any, **kwargs: Any) -> Any:
        if not observer.sees():
            return original(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            return on_call(original, args, kwargs)

    with _replaced(home, name, whole):
        yield


@contextmanager
def _whole_scripted(observer: Interceptor) -> Iterator[None]:
    """Let the call of a function that torch.jit has scripted be one call."""
    home: Any = torch.jit.ScriptFunction
    original = home.__call__

    def call(script: Any, *args: Any, **kwargs: Any) -> Any:
        def whole(*args: Any, **kwargs: Any) -> Any:
            return original(script, *args, **kwargs)

        if not observer.sees():
            return whole(*args, **kwargs)
        whole.__name__ = script.name
        with torch._C.DisableTorchFunction():
            return observer.on_function(whole, args, kwargs)

    with _replaced(home, "__call__", call):
        yield


def _without_compiler() -> AbstractContextManager[Any]:
    """Let compiled functions run as they were written; where there is none, load no compiler."""
    if "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance"):
        stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
        return stance
    return nullcontext()


@contextmanager
def _uncompiled(observer: Interceptor) -> Iterator[None]:
    """Let compiled parts run as they were written, and ``torch.cond`` be an ``if``."""
    compiled = [module for module in observer.leaves if is_compiled(module)]
    forwards = [vars(module).get("forward") for module in compiled]
    cond = torch.cond

    def choose(pred: Any, true_fn: Any, false_fn: Any, operands: Any = ()) -> Any:
        if not observer.sees():
            return cond(pred, true_fn, false_fn, operands)
        return (true_fn if pred else false_fn)(*operands)

    for module in compiled:
        vars(module)["forward"] = module._orig_mod
    try:
        with _replaced(torch, "cond", choose), _without_compiler():
            yield
    finally:
        for module, forward in zip(compiled, forwards, strict=True):
            vars(module)["forward"] = forward


def line_of_the_model() -> str:
    """Return where the model is now: file, line and code of its last own frame."""
    frames = traceback.extract_stack()
    for frame in reversed(frames):
        path = Path(frame.filename)
        if not path.is_relative_to(_OURS) and not path.is_relative_to(_TORCH):
            return f"{path.name}:{frame.lineno}, in {frame.name}: `{frame.line}`"
    return "a line that cannot be told"
