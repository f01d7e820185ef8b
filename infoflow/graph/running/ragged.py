"""Values whose samples are no rows of one block of numbers: nested, packed and sparse tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

_SPARSE = {
    *(torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc),
}


def is_ragged(value: Any) -> bool:
    """Tell whether a value has samples, but no rows to cut out and to put side by side."""
    if isinstance(value, PackedSequence):
        return True
    return isinstance(value, Tensor) and (value.is_nested or value.layout in _SPARSE)


def samples_in(value: Any) -> int:
    """Return the number of samples in a ragged value."""
    if isinstance(value, PackedSequence):
        return int(value.batch_sizes[0])
    return int(value.size(0)) if value.ndim else 0


def change_samples(change: Callable[[list[Tensor]], list[Tensor]], value: Any) -> Any:
    """Return a ragged value of the same kind, with ``change`` applied to the list of its samples.

    Examples
    --------
    >>> import torch
    >>> from torch.nn.utils.rnn import pack_sequence
    >>> batch = pack_sequence([torch.zeros(3, 2), torch.zeros(1, 2)])
    >>> change_samples(lambda samples: samples[:1], batch).batch_sizes.tolist()
    [1, 1, 1]
    """
    if isinstance(value, PackedSequence):
        is_sorted = value.sorted_indices is None
        return pack_sequence(change(unpack_sequence(value)), enforce_sorted=is_sorted)
    if value.is_nested:
        return torch.nested.as_nested_tensor(change(list(value.unbind())), layout=value.layout)
    rows = value if value.layout is torch.sparse_coo else value.to_sparse_coo()
    changed = torch.stack(change([rows[number] for number in range(len(rows))]))
    if value.layout is torch.sparse_coo:
        return changed.coalesce() if value.is_coalesced() else changed
    size = None
    if value.layout in (torch.sparse_bsr, torch.sparse_bsc):
        size = tuple(value.values().shape[1:3])
    return changed.to_sparse(layout=value.layout, blocksize=size)


def change_numbers(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Return a ragged value of the same structure, with ``change`` applied to its numbers."""
    if isinstance(value, PackedSequence):
        data = change(value.data)
        places = (i if i is None else i.to(data.device) for i in value[2:])
        return PackedSequence(data, value.batch_sizes, *places)
    if value.is_nested:
        parts = [change(part) for part in value.unbind()]
        return torch.nested.as_nested_tensor(parts, layout=value.layout)
    whole = value if value.layout is torch.sparse_coo else value.to_sparse_coo()
    whole = whole.coalesce()
    new = torch.sparse_coo_tensor(
        *(whole.indices(), change(whole.values()), whole.shape),
        check_invariants=False,
        is_coalesced=True,
    )
    return new if value.layout is torch.sparse_coo else new.to_sparse(layout=value.layout)


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """Return the shape of a tensor; of a nested one, -1 where samples have sizes of their own."""
    if not tensor.is_nested:
        return tuple(tensor.shape)
    sizes = [tuple(part.shape) for part in tensor.unbind()]
    common = zip(*sizes, strict=True)
    return (len(sizes), *(size[0] if len({*size}) == 1 else -1 for size in common))


def blocks_of(tensor: Tensor) -> Iterator[Tensor]:
    """Yield the blocks of numbers that a tensor of any layout is made of."""
    if tensor.is_nested:
        yield from tensor.unbind()
    elif tensor.layout in _SPARSE:
        whole = tensor if tensor.layout is torch.sparse_coo else tensor.to_sparse_coo()
        yield whole.coalesce().indices()
        yield whole.coalesce().values()
    else:
        yield tensor
