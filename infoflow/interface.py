"""The words that all of infoflow shares: frozen results, protocols, errors and warnings."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

Unit = Literal["bits", "nats"]

#: A layer is *saturated* when its estimate is above this share of the ceiling: from there on,
#: the number says more about the number of samples than about the layer.
SATURATION = 0.95


# --------------------------------------------------------------------------- errors and warnings


class InfoflowError(Exception):
    """Base of every error that infoflow raises on purpose."""


class ArgumentError(InfoflowError, ValueError):
    """An argument has a value that cannot be used."""


class ArgumentTypeError(InfoflowError, TypeError):
    """An argument is of a kind that is not taken."""


class UntraceableModelError(InfoflowError):
    """The model could not be turned into a graph of layers."""


class LayerNotFoundError(InfoflowError, LookupError):
    """A layer name, index or pattern matches no layer of the graph."""


class LoaderError(InfoflowError, ValueError):
    """The loader gives no samples, samples that do not fit together, or another order each time."""


class TargetError(InfoflowError, ValueError):
    """Y cannot be made from what the loader or the caller gave."""


class ActivationError(InfoflowError, ValueError):
    """A layer's value cannot be measured: it is not finite, or not one value per sample."""


class MemoryBudgetError(InfoflowError, ValueError):
    """The memory budget does not hold even one unit of one layer for all samples."""


class ResultFileError(InfoflowError, ValueError):
    """A file is no infoflow result, is truncated, or has another schema."""


class OperationError(InfoflowError):
    """A formula that was registered for an operation's cost fails, or returns no number."""


class PruningError(InfoflowError):
    """A stream cannot be removed from this net."""


class InfoflowWarning(UserWarning):
    """Base of infoflow's warnings about doubtful numbers."""


class SaturationWarning(InfoflowWarning):
    """Estimates sit at their ceiling and would do so for almost any net."""


class PathWarning(InfoflowWarning):
    """A batch took another path through the model than the example that was traced."""


class UnmeasurableWarning(InfoflowWarning):
    """Layers without a row per sample are left out."""


class PruningWarning(InfoflowWarning):
    """A stream was silenced, since it could not be cut."""


class HighDimensionWarning(InfoflowWarning):
    """The samples fill more dimensions than an estimator from nearest neighbours can follow."""


class SingletonWarning(InfoflowWarning):
    """Most classes of Y hold a single sample, so I(Y;M) counts samples, not knowledge."""


# --------------------------------------------------------------------------- the layer graph


