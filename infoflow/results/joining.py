"""``infoflow.concat``: several results of one kind as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any, TypeVar

from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import shortened, shown
from infoflow.results.base import JOINED, Result

_R = TypeVar("_R", bound=Result)


def concat(results: Iterable[_R], along: str, *, labels: Sequence[Any] | None = None) -> _R:
    """Join results of one kind, of one net and in one unit.

    Parameters
    ----------
    results
        One or more results, such as those of several seeds.
    along
        What tells them apart: ``"seed"``, ``"epoch"``, or another name. A dimension that they have
        is made longer, any other is added.
    labels
        A label for each result; None for those that they have, or 0, 1, ….

    Returns
    -------
    Result
        Of the same kind; ``.sel(seed=0)`` takes a part out again. Attributes that differ are left
        out.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If there is none, they are of other kinds, nets, units or settings, or labels repeat.

    Examples
    --------
    >>> import infoflow, torch
    >>> points = [torch.randn(64, 2, generator=torch.Generator().manual_seed(0))]
    >>> results = []
    >>> for seed in (0, 1):
    ...     _ = torch.manual_seed(seed)
    ...     net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())
    ...     results.append(infoflow.analyze(net, points, noise=0.1, progress=False))
    >>> both = infoflow.concat(results, "seed")
    >>> dict(both.ixm.sizes)
    {'seed': 2, 'epoch': 1, 'layer': 1}
    """
    is_several = isinstance(results, Iterable) and not isinstance(results, (str, bytes, Result))
    if not is_several:
        raise ArgumentTypeError(
            f"concat joins a list of results, got {shown(results)}. Write "
            "infoflow.concat([one, other], along)."
        )
    if not isinstance(along, str) or not along.isidentifier():
        raise ArgumentTypeError(
            f"along must be a word, such as 'seed' or 'epoch', got {shown(along)}."
        )
    found = list(results)
    if not found:
        raise ArgumentError("concat needs at least one result, got none.")
    for one in found:
        if not isinstance(one, Result):
            raise ArgumentTypeError(
                f"concat joins results such as those of infoflow.analyze, got {type(one).__name__}."
            )
        if along in one.dataset.data_vars:
            raise ArgumentError(
                f"along must be a new word, or a dimension, got {along!r}, which is a quantity of "
                f"{type(one).__name__}."
            )
        _check_alike(found[0], one, along)
    names = _labels(found, along, labels)
    joined = found[0].joined_with(found[1:], along, names)
    is_new = along not in found[0].dataset.variables
    beyond = [*found[0].joined_along, *([along] if is_new else [])]
    marks = {JOINED: " ".join(beyond)} if beyond else {}
    return found[0].with_dataset(joined.assign_attrs(marks))


def _check_alike(first: Result, other: Result, along: str) -> None:
    pairs = {
        "kind of result": (first.kind, other.kind),
        "net": (first.net(), other.net()),
        "unit": (first.unit, other.unit),
        **{name: tuple(r.dataset.attrs.get(name) for r in (first, other)) for name in first.agree},
    }
    for name in dict.fromkeys([*first.dataset.coords, *other.dataset.coords]):
        is_label_of_it = all(
            along in r.dataset[name].dims for r in (first, other) if name in r.dataset
        )
        if name != along and not is_label_of_it and not first.may_differ(str(name)):
            pairs[str(name)] = (_values(first, name), _values(other, name))
    for what, (one, another) in pairs.items():
        if one != another:
            raise ArgumentError(
                f"Results are joined along {along!r} only where their {what} is the same, got "
                f"{shortened(one)} and {shortened(another)}. Join those that belong together."
            )


def _values(result: Result, name: Any) -> list[Any]:
    known = result.dataset.coords
    return known[name].values.ravel().tolist() if name in known else []


def _labels(results: Sequence[Result], along: str, labels: Sequence[Any] | None) -> list[Any]:
    """Return a label for each result, None where they have labels already."""
    if labels is not None:
        labels = _checked_labels(labels)
    if labels is not None and len(labels) != len(results):
        raise ArgumentError(
            f"labels must have one for each of the {len(results)} results, got {len(labels)}."
        )
    own = [dict.fromkeys(_values(result, along)) for result in results]
    if any(own):
        if labels is not None or not all(own):
            raise ArgumentError(
                f"The results have labels along {along!r} already, got others for some. Leave "
                "labels= out, and join those that have labels with each other."
            )
        given: list[Any] = [None] * len(results)
        every = [label for names in own for label in names]
    else:
        marked = [result.dataset.attrs.get(along) for result in results]
        is_marked = None not in marked and len(set(marked)) == len(marked)
        given = list(labels or (marked if is_marked else range(len(results))))
        every = given
    twice = [label for label in every if every.count(label) > 1]
    if twice:
        raise ArgumentError(
            f"Each {along} may occur once in results that are joined, got {twice[0]!r} twice."
        )
    return given


def _checked_labels(labels: object) -> list[Any]:
    """Return labels as a list of texts or numbers, all of one kind."""
    several = labels.tolist() if hasattr(labels, "tolist") else labels
    names = list(several) if isinstance(several, (list, tuple, range)) else []
    texts = [isinstance(name, str) for name in names]
    numbers = [isinstance(name, Real) and name == name for name in names]
    if not names or not (all(texts) or all(numbers)):
        raise ArgumentTypeError(
            f"labels must be a list of texts or of numbers, one for each result, got "
            f"{shown(labels)}."
        )
    return names
