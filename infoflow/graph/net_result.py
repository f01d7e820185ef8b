"""``NetResult``: a result that knows the graph of its net."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from infoflow.graph.layer_graph import LayerGraph
from infoflow.results import Result

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False, repr=False)
class NetResult(Result):
    """A result with the layer graph of the net, which goes with it into its file.

    Parameters
    ----------
    dataset
        As for :class:`infoflow.Result`.
    graph
        The net. It computes values as long as the model is there, which the result does not keep
        alive; after :func:`infoflow.load` or unpickling it has no program to run.
    """

    graph: LayerGraph

    kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "graph", self.graph.released())

    def net(self) -> object:
        """Return the kinds and shapes of the layers."""
        layers = [(layer.name, layer.kind, tuple(layer.shape)) for layer in self.graph.layers]
        return self.graph.model, layers

    def stored(self) -> xr.Dataset:
        """Return the dataset with the graph as JSON."""
        return self.dataset.assign(graph=self.graph.to_json())

    @classmethod
    def from_stored(cls, dataset: xr.Dataset, path: Path) -> Self:
        """Return the result that :meth:`stored` gave; a ResultFileError where it is damaged."""
        graph = LayerGraph.from_stored(dataset, path)
        return cls(cls.completed(dataset.drop_vars("graph")), graph)

    @classmethod
    def completed(cls, dataset: xr.Dataset) -> xr.Dataset:
        """Return a stored dataset with what older files lack."""
        return dataset