@dataclass(frozen=True)
class Layer:
    """One node of a layer graph, with a value M per sample.

    Parameters
    ----------
    index
        Position in the order of computation, from 0.
    name
        The module's qualified name; a merge is named after the module in whose ``forward`` it
        happens. A module's second call has ``:2`` appended.
    kind
        The class of a module (``"Conv2d"``), or the operation of a merge (``"add"``).
    shape
        Shape of one sample's value.
    streams
        Names of the layers (or model inputs) that this layer reads.
    is_merge
        Whether streams from two or more different layers have met here.
    followed_by
        Norms, activations, dropout and reshapes that belong to the layer: M is measured after them.
    parameters
        Learned numbers of the layer and of what follows it.
    multiply_adds
        Multiplications with an addition that one sample costs, of the operations from the layers
        that it reads on; None where an operation is among them whose cost is not known. Products
        count (convolutions, matrices, attention); what takes time in proportion to the number of
        values (norms, activations, pooling, interpolation) does not.
    positions
        The dimensions of ``shape`` that count positions: (1, 2) for maps of shape (channels,
        height, width), (0,) for sequences (positions, channels), none for vectors.
    """

    index: int
    name: str
    kind: str
    shape: tuple[int, ...]
    streams: tuple[str, ...]
    is_merge: bool = False
    followed_by: tuple[str, ...] = ()
    parameters: int = 0
    multiply_adds: int | None = 0
    positions: tuple[int, ...] = ()

    @property
    def units(self) -> int:
        """Number of real values that one sample's M has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Skip:
    """A skip connection: a stream into a merge that is not the merge's main stream.

    Parameters
    ----------
    source, merge
        Name of the source layer (or model input) and of the merge.
    source_index, merge_index
        Index of the source layer (None for a model input), and of the first layer in which the
        streams have met (None where the model's output reads the bundle itself).
    parameters, multiply_adds
        What a net without this stream would save, multiply-adds per sample; None where that
        cannot be said from the shapes (a grouped convolution that reads a bundle), or nothing can
        go (a stream of an attention product, the larger side of a gate, of an output).
    """

    source: str
    merge: str
    source_index: int | None
    merge_index: int | None
    parameters: int | None = None
    multiply_adds: int | None = None

    @property
    def name(self) -> str:
        """``source->merge``, as in ``PruningAdvice.prunable``."""
        return f"{self.source}->{self.merge}"

    def __str__(self) -> str:
        source = self.source if self.source_index is None else str(self.source_index)
        merge = "output" if self.merge_index is None else str(self.merge_index)
        return f"{source}→{merge}"


@dataclass(frozen=True)
class Merge:
    """A place where streams from two or more different layers meet.

    Parameters
    ----------
    name
        Name of the merge layer, or of the first reader of the bundle.
    kind
        ``"concat"``, ``"stack"``, ``"add"``, ``"mul"``, ``"attention"``, …
    streams
        Names of the source layers (or model inputs), in the order of the operation's arguments.
    layers
        Names of the layers where the streams have met: the merge layer itself, or each reader of
        the bundle. Empty where only the model's output reads the bundle.
    main
        The stream with the longest path behind it, from the merge's immediate dominator.
    skips
        Every other stream.
    index
        Index of the first of ``layers``, or None.
    branch
        The main stream, with what a net without it would save: in a residual block, the branch
        whose removal takes the block away. None in files of the first version.
    """

    name: str
    kind: str
    streams: tuple[str, ...]
    layers: tuple[str, ...]
    main: str
    skips: tuple[Skip, ...]
    index: int | None
    branch: Skip | None = None


#: How far a traced program can be trusted; see :class:`Verification`.
Faithfulness = Literal["exact", "fixed batch", "fixed shape", "this input only", "not verified"]


@dataclass(frozen=True)
class Verification:
    """What is known of how a graph was made, and how far its program can be trusted.

    Parameters
    ----------
    label
        ``"exact"``: replayed, the program gives the model's own output, also on new input and with
        another number of samples. ``"fixed batch"``: on new input, but not with another number of
        samples. ``"fixed shape"``: the model itself takes no other number of samples, so nothing
        else could be tried. ``"this input only"``: the path depends on the values of the input, or
        a replay differs. ``"not verified"``: there was no example to replay.
    tracer
        ``"recorder"``, which watches one run, or ``"symbolic"``, where there was no example.
    checks
        What the program was replayed on, with the output of the model itself.
    notes
        What was done to the model, and what cannot be known, in words.
    """

    label: Faithfulness
    tracer: Literal["recorder", "symbolic"]
    checks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether a replay stands for the model on any input of this kind."""
        return self.label == "exact"

    def __str__(self) -> str:
        seen = f", replayed on {', '.join(self.checks)}" if self.checks else ""
        return "\n".join([f"{self.label} ({self.tracer}{seen})", *self.notes])


# --------------------------------------------------------------------------- statistics, estimates


@dataclass(frozen=True)
class Distances:
    """Statistic: squared Euclidean distances between all samples, float64, shape (N, N)."""


@dataclass(frozen=True)
class Codes:
    """Statistic: which samples share a bin code, int64 class numbers, shape (N,).

    Parameters
    ----------
    bin_size
        Width of a bin, in the units of the activation.
    """

    bin_size: float


@dataclass(frozen=True)
class Values:
    """Statistic: the values themselves, float32 or float64, shape (N, units).

    The whole layer has to fit into the memory budget.
    """


@dataclass(frozen=True)
class Draws:
    """Statistic: several draws of a layer's value before its own noise, (N, count, units).

    Only a net with noise inside has it, see :class:`infoflow.NoisyNet`. The values are in units of
    the noise's standard deviation.

    Parameters
    ----------
    count
        How often each sample goes through the net.
    seed
        Seed of the net's noise.
    """

    count: int
    seed: int


Statistic = Distances | Codes | Values | Draws


@dataclass(frozen=True)
class Estimate:
    """What an estimator says of one layer.

    Parameters
    ----------
    ixm, iym
        I(X;M) and I(Y;M). NaN for what is not known: ``iym`` without labels, ``ixm`` of an
        estimator that cannot say it.
    ixm_lower, ixm_upper, iym_lower, iym_upper
        Bounds on the same quantities *of the surrogate that* ``kind`` *names*; equal to the value
        where it is exact for the sample.
    ixm_ceiling, iym_ceiling
        log N, and min(log N, H(Y)): no net can exceed them on these samples. For
        :class:`infoflow.Renyi` H(Y) is the Rényi entropy of the classes of its own order.
    samples, singleton_classes
        Number of samples, and of classes of Y that hold only one.
    kind
        What the number is of: deterministic nets have I(X;M) = H(X) or infinity, so it is always of
        a noisy or quantised surrogate.
    unit
        ``"bits"`` or ``"nats"``.
    ixm_ci_low, ixm_ci_high, iym_ci_low, iym_ci_high
        Ends of the 95 % confidence interval of what the estimator would give on average for other
        data sets of N samples: the doubt that comes from the samples, not the estimator's bias.
    iym_null, iym_null_high
        Mean and 95 % quantile of I(Y;M) when the classes are shuffled among the samples: what the
        estimator says where there is nothing to know.
    ixm_standard_error, iym_standard_error
        Standard error of an estimate that rests on random draws, for the same samples; NaN where
        there is none.
    ixm_risk_bound
        Bound on the expected error in the worst case, from theory; NaN where there is none.
    doubt
        What the estimator found in these values that speaks against its number, in words; empty
        where there is nothing.
    """

    ixm: float
    iym: float
    ixm_lower: float
    ixm_upper: float
    iym_lower: float
    iym_upper: float
    ixm_ceiling: float
    iym_ceiling: float
    samples: int
    singleton_classes: int
    kind: str
    unit: Unit = "nats"
    ixm_ci_low: float = math.nan
    ixm_ci_high: float = math.nan
    iym_ci_low: float = math.nan
    iym_ci_high: float = math.nan
    iym_null: float = math.nan
    iym_null_high: float = math.nan
    ixm_standard_error: float = math.nan
    iym_standard_error: float = math.nan
    ixm_risk_bound: float = math.nan
    doubt: str = ""

    @property
    def ixm_saturated(self) -> bool:
        """Whether I(X;M) is above 95 % of its ceiling."""
        return is_saturated(self.ixm, self.ixm_ceiling)

    @property
    def iym_saturated(self) -> bool:
        """Whether I(Y;M) is above 95 % of its ceiling."""
        return is_saturated(self.iym, self.iym_ceiling)

    def to(self, unit: Unit) -> Estimate:
        """Return the same estimate in ``unit``."""
        factor = nats_per(self.unit) / nats_per(unit)
        scaled = {
            field.name: getattr(self, field.name) * factor
            for field in fields(self)
            if field.name.startswith(("ixm", "iym"))
        }
        return replace(self, unit=unit, **scaled)


def total(numbers: Iterable[int | None]) -> int | None:
    """Return the sum of some numbers, None where one of them is not known.

    Examples
    --------
    >>> total([1, 2]), total([1, None])
    (3, None)
    """
    known = list(numbers)
    return None if None in known else sum(number for number in known if number is not None)


def is_saturated(value: float, ceiling: float) -> bool:
    """Tell whether ``value`` is above 95 % of a positive ``ceiling``."""
    return ceiling > 0 and value > SATURATION * ceiling


def nats_per(unit: str) -> float:
    """Return how many nats one ``unit`` is; an ArgumentError for other units than bits and nats."""
    if unit == "nats":
        return 1.0
    if unit == "bits":
        return math.log(2.0)
    raise ArgumentError(f"unit must be 'bits' or 'nats', got {unit!r}.")


@runtime_checkable
class Estimator(Protocol):
    """What ``estimator=`` accepts: an object that turns one layer's statistic into an Estimate.

    Attributes
    ----------
    name
        Short name, used in legends and files.
    statistic
        What the capture must collect: ``Distances()``, ``Codes(bin_size)``, ``Values()`` or
        ``Draws(count, seed)``.
    """

    @property
    def name(self) -> str:  # noqa: D102
        ...

    @property
    def statistic(self) -> Statistic:  # noqa: D102
        ...

    def estimate(self, statistic: Tensor, labels: Tensor | None) -> Estimate:
        """Return the estimate in nats.

        Parameters
        ----------
        statistic
            (N, N) float64 squared distances, (N,) int64 codes, or (N, units) values.
        labels
            (N,) int64 classes of Y, or None.
        """
        ...


# --------------------------------------------------------------------------- targets


@dataclass(frozen=True, eq=False)
class Labels:
    """Y reduced to one class per sample.

    Parameters
    ----------
    classes
        (N,) int64 tensor of class numbers.
    description
        How the classes were made, for titles and files.
    entropy
        H(Y) of the sample, in nats.
    singleton_classes
        Number of classes that hold one sample only.
    """

    classes: Tensor
    description: str
    entropy: float
    singleton_classes: int


@runtime_checkable
class Target(Protocol):
    """What ``target=`` accepts: an object that reduces the raw targets to one class per sample.

    Attributes
    ----------
    of
        ``"target"``: reduce what the loader gives as target; ``"output"``: reduce the model's own
        output; ``"given"``: the classes are known, and ``raw`` has only as many rows as samples.
    """

    @property
    def of(self) -> Literal["target", "output", "given"]:  # noqa: D102
        ...

    def reduce(self, raw: Tensor) -> Labels:
        """Return classes for raw targets of shape (N, ...)."""
        ...
