"""Keys of checkpoints: containers, prefixes and copies, as trainers write them."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

#: What wraps a module anywhere in a net, and adds a part to the names of its weights.
_WRAPPERS = re.compile(
    r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module|"
    r"_dp_wrapped_module)\."
)
#: Parts of a name that mark a running average, or the second net of a pair.
_COPY = re.compile(r"(?:^|[._])(?:ema|swa|averaged?|shadow|teacher|momentum|target)(?:$|[._])")
#: What trainers keep beside the net: losses, metrics, counters, copies.
_BESIDE = re.compile(
    r"loss|criterion|metric|accuracy|(?:^|_)(?:ema|swa|teacher|n_averaged|global_step|optimizers?)"
    r"(?:$|_)"
)


#: Names of the net itself, and of what holds it, in the scripts of trainers.
_USUAL = {
    *("state_dict", "model_state_dict", "model_state", "network_weights", "state", "weights"),
    *("params", "module", "model", "net", "network", "student", "model_weights"),
}


@dataclass(frozen=True)
class Match:
    """How the keys of one state_dict name the weights of a net.

    Parameters
    ----------
    container
        Where in the checkpoint it is, such as ``"state_dict"``; empty for the checkpoint itself.
    prefix
        What stands before every name of the net, such as ``"module."``.
    state
        The values, by the names that the net has for them.
    others
        The values under the prefix that the net has no name for.
    missing, reshaped
        Names of the net that are not there, and those of another shape.
    beside
        Keys that belong to something else, such as a loss, and are left out.
    """

    container: str
    prefix: str
    state: dict[str, Any]
    others: dict[str, Any]
    missing: tuple[str, ...]
    reshaped: tuple[str, ...]
    beside: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether every weight of the net is there, in its shape, and nothing that it lacks."""
        return not (self.missing or self.others or self.reshaped)

    @property
    def place(self) -> str:
        """Where the weights are, as a path of names."""
        return ".".join(filter(None, (self.container, self.prefix.rstrip("."))))

    @property
    def strangeness(self) -> int:
        """2 for a running average or a teacher by its name, 1 for an unusual name, else 0."""
        if _COPY.search(self.place):
            return 2
        return int(any(part and part not in _USUAL for part in self.place.split(".")))

    @property
    def faults(self) -> int:
        """How many keys do not fit; the fewer, the likelier the match."""
        return 2 * len(self.missing) + len(self.reshaped) + len(self.others)

    def is_as_good_as(self, best: Match) -> bool:
        """Tell whether nothing speaks for ``best`` and against this one, whose values differ."""
        if not self.fits or self.place == best.place or self.strangeness > best.strangeness:
            return False
        if self.container == best.container and not best.prefix:
            return False  # the outermost names are meant
        return not all(_same(value, best.state[name]) for name, value in self.state.items())


