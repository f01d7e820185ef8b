"""One net in several processes: equal parameters, and the buffers of the first one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from infoflow.graph.running.members import named_tensors
from infoflow.graph.running.ranks import Ranks


@contextmanager
def same_net(model: nn.Module, ranks: Ranks) -> Iterator[None]:
    """Let all processes measure the same net.

    Its buffers, such as the running statistics of batch norms, differ between the processes of a
    training: those of process 0 are taken meanwhile, as ``DistributedDataParallel`` does.

    Raises
    ------
    InfoflowError
        If the parameters differ.
    """
    if ranks.number == 1:
        yield
        return
    ranks.agree(
        {"nets": type(model).__name__, "weights": digest(named_tensors(model, "_parameters"))}
    )
    buffers = dict(named_tensors(model, "_buffers"))
    before = {name: buffer.clone() for name, buffer in buffers.items()}
    theirs = ranks.first("buffers", {name: buffer.cpu() for name, buffer in buffers.items()})
    ranks.agree({"buffers": sorted(buffers)})
    _fill(buffers, theirs)
    try:
        yield
    finally:
        _fill(buffers, before)


def _fill(buffers: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, buffer in buffers.items():
            value = values[name].to(buffer.device)
            if not torch.equal(buffer, value):
                buffer.copy_(value)


def digest(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Return a short digest of named tensors.

    Examples
    --------
    >>> digest([("weight", torch.zeros(2))])
    '277159ea52a46a6a'
    """
    found = hashlib.sha256()
    for name, tensor in tensors:
        if tensor.is_meta or is_lazy(tensor):
            found.update(f"{name} {tensor.dtype}".encode())
            continue
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        flat = tensor.detach().cpu().contiguous().flatten()
        found.update(flat.view(torch.uint8).numpy().data)
    return found.hexdigest()[:16]
