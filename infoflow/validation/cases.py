"""The cases that estimators are run on, with what is known of each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import integrate, special, stats
from torch import Tensor

from infoflow.graph import trace
from infoflow.testing.discrete import discrete_table, noisy_xor, ranked_streams, stream_net
from infoflow.testing.families import PairFamily, benchmark_families
from infoflow.testing.gaussian import gaussian_chain
from infoflow.testing.truth import KnownNet

#: Samples of a case, unless it is a table that is taken as it is.
_SAMPLES = 400


@dataclass(frozen=True, eq=False)
class ClassCase:
    """Values of one layer, with classes.

    Parameters
    ----------
    name
        What it is, for the table.
    values, labels
        (N, units), and (N,) int64.
    ixm, iym
        I(X;M) and I(Y;M) of M itself in nats; ``ixm`` is infinite where M is continuous.
    is_discrete
        Whether M has few values, 20 or more apart, so that noise of variance 1 and bins change
        nothing, and each occurs as often as its probability says.
    """

    name: str
    values: Tensor
    labels: Tensor
    ixm: float
    iym: float
    is_discrete: bool = False

    @property
    def units(self) -> int:
        """Number of real values of M."""
        return self.values.shape[1]


@dataclass(frozen=True, eq=False)
class ChainCase:
    """A linear net with noise inside.

    Parameters
    ----------
    name
        What it is, for the table.
    net
        Its truths are of noise that goes on through the net.
    beta
        Standard deviation of the noise after every linear layer.
    """

    name: str
    net: KnownNet
    beta: float


@dataclass(frozen=True, eq=False)
class PairCase:
    """Samples of two continuous variables.

    Parameters
    ----------
    family
        Where they come from, and their mutual information.
    x, y
        (N, x_units) and (N, y_units) float64.
    """

    family: PairFamily
    x: Tensor
    y: Tensor

    @property
    def name(self) -> str:
        """The family's name."""
        return self.family.name


Case = ClassCase | ChainCase | PairCase


def known_cases(*, seed: int = 0) -> tuple[Case, ...]:
    """Return every case; ``seed`` is that of all that is drawn.

    Examples
    --------
    >>> len(known_cases()) > 20
    True
    """
    return (*_symbols(), *_classes_of_normals(seed), *_chains(seed), *_pairs(seed))


def _symbols() -> Iterator[ClassCase]:
    names = ("all", "nothing", "synergy", "copy")
    streams = [stream_net(name) for name in names]  # type: ignore[arg-type]
    table = discrete_table([[6, 2, 1], [1, 5, 2], [0, 3, 7], [2, 2, 2]])
    for net in (noisy_xor(), *streams, ranked_streams(), table):
        values = trace(net.model, net.inputs[:4]).values(net.inputs)
        for layer in ("sides.side", "output", "code", "merged"):
            if layer in values:
                truth = net.truth(layer)
                name = f"{net.name}: {layer}"
                yield ClassCase(name, values[layer], net.labels, truth.ixm, truth.iym, True)


def _classes_of_normals(seed: int) -> Iterator[ClassCase]:
    """Yield two normal classes, of which only the first unit knows anything."""
    random = np.random.default_rng(seed)
    for units in (1, 3, 10, 25):
        labels = random.permutation(np.arange(_SAMPLES) % 2)
        values = random.normal(size=(_SAMPLES, units))
        values[:, 0] += 2 * labels
        yield ClassCase(
            f"two normal classes, {units} dim",
            torch.from_numpy(values),
            torch.from_numpy(labels),
            math.inf,
            two_normals_information(2.0),
        )


def two_normals_information(distance: float) -> float:
    """Return what a normal variable knows of two equally likely classes, in nats.

    Parameters
    ----------
    distance
        Between the classes' means, in standard deviations.

    Examples
    --------
    >>> round(two_normals_information(2.0), 4), round(two_normals_information(20.0), 4)
    (0.3368, 0.6931)
    """

    def doubt(at: float) -> float:
        chance = special.expit(distance * (at - distance / 2))
        return float(stats.norm.pdf(at) * (special.entr(chance) + special.entr(1 - chance)))

    # by symmetry one class is enough
    return math.log(2) - float(integrate.quad(doubt, -12, 12 + distance, limit=200)[0])


def _chains(seed: int) -> Iterator[ChainCase]:
    for skip in (False, True):
        variance = 0.1
        net = gaussian_chain(skip=skip, noise_variance=variance, samples=_SAMPLES // 4, seed=seed)
        yield ChainCase(net.name, net, math.sqrt(variance))


def _pairs(seed: int) -> Iterator[PairCase]:
    for family in benchmark_families():
        x, y = family.sample(2 * _SAMPLES, seed=seed)
        yield PairCase(family, torch.from_numpy(x), torch.from_numpy(y))
