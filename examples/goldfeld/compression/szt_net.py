"""The task and the net of Shwartz-Ziv and Tishby, with several seeds of it side by side."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import torch
from scipy.io import loadmat
from torch import Tensor, nn

WIDTHS = (12, 10, 7, 5, 4, 3, 2)
#: Inputs for training; the other 819 are for testing.
TRAINING = 3277
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "linear": nn.Identity,
}


def read_task(data_dir: Path | None) -> tuple[Tensor, Tensor]:
    """Return all 4096 inputs of 12 bits, as 0 and 1, and their classes.

    With 0 and 1 the untrained net has the information of the authors' first epoch in layers 4 and
    5; with −1 and 1 it has a nat more.
    """
    if data_dir is None:
        raise ValueError(
            "The data folder is not given, expected the one that holds szt/var_u.mat. Pass "
            "--data-dir, or set INFOFLOW_DATA."
        )
    path = data_dir / "szt" / "var_u.mat"
    if not path.is_file():
        raise ValueError(
            f"{path} is not there, expected the task of Shwartz-Ziv and Tishby. Give the folder "
            "that holds szt/var_u.mat as --data-dir."
        )
    try:
        stored = loadmat(path)
        inputs = torch.as_tensor(stored["F"], dtype=torch.float32)
        labels = torch.as_tensor(stored["y"]).flatten().long()
    except Exception as error:  # whatever scipy says of a file that is no MATLAB file
        raise ValueError(
            f"{path} cannot be read as the task of Shwartz-Ziv and Tishby "
            f"({type(error).__name__}), expected a MATLAB file with F and y. Copy it again."
        ) from error
    if inputs.shape != (4096, 12) or labels.shape != (4096,):
        raise ValueError(
            f"{path} holds inputs of shape {tuple(inputs.shape)} and {len(labels)} labels, "
            "expected 4096 inputs of 12 bits, each with its label: this is another task's file."
        )
    return inputs, labels


def split_rows(seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows for training and for testing."""
    order = torch.randperm(4096, generator=torch.Generator().manual_seed(seed))
    return order[:TRAINING], order[TRAINING:]


def fresh_net(activation: str, seed: int) -> nn.Sequential:
    """Return the untrained net of a seed, with the default weights of ``nn.Linear``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(WIDTHS):
            layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


class Stack:
    """One net for each seed, whose weights are stacked so that all are trained in one go.

    Parameters
    ----------
    activation
        Of the hidden layers.
    beta
        Standard deviation of the noise at the hidden layers; 0 for none.
    seeds
        How many nets, with seeds 0, 1, ….
    """

    def __init__(self, activation: str, beta: float, seeds: int) -> None:
        self._activation = ACTIVATIONS[activation]()
        self._beta = beta
        nets = [fresh_net(activation, seed) for seed in range(seeds)]
        linear = [[part for part in net if isinstance(part, nn.Linear)] for net in nets]
        self.weights = [
            torch.stack([part.weight.detach() for part in parts]).requires_grad_()
            for parts in zip(*linear, strict=True)
        ]
        self.biases = [
            torch.stack([part.bias.detach() for part in parts]).requires_grad_()
            for parts in zip(*linear, strict=True)
        ]

    @property
    def parameters(self) -> list[Tensor]:
        """All weights, then all biases."""
        return [*self.weights, *self.biases]

    def __call__(self, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return the outputs, (seeds, rows, 2), of inputs of shape (seeds, rows, 12).

        ``noise`` is standard normal, (seeds, rows, 29): a column for each hidden unit in turn.
        """
        value, column = inputs, 0
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            value = self._activation(torch.baddbmm(bias[:, None], value, weight.mT))
            units = value.shape[2]
            if noise is not None:
                value = value + self._beta * noise[:, :, column : column + units]
            column += units
        return torch.baddbmm(self.biases[-1][:, None], value, self.weights[-1].mT)

    @torch.no_grad()
    def pull(self, alpha: float) -> None:
        """Move all weights but the last layer's towards orthonormal ones (Cisse et al., 2017)."""
        for weight in self.weights[:-1]:
            weight -= alpha * (weight @ weight.mT @ weight - weight)


def net_of(activation: str, weights: list[Tensor], seed: int) -> nn.Sequential:
    """Return the net of one seed from the parameters of a stack."""
    net = fresh_net(activation, 0)
    linear = [part for part in net if isinstance(part, nn.Linear)]
    for place, part in enumerate(linear):
        part.weight.data = weights[place][seed].clone()
        part.bias.data = weights[place + len(linear)][seed].clone()
    return net
