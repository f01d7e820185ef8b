"""What each scale trains, and at which epochs it is measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: Epochs of the SZT net that are measured: spaced evenly in the logarithm, with the paper's own.
SZT_LOOKS = (
    *(0, 1, 2, 3, 4, 6, 9, 13, 19, 28, 40, 56, 79, 112, 160, 225, 320, 509, 720, 1000),
    *(1400, 2000, 2800, 3200, 4000, 5600, 8000, 10_000),
)
#: Those that every seed is measured at first, and the first tanh net with many draws as well.
SZT_MARKED = (28, 79, 509, 10_000)
#: Those that every seed is measured at, after the marked ones.
SZT_FEW = (0, 3, 13, 28, 79, 225, 509, 1400, 3200, 10_000)
#: Epochs of the CNN that are measured, where they are reached.
MNIST_LOOKS = (0, 1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)


@dataclass(frozen=True)
class SztTraining:
    """The SZT net with all seeds of a variant, which are trained side by side.

    Parameters
    ----------
    variant
        Its name.
    activation
        ``"tanh"``, ``"relu"`` or ``"linear"``.
    beta
        Standard deviation of the noise; 0 for none.
    pull
        α of Cisse et al.'s step towards orthonormal weights; 0 for none.
    epochs, seeds
        How long, and how often.
    """

    variant: str
    activation: str
    beta: float
    pull: float
    epochs: int
    seeds: int

    @property
    def name(self) -> str:
        """The name of its folder and files."""
        return f"szt-{self.variant}"

    def looks(self) -> list[int]:
        """Return the epochs to measure."""
        return _up_to(self.epochs, SZT_LOOKS)

    def few(self) -> list[int]:
        """Return the epochs at which I(X;T) of a seed is measured where all are too many."""
        return _up_to(self.epochs, SZT_FEW)

    def marked(self) -> list[int]:
        """Return the epochs at which I(X;T) of every seed is measured."""
        return _up_to(self.epochs, SZT_MARKED)


@dataclass(frozen=True)
class MnistTraining:
    """The MNIST CNN with one seed.

    Parameters
    ----------
    variant
        Its name.
    beta
        Standard deviation of the noise; 0 for none.
    dropout
        Probability of dropout in the place of noise; 0 for none.
    epochs, seed
        How long, and the seed of weights, order, noise and distortions.
    images
        How many training images are used: the first ones.
    test_images
        How many test images: the first ones.
    """

    variant: str
    beta: float
    dropout: float
    epochs: int
    seed: int
    images: int
    test_images: int = 10_000

    @property
    def name(self) -> str:
        """The name of its folder and files."""
        return f"mnist-{self.variant}-seed{self.seed}"

    def looks(self) -> list[int]:
        """Return the epochs to measure."""
        return _up_to(self.epochs, MNIST_LOOKS)


Training = SztTraining | MnistTraining


@dataclass(frozen=True)
class Scale:
    """All trainings of a scale, and how finely they are measured.

    Parameters
    ----------
    name
        ``"full"``, ``"cpu"`` or ``"smoke"``.
    szt, mnist
        What to train, in this order.
    dense_seeds
        How many seeds of the SZT net have I(X;T) at all looks; the others at ten of them.
    draws, few_draws, many_draws
        Draws of each input at every look, and at the marked ones of the first tanh net as well.
    standard_error
        Of every I(X;T), in nats.
    neuron_epochs
        Length of the neurons' trainings.
    drawn, drawn_sets
        Draws of each input, and sets of inputs, where X is drawn as the authors did.
    rate_sets
        Data sets of the largest sizes, for the rate at which the error falls.
    """

    name: str
    szt: tuple[SztTraining, ...]
    mnist: tuple[MnistTraining, ...]
    dense_seeds: int = 3
    draws: int = 32
    few_draws: int = 4
    many_draws: int = 1000
    standard_error: float = 0.01
    neuron_epochs: int = 30_000
    drawn: tuple[int, ...] = (4, 32, 128)
    drawn_sets: int = 3
    rate_sets: int = 100

    @property
    def trainings(self) -> tuple[Training, ...]:
        """All of them."""
        return (*self.szt, *self.mnist)


def make_scale(name: str) -> Scale:
    """Return a scale by its name.

    Examples
    --------
    >>> [training.name for training in make_scale("smoke").trainings][:2]
    ['szt-tanh', 'szt-orthonormal']
    >>> len(make_scale("full").mnist), make_scale("full").mnist[0].epochs
    (48, 128)
    """
    if name == "full":
        szt, mnist = _szt(10_000, 3), _mnist(128, 8, 60_000)
        return Scale(name, tuple(szt), tuple(mnist))
    if name == "cpu":
        szt, mnist = _szt(10_000, 3), _mnist(16, 3, 4_000)
        return Scale(
            *(name, tuple(szt), tuple(mnist)),
            dense_seeds=1,
            many_draws=256,
            standard_error=0.02,
        )
    if name == "smoke":
        szt, mnist = _szt(2, 1), _mnist(3, 1, 96, test_images=128)
        return Scale(
            name,
            tuple(szt)[:4],
            tuple(mnist),
            draws=4,
            few_draws=2,
            many_draws=8,
            standard_error=0.1,
            neuron_epochs=60,
            drawn=(2, 8),
            drawn_sets=1,
            rate_sets=2,
        )
    raise ValueError(f"scale must be full, cpu or smoke, got {name!r}.")


def _szt(epochs: int, seeds: int) -> Iterator[SztTraining]:
    yield SztTraining("tanh", "tanh", 0.005, 0.0, epochs, seeds)
    yield SztTraining("orthonormal", "tanh", 0.005, 1e-3, epochs, seeds)
    yield SztTraining("linear", "linear", 0.01, 0.0, epochs, seeds)
    yield SztTraining("deterministic", "tanh", 0.0, 0.0, epochs, seeds)
    yield SztTraining("relu", "relu", 0.005, 0.0, epochs, seeds)
    for pull in (1e-4, 1e-2):  # how strong the paper's pull was is not known
        yield SztTraining(f"orthonormal-{pull:g}", "tanh", 0.005, pull, epochs, 1)


def _mnist(
    epochs: int, seeds: int, images: int, test_images: int = 10_000
) -> Iterator[MnistTraining]:
    for seed in range(seeds):
        for variant, beta, dropout in (
            ("deterministic", 0.0, 0.0),
            ("dropout", 0.0, 0.2),
            ("noise0.1", 0.1, 0.0),
            ("noise0.5", 0.5, 0.0),
            ("noise0.2", 0.2, 0.0),
            ("noise0.05", 0.05, 0.0),
        ):
            yield MnistTraining(variant, beta, dropout, epochs, seed, images, test_images)


def _up_to(epochs: int, looks: tuple[int, ...]) -> list[int]:
    return sorted({*(epoch for epoch in looks if epoch <= epochs), epochs})
