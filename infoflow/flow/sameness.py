"""Whether two measurements can stand in one result, epoch beside epoch."""

from __future__ import annotations

from infoflow.flow.flow_result import FlowResult
from infoflow.interface import ResultFileError
from infoflow.interface.argument_checks import shortened


def check_same(earlier: FlowResult, latest: FlowResult, name: str) -> None:
    """Raise a ResultFileError where two epochs were measured with other nets or settings.

    Parameters
    ----------
    earlier, latest
        What was measured so far, and now.
    name
        What to call the former, such as a path.
    """
    for what, before, now in (
        ("nets", earlier.graph.model, latest.graph.model),
        ("layers", earlier.layers, latest.layers),
        ("shapes of layers", *(_shapes(r) for r in (earlier, latest))),
        ("samples", *(int(r.dataset["samples"][-1]) for r in (earlier, latest))),
        ("unit", earlier.unit, latest.unit),
        *((k, earlier.dataset.attrs[k], latest.dataset.attrs[k]) for k in ("kind", "target")),
        ("capture", *(r.dataset.attrs.get("capture", "exact") for r in (earlier, latest))),
        ("sweep of noise", *(_values(r, "noise") for r in (earlier, latest))),
        ("streams", *(_values(r, "stream") for r in (earlier, latest))),
        ("labels of epochs", *(_counted(r) for r in (earlier, latest))),
    ):
        if before != now:
            raise ResultFileError(
                f"{name} was measured with other {what} ({shortened(before)}) than now "
                f"({shortened(now)}). Give the Tracker the same settings as before, or begin "
                "another one, with a path of its own."
            )


def _counted(result: FlowResult) -> str:
    return "with step=" if "step" in result.dataset.coords else "without step="


def _values(result: FlowResult, dimension: str) -> list[str]:
    """Return the values of a dimension; none where the result lacks it."""
    labels = result.dataset.coords.get(dimension)
    return [] if labels is None else [str(value) for value in labels.values]


def _shapes(result: FlowResult) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return the kind and shape of every measured layer."""
    layers = [result.graph[name] for name in result.layers]
    return [(layer.name, layer.kind, tuple(layer.shape)) for layer in layers]
