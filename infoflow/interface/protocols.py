"""The protocols of estimators and of the statistics that they need of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from infoflow.interface.estimates import Estimate

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Collector(Protocol):
    """Takes one layer's values batch by batch, and gives its statistic over all samples."""

    def add(self, start: int, values: Tensor) -> None:
        """Take the (rows, units) values of the samples from number ``start`` on."""
        ...

    def result(self) -> Any:
        """Return the statistic of all samples."""
        ...


@runtime_checkable
class Statistic(Protocol):
    """What an estimator needs of one layer over all samples, and how it is collected.

    ``infoflow.Distances``, ``Codes``, ``Values`` and ``Draws`` are ours.
    """

    def bytes_per_sample(self, units: int, itemsize: int) -> int:
        """Return what a collector keeps of each sample of a layer, to stay within a budget.

        Parameters
        ----------
        units
            Real values that one sample of the layer has.
        itemsize
            Bytes of one value.
        """
        ...

    def collector(
        self, units: int, samples: int, *, dtype: torch.dtype, device: torch.device
    ) -> Collector:
        """Return an empty collector for a layer of so many units.

        Values arrive in any floating dtype; ``dtype`` is the one to keep them in.
        """
        ...


@runtime_checkable
class Subsampled(Protocol):
    """A statistic of which a part of the samples can be taken; estimates then get an interval."""

    def select(self, statistic: Any, keep: Tensor) -> Any:
        """Return the statistic of the samples with the numbers ``keep``, int64."""
        ...


@runtime_checkable
class Estimator(Protocol):
    """What ``estimator=`` accepts: an object that turns one layer's statistic into an Estimate.

    An estimator can do more, and says so by the optional protocols :class:`QuickValues`,
    :class:`RowBlocks`, :class:`ClassShuffles`, :class:`CountedNull`, :class:`KernelNoise` and
    :class:`PropagatedNoise`.

    Attributes
    ----------
    name
        Short name, used in legends and files.
    statistic
        What the capture must collect: ``Distances()``, ``Codes(bin_size)``, ``Values()``,
        ``Draws(count, seed)``, or a :class:`Statistic` of your own.
    """

    @property
    def name(self) -> str:  # noqa: D102
        ...

    @property
    def statistic(self) -> Statistic:  # noqa: D102
        ...

    def estimate(self, statistic: Any, labels: Tensor | None) -> Estimate:
        """Return the estimate in nats.

        Parameters
        ----------
        statistic
            What the collector of ``.statistic`` gave: (N, N) float64 squared distances, (N,) int64
            codes, (N, units) values, …
        labels
            (N,) int64 classes of Y, or None.
        """
        ...


@runtime_checkable
class QuickValues(Protocol):
    """An estimator that can give its two values without interval and null, for less."""

    def values(self, statistic: Any, labels: Tensor | None) -> tuple[float, float]:
        """Return I(X;M) and I(Y;M) in nats, those of ``estimate``; NaN for what is not known."""
        ...


@runtime_checkable
class RowBlocks(Protocol):
    """An estimator that takes distances in blocks of rows, where an N×N matrix has no room.

    Attributes
    ----------
    takes_row_blocks
        Whether it does, with its present settings.
    """

    @property
    def takes_row_blocks(self) -> bool:  # noqa: D102
        ...


@runtime_checkable
class ClassShuffles(Protocol):
    """An estimator that knows a shorter way to I(Y;M) of many orders of the classes."""

    def about_shuffled(self, statistic: Any, orders: Tensor) -> Tensor:
        """Return I(Y;M) in nats, (orders,), for (orders, N) int64 classes."""
        ...


@runtime_checkable
class CountedNull(Protocol):
    """An estimator that says how many shuffles of the classes make its null.

    Attributes
    ----------
    permutations
        How many; 0 where no null is wanted.
    """

    @property
    def permutations(self) -> int:  # noqa: D102
        ...


@runtime_checkable
class KernelNoise(Protocol):
    """An estimator from distances with Gaussian measurement noise: streams can be measured with it.

    Attributes
    ----------
    noise
        A variance in squared units of the activation, or a share of the layer's own variance.
    exponent_factor
        Squared distances are divided by this times the noise variance: 2 for the upper bound of
        Kolchinsky and Tracey (2017), 8 for the lower.
    """

    @property
    def noise(self) -> Any:  # noqa: D102
        ...

    @property
    def exponent_factor(self) -> float:  # noqa: D102
        ...


@runtime_checkable
class PropagatedNoise(Protocol):
    """An estimator of nets with noise inside, so that the data processing inequality holds.

    Attributes
    ----------
    is_propagated
        Whether it is.
    """

    @property
    def is_propagated(self) -> bool:  # noqa: D102
        ...
