"""What :func:`infoflow.layer_unit_entropies` returns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from infoflow.results import Fact, Result


@dataclass(frozen=True, eq=False, repr=False)
class UnitEntropies(Result, Mapping[str, Tensor]):
    """H(Bin(m)) of every unit, by layer: a mapping from names of layers to tensors.

    Attributes
    ----------
    dataset
        ``entropy`` of every ``unit``, layer after layer, with the ``unit_layer`` that it is of; by
        ``layer`` the mean, the least and the largest, the number of ``units`` and their ``shape``.
    bin_size
        Width of a bin, in units of the activation.
    """

    needs = ("layer", "shape", "entropy")
    dims = ("layer",)
    always = ("mean",)
    agree = (*Result.agree, "bin_size")
    bin_size = Fact(float)

    def __getitem__(self, layer: str) -> Tensor:
        if layer not in self.dataset["layer"].values:
            raise KeyError(layer)
        shape = json.loads(str(self.single().dataset["shape"].sel(layer=layer).item()))
        mine = (self.dataset["unit_layer"] == layer).values
        return torch.from_numpy(self.dataset["entropy"].values[mine]).view(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.dataset["layer"].values.tolist())

    def __len__(self) -> int:
        return self.dataset.sizes["layer"]


def entropies_of(entropies: Mapping[str, Tensor], model: str, bin_size: float) -> UnitEntropies:
    """Label the entropies of all layers, in bits, each of the shape of one sample's value."""
    flat = {name: bits.flatten().numpy() for name, bits in entropies.items()}
    of_unit = {"long_name": "H(Bin(m)) of each unit", "units": "bits"}
    variables: dict[str, Any] = {
        name: ("layer", [of(bits) for bits in flat.values()], {"long_name": label, "units": "bits"})
        for name, label, of in (
            ("mean", "mean entropy of a layer's units", np.mean),
            ("least", "least entropy of a layer's units", np.min),
            ("largest", "largest entropy of a layer's units", np.max),
        )
    }
    variables["entropy"] = ("unit", np.concatenate(list(flat.values())), of_unit)
    coordinates = {
        "layer": list(flat),
        "units": ("layer", [len(bits) for bits in flat.values()]),
        "shape": ("layer", [json.dumps(list(bits.shape)) for bits in entropies.values()]),
        "unit_layer": ("unit", np.repeat(list(flat), [len(bits) for bits in flat.values()])),
    }
    return UnitEntropies(xr.Dataset(variables, coordinates, {"model": model, "bin_size": bin_size}))
