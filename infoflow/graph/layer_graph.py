"""The layer graph that ``infoflow.trace`` returns."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import networkx as nx
import torch
from torch import Tensor

from infoflow.graph.builders import Anatomy
from infoflow.graph.forms import as_dataset, as_dict, as_networkx, fields_of
from infoflow.graph.layer_values import LayerValues, Receive
from infoflow.graph.reduce import Reduce
from infoflow.graph.running.arguments import Arguments, as_arguments
from infoflow.graph.running.lists import marked_as
from infoflow.graph.running.model_state import evaluation_mode
from infoflow.graph.running.random_state import seeded
from infoflow.graph.selection import find_layer, select_layers
from infoflow.graph.text_table import counted, graph_table
from infoflow.graph.tracing.program import Program
from infoflow.graph.tracing.source import Source
from infoflow.interface import (
    ArgumentError,
    InfoflowError,
    Layer,
    Merge,
    ResultFileError,
    Skip,
    Verification,
)
from infoflow.results import Result
from infoflow.results.columns import readable
from infoflow.results.frame import tidy_frame

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


class LayerGraph(Result):
    """Layers, streams and merges of one net.

    Made by :func:`infoflow.trace`. A graph that was read from a file has all names and numbers, but
    no program, so :meth:`values` is not available there.

    Attributes
    ----------
    model
        Class name of the model.
    inputs
        Names of the model's tensor inputs.
    layers
        The layers, in the order of computation.
    merges
        The merges, in the order in which their streams meet.
    outputs
        Names of the layers that the model's output is made of.
    dominators
        For each layer the nearest layer that every path from the inputs to it goes through, or
        None. Only along this tree does the data processing inequality hold.
    unmeasurable
        Layers whose value has no row per sample, each with the reason.
    verification
        How the graph was made, what its program was replayed on, and how far it can be trusted.
    reduce
        What of values with positions is measured, as given to :func:`infoflow.trace`.
    """

    dims = ("layer",)

    def __init__(
        self,
        *,
        model: str,
        inputs: tuple[str, ...],
        layers: tuple[Layer, ...],
        merges: tuple[Merge, ...],
        outputs: tuple[str, ...],
        dominators: Mapping[str, str | None],
        verification: Verification,
        reduce: Reduce = "flatten",
        axes: Mapping[str, int] | None = None,
        positions: Mapping[str, tuple[int, ...]] | None = None,
        unmeasurable: Mapping[str, str] | None = None,
        source: Source | None = None,
        anatomy: Anatomy | None = None,
    ) -> None:
        self.model = model
        self.inputs = inputs
        self.layers = layers
        self.merges = merges
        self.outputs = outputs
        self.dominators = dict(dominators)
        self.unmeasurable = dict(unmeasurable or {})
        self.verification = verification
        self.reduce: Reduce = reduce
        self._axes = dict(axes or {})
        self._positions = dict(positions or {})
        self._by_name = {layer.name: layer for layer in layers}
        self._source = source
        self._anatomy = anatomy
        #: The program knows its model weakly: a graph keeps it, a result's graph does not.
        self._kept = source.model if source is not None else None

    def released(self) -> LayerGraph:
        """Return the same graph, which does not keep the model alive."""
        found = copy.copy(self)
        found._source, found._anatomy, found._kept = self._source, self._anatomy, None
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the program, which is of a model in memory."""
        return {**vars(self), "_source": None, "_anatomy": None, "_kept": None}

    @property
    def skips(self) -> tuple[Skip, ...]:
        """All skip connections, merge by merge."""
        return tuple(skip for merge in self.merges for skip in merge.skips)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the layers."""
        return tuple(self._by_name)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, key: str | int) -> Layer:
        """Return a layer by name or index; a LayerNotFoundError shows the nearest names."""
        found = self._by_name.get(key) if isinstance(key, str) else None
        return find_layer(self, key) if found is None else found

    def select(self, layers: str | int | Sequence[str | int] = "all") -> tuple[Layer, ...]:
        """Return layers by ``"all"``, ``"merges"``, names, globs or indices.

        Parameters
        ----------
        layers
            ``"merges"`` takes the layers in which streams have met, and the sources of their
            streams. Every other string is a name or a pattern, such as ``"encoder.*"``.

        Returns
        -------
        tuple of Layer
            In the order of computation, without repeats.
        """
        return select_layers(self, layers)

    # ------------------------------------------------------------------------------ values

    def values(self, *inputs: Any, **named: Any) -> dict[str, Tensor]:
        """Compute every layer's value for one batch.

        Parameters
        ----------
        *inputs, **named
            The model's arguments, as in the example that was traced.

        Returns
        -------
        dict of str to Tensor
            Layer name to a tensor of shape ``(batch, *layer.shape)``. Layers that are
            ``unmeasurable`` are left out.

        Examples
        --------
        >>> import infoflow, torch
        >>> from infoflow.testing import UNet
        >>> graph = infoflow.trace(UNet(base_channels=4), torch.zeros(1, 3, 32, 32))
        >>> graph.values(torch.zeros(2, 3, 32, 32))["output"].shape
        torch.Size([2, 1, 32, 32])
        """
        model = self.source.model
        found: dict[str, Tensor] = {}
        layers = [layer for layer in self.layers if layer.name not in self.unmeasurable]
        with evaluation_mode(model), seeded(), torch.no_grad():
            self.visit(
                marked_as(self.source.example, as_arguments(model, inputs, named)),
                layers,
                lambda layer, value: found.update({layer.name: value.clone()}),
            )
        return found

    def visit(self, call: Arguments, layers: Sequence[Layer], receive: Receive) -> None:
        """Compute one batch and hand over the value of each of ``layers`` when it is there.

        The computation stops after the last of them. A later operation may overwrite a value in
        place: use it at once, or copy it. Gradients and training flags are the caller's business.

        Parameters
        ----------
        call
            The model's arguments.
        layers
            Layers of this graph.
        receive
            Called with a layer and its value, of shape ``(batch, *layer.shape)``.

        Raises
        ------
        ActivationError
            If a layer has no row per sample, or is not computed for this batch.

        Warns
        -----
        PathWarning
            If the batch takes another path through the model than the example.
        """
        self._computed.visit(call, layers, receive)

    def rows(self, name: str, value: Any, samples: int) -> Tensor:
        """Return a layer's raw value for ``samples`` samples, of shape (samples, …).

        A complex number is two: its real and its imaginary part, in a last dimension.

        Raises
        ------
        ActivationError
            If it has no row per sample.
        """
        return self._computed.rows(name, value, samples)

    def output(self, call: Arguments) -> Tensor:
        """Compute the model's own output for one batch; of several tensors, the first."""
        return self._computed.output(call)

    @property
    def _computed(self) -> LayerValues:
        return LayerValues(
            *(self.source, self._by_name, self.unmeasurable),
            *(self.reduce, self._positions, self._axes),
        )

    @property
    def has_program(self) -> bool:
        """Whether values can be computed.

        Not where the graph was read from a file, or the model of a result has been deleted.
        """
        return self._source is not None and self._source.program.is_alive

    @property
    def source(self) -> Source:
        """What computes the values; an InfoflowError for a graph that was read from a file."""
        if self._source is None:
            raise self._has_no_program()
        return self._source

    def _has_no_program(self) -> InfoflowError:
        return InfoflowError(
            f"This graph of {self.model} was read from a file and has no program to run. Trace the "
            "model again with infoflow.trace(model, example)."
        )

    @property
    def program(self) -> Program:
        """The recorded program; an InfoflowError for a graph that was read from a file."""
        return self.source.program

    @property
    def anatomy(self) -> Anatomy:
        """Where layers and merges lie in the program; an InfoflowError where there is none."""
        if self._anatomy is None:
            raise self._has_no_program()
        return self._anatomy

    # ------------------------------------------------------------------------------ other forms

    @cached_property
    def dataset(self) -> xr.Dataset:
        """The layers, by name, with what :class:`Layer` says of each."""
        return as_dataset(self)

    @property
    def joined_along(self) -> tuple[str, ...]:
        """Nothing: graphs are not joined, so that printing one needs no dataset."""
        return ()

    def with_dataset(self, dataset: xr.Dataset) -> Self:
        """Raise an ArgumentError: a graph is what a net is, and its layers are no numbers."""
        raise ArgumentError(
            f"The graph of {self.model} is no measurement, so it is not joined, cut or converted. "
            "Choose layers with graph.select(layers)."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy pandas frame, one row for each layer."""
        return tidy_frame(readable(self.dataset, Layer, "layer"), self.dims, (), ("kind",))

    def to_networkx(self) -> nx.DiGraph:
        """Return inputs and layers as nodes, streams as edges.

        Nodes carry the fields of :class:`Layer`; inputs have ``kind="input"``. Edges into a place
        where streams meet carry ``merge`` (its name) and ``skip`` (True or False).
        """
        return as_networkx(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, strings and numbers, from which :meth:`from_dict` makes it again."""
        return as_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make a graph, without its program, from what :meth:`to_dict` returned."""
        return cls(**fields_of(data))

    def stored(self) -> xr.Dataset:
        """Return the layers, with the whole graph as JSON."""
        about = {"infoflow_kind": self.kind, "infoflow_schema": self.schema}
        return self.dataset.assign(graph=self.to_json()).assign_attrs(about)

    def to_json(self) -> xr.Variable:
        """Return the whole graph as a variable: an HDF5 attribute holds 64 kB at most."""
        import xarray as xr

        return xr.Variable((), json.dumps(self.to_dict()))

    @classmethod
    def from_stored(cls, dataset: xr.Dataset, path: Path) -> Self:
        """Return the graph, without its program; a ResultFileError where it is damaged."""
        try:
            return cls.from_dict(json.loads(dataset["graph"].item()))
        except (KeyError, TypeError, ValueError) as error:
            raise ResultFileError(
                f"{path} lacks the layer graph of an infoflow result, or holds a damaged one "
                f"({type(error).__name__}). Measure again, or take the file from a complete copy."
            ) from error

    def title(self) -> str:
        """Return how many layers, merges and skips there are."""
        return (
            f"{self.model}: {counted(len(self.layers), 'layer')}, "
            f"{counted(len(self.merges), 'merge')}, {counted(len(self.skips), 'skip')}"
        )

    def table(self) -> str:
        """Return a line for each layer and each merge."""
        return graph_table(
            self.model, self.layers, self.merges, self.verification, self.unmeasurable
        )

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)
