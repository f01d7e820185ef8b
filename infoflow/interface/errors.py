"""The errors and warnings that infoflow raises on purpose."""

from __future__ import annotations

import sys
import warnings


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


class PaddingWarning(InfoflowWarning):
    """Numbers depend on how a loader pads samples of several lengths."""


class UnlabelledWarning(InfoflowWarning):
    """A number of the target is taken for "not labelled"."""


class TargetWarning(InfoflowWarning):
    """The target's numbers are taken for something else than they seem to be."""


class OrderWarning(InfoflowWarning):
    """Labels given as an array may be in another order than the samples."""


class UnseenWeightsWarning(InfoflowWarning):
    """Weights act on the output that no layer has: layers and merges are missing."""


class PruningWarning(InfoflowWarning):
    """A stream was silenced, since it could not be cut."""


class HighDimensionWarning(InfoflowWarning):
    """The samples fill more dimensions than an estimator from nearest neighbours can follow."""


class BudgetWarning(InfoflowWarning):
    """A memory budget holds fewer pixels, samples or features than were asked for."""


class SingletonWarning(InfoflowWarning):
    """Most classes of Y hold a single sample, so I(Y;M) counts samples, not knowledge."""


#: What to do about a full memory.
OUT_OF_MEMORY = "Memory is full: give smaller batches, a smaller memory_budget, or a larger device."


def is_out_of_memory(error: object) -> bool:
    """Tell whether an error says that the memory of a device, or of the machine, is full."""
    is_named = type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError)
    return is_named or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))


#: Modules whose frames are not the caller's: ours, and what context managers run in.
_INSIDE = ("infoflow.", "contextlib")


def warn(message: str, category: type[InfoflowWarning]) -> None:
    """Give a warning that points at the first line outside of infoflow."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
