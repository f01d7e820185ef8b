"""How data are read, and how distances between samples are taken: options that travel together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from tqdm.auto import tqdm

from infoflow.capture.budget import parse_bytes
from infoflow.capture.sketch import SKETCH_SIZE
from infoflow.capture.unpack import Unpack
from infoflow.estimators.products import PRECISIONS, Precision
from infoflow.graph.running.undisturbed import check_device
from infoflow.interface import ArgumentError, ArgumentTypeError
from infoflow.interface.argument_checks import (
    did_you_mean,
    function_of,
    is_flag,
    one_of,
    seed_number,
    shown,
    whole_number,
)

DistanceMode = Literal["auto", "exact", "sketch", "anchors"]
#: Rows of anchors.
ANCHORS = 1000
#: Fewer rows do not tell how much they vary.
_FEWEST_ANCHORS = 100


@dataclass(frozen=True)
class DistanceOptions:
    """How distances between samples are taken, as ``distances=`` takes it.

    Parameters
    ----------
    mode
        ``"exact"``; or from a ``"sketch"`` of each layer, in one pass and at a stated error; or
        from ``"anchors"``, whose time and memory grow with the number of samples N and not with its
        square: sums over all samples for some rows only, in two passes, with
        ``estimator="kde"``. ``"auto"`` takes anchors above 4,000 samples; below, it sketches where
        exact distances would take more than 2·10¹² multiply-adds (samples² · units / 2), or where
        N×N matrices do not fit into the memory budget.
    sketch_size
        Columns of a sketch, an even number: the relative error of a squared distance is
        √(2 / sketch_size).
    streams
        Whether to measure what each stream into a merge knows of Y beside the others; with
        ``estimator="kde"`` and a target.
    anchors
        How many samples are anchors: chosen by the seed, by class, and never more than there are.

    precision
        In what exact distances multiply: ``"float64"``, or ``"float32"``, whose products take
        half the time on a processor. ``ixm_sketch_error`` and ``iym_sketch_error`` of the
        result then say what rounding may do, from products that are taken in float64, too.

    Raises
    ------
    ArgumentError
        For another mode or precision, a size that is no even number, or fewer than 100 anchors.

    Examples
    --------
    >>> DistanceOptions("sketch", sketch_size=1024).streams
    True
    """

    mode: DistanceMode = "auto"
    sketch_size: int = SKETCH_SIZE
    streams: bool = True
    anchors: int = ANCHORS
    precision: Precision = "float64"

    def __post_init__(self) -> None:
        if not isinstance(self.mode, str) or self.mode not in get_args(DistanceMode):
            meant = did_you_mean(self.mode, get_args(DistanceMode))
            raise ArgumentError(
                "distances must be 'auto', 'exact', 'sketch', 'anchors' or an "
                f"infoflow.DistanceOptions, got {shown(self.mode)}.{meant}"
            )
        size = self.sketch_size
        if not isinstance(size, int) or size < 2 or size % 2:
            raise ArgumentError(
                f"sketch_size must be an even number of columns, at least 2, got {size!r}. "
                f"{SKETCH_SIZE} is usual."
            )
        is_flag("streams", self.streams)
        one_of("precision", self.precision, PRECISIONS)
        if self.precision != "float64" and self.mode in ("sketch", "anchors"):
            raise ArgumentError(
                f"precision={self.precision!r} is of exact distances, got distances={self.mode!r}. "
                "Leave precision out, or choose 'exact'."
            )
        whole_number("anchors", self.anchors, least=_FEWEST_ANCHORS, hint=f"{ANCHORS} is usual.")

    @classmethod
    def of(cls, distances: DistanceMode | DistanceOptions) -> DistanceOptions:
        """Return the options that ``distances=`` was given."""
        if isinstance(distances, DistanceOptions):
            return distances
        if not isinstance(distances, str):
            raise ArgumentTypeError(
                "distances must be 'auto', 'exact', 'sketch', 'anchors' or an "
                f"infoflow.DistanceOptions, got {distances!r}."
            )
        return cls(distances)


@dataclass(frozen=True)
class ReadingOptions:
    """How the samples of a loader are read.

    Parameters
    ----------
    unpack
        Function from a batch to ``(inputs, target)``; None for what is usual.
    seed
        Seed of every pass over the loader.
    device
        Where to run the model, such as ``"cuda"``; None for where it is.
    memory_budget
        What may be used above the model's own memory, in bytes or as ``"2GB"``.
    progress
        Whether to show a bar; None shows it on a terminal only.
    """

    unpack: Unpack | None = None
    seed: int = 0
    device: str | None = None
    memory_budget: int | float | str = "2GB"
    progress: bool | None = None

    def __post_init__(self) -> None:
        parse_bytes(self.memory_budget)
        object.__setattr__(self, "seed", seed_number(self.seed))
        is_flag("progress", self.progress, or_none=True)
        if self.unpack is not None:
            function_of("unpack", self.unpack, 1, "unpack(batch), which returns (inputs, target)")
        if self.device is not None:
            check_device(self.device)

    @property
    def budget(self) -> int:
        """The memory budget in bytes."""
        return parse_bytes(self.memory_budget)

    def bar(self, total: int | None, title: str, unit: str = "it") -> Any:
        """Return a progress bar that is gone when it ends."""
        disable = None if self.progress is None else not self.progress
        return tqdm(total=total, desc=title, unit=unit, disable=disable, leave=False)