def matches(own: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> list[Match]:
    """Return the ways to read a checkpoint as the weights ``own``, the likeliest first.

    Examples
    --------
    >>> import torch
    >>> saved = {"state_dict": {"module.a": torch.zeros(2), "loss.weight": torch.ones(3)}}
    >>> best = matches({"a": torch.ones(2)}, saved)[0]
    >>> best.container, best.prefix, best.beside, best.fits
    ('state_dict', 'module.', ('loss.weight',), True)
    """
    found = [
        match
        for container, state in _containers(checkpoint)
        for match in _matches_in(container, state, own)
    ]
    return sorted(found, key=lambda one: (one.faults, one.strangeness, len(one.prefix)))


def _containers(
    checkpoint: Mapping[str, Any], path: str = "", depth: int = 0
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Go through the dictionaries that hold tensors, from the outside in."""
    if any(isinstance(value, Tensor) for value in checkpoint.values()):
        yield path, checkpoint
    for key, value in checkpoint.items():
        if isinstance(value, Mapping) and depth < 3 and not str(key).startswith("optim"):
            yield from _containers(value, f"{path}.{key}".lstrip("."), depth + 1)


def _matches_in(
    container: str, state: Mapping[str, Any], own: Mapping[str, Any]
) -> Iterator[Match]:
    names = {_plain(name): name for name in own}
    given = {_plain(str(key)): value for key, value in state.items()}
    variants = [given]
    if any(".module." in key for key in given) and not any(".module." in name for name in names):
        variants.append({key.replace(".module.", "."): value for key, value in given.items()})
    for keys, inner in itertools.product(variants, _inner_prefixes(list(names))):
        wanted = {name.removeprefix(inner): full for name, full in names.items()}
        for prefix in _prefixes(keys, wanted, own):
            yield _match(container, prefix, inner, keys, wanted, own)


def _plain(name: str) -> str:
    return _WRAPPERS.sub("", name)


def _inner_prefixes(names: Sequence[str]) -> list[str]:
    """Return what all names start with, part by part: the checkpoint may lack it."""
    prefixes, first = [""], names[0].split(".")[:-1] if names else []
    for number in range(1, len(first) + 1):
        prefix = ".".join(first[:number]) + "."
        if not all(name.startswith(prefix) for name in names):
            break
        prefixes.append(prefix)
    return prefixes


def _prefixes(
    given: Mapping[str, Any], wanted: Mapping[str, str], own: Mapping[str, Any]
) -> list[str]:
    """Return the prefixes under which most of the names are found in the right shape."""
    found = Counter({"": 0})
    for key, value in given.items():
        parts = key.split(".")
        for number in range(len(parts)):
            name = ".".join(parts[number:])
            if name in wanted:
                prefix = key.removesuffix(name)
                found[prefix] += 1 + _fits(value, own[wanted[name]])
    most = max(found.values())
    return [prefix for prefix, count in found.items() if prefix == "" or count == most]


def _match(
    container: str,
    prefix: str,
    inner: str,
    given: Mapping[str, Any],
    wanted: Mapping[str, str],
    own: Mapping[str, Any],
) -> Match:
    state = {full: given[prefix + name] for name, full in wanted.items() if prefix + name in given}
    state = {**_tied(own, state), **state}
    tops = {name.split(".")[0] for name in wanted}
    others, beside = {}, []
    for key, value in given.items():
        name = key.removeprefix(prefix)
        if not key.startswith(prefix) or (name not in wanted and _is_beside(name, tops)):
            beside.append(key)
        elif name not in wanted:
            others[inner + name] = value
    reshaped = sorted(name for name, value in state.items() if not _fits(value, own[name]))
    missing = sorted(full for full in wanted.values() if full not in state)
    return Match(container, prefix, state, others, tuple(missing), tuple(reshaped), tuple(beside))


def _is_beside(name: str, tops: set[str]) -> bool:
    """Tell whether a name is of a loss, a metric or a copy, and of no layer."""
    top = name.split(".")[0]
    return top not in tops and bool(_BESIDE.search(top.lower()))


def _tied(own: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """Return missing entries that are the same parameter as a given one: files hold these once."""
    given = {_storage(own[name]): value for name, value in state.items()}
    missing = {name: value for name, value in own.items() if name not in state}
    return {
        name: given[_storage(value)]
        for name, value in missing.items()
        if shape_of(value) and value.numel() and _storage(value) in given
    }


def _storage(value: Any) -> Any:
    """Tell tensors apart by where they are, and what of it they show."""
    if shape_of(value) is None:
        return id(value)
    return value.data_ptr(), value.shape, value.stride()


def _fits(value: Any, own: Any) -> bool:
    """Tell whether a value can be that of the net: of its shape, where it has one already."""
    return shape_of(own) in (None, shape_of(value))


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, Tensor) and isinstance(other, Tensor):
        return torch.equal(value, other)
    return type(value) is type(other)


def shape_of(value: Any) -> tuple[int, ...] | None:
    """Return the shape of a tensor; None for what is none, or has no shape yet."""
    is_known = isinstance(value, Tensor) and not nn.parameter.is_lazy(value)
    return tuple(value.shape) if is_known else None
