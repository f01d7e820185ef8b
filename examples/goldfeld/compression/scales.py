"""What each scale trains, and at which epochs it is measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: Epochs of the SZT net that are measured: spaced evenly in the logarithm, with the paper's own.
SZT_LOOKS = (
    *(0, 1, 2, 3, 4, 6, 9, 13, 19, 28, 40, 56, 79, 112, 160, 225, 320, 509, 720, 1000),
    *(1400, 2000, 2800, 3200, 4000, 5600, 8000, 10_000),
)
#: Those that are measured with many draws as well.
SZT_MARKED = (28, 79, 509, 10_000)
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

    def marked(self) -> list[int]:
        """Return the epochs to measure with many draws as well."""
        return [epoch for epoch in self.looks() if epoch in SZT_MARKED or epoch == self.epochs]


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
    draws, many_draws
        Draws of each input at every look, and at the marked ones.
    standard_error
        Of every I(X;T), in nats.
    """

    name: str
    szt: tuple[SztTraining, ...]
    mnist: tuple[MnistTraining, ...]
    draws: int
    many_draws: int
    standard_error: float

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
        return Scale(name, tuple(szt), tuple(mnist), 32, 1000, 0.01)
    if name == "cpu":
        szt, mnist = _szt(10_000, 3), _mnist(16, 3, 10_000)
        return Scale(name, tuple(szt), tuple(mnist), 32, 1000, 0.02)
    if name == "smoke":
        szt, mnist = _szt(6, 2), _mnist(1, 1, 256, test_images=256)
        return Scale(name, tuple(szt), tuple(mnist), 4, 8, 0.1)
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
