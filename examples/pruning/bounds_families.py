"""Rises of the loss as they could be: families with a known mean, and those of a small real net."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

Floats = NDArray[np.float64]
#: From a generator and a shape to rises in bits.
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]


@dataclass(frozen=True)
class Family:
    """Rises with a known mean.

    Parameters
    ----------
    name, kind
        What they are; ``"ordinary"``, ``"heavy"``, ``"unseen"`` (few samples lose nearly all, so
        that small sets miss them) or ``"real"``.
    draw
        Draws rises in bits.
    mean
        Their mean in bits.
    """

    name: str
    kind: str
    draw: Draw
    mean: float


#: The mean of all families, in bits: above the tolerance of 0.05, so that "prune" is wrong.
MEAN = 0.06


def _normal(spread: float) -> Draw:
    return lambda g, shape: MEAN + spread * g.standard_normal(shape)


def _rare(loss: float, noise: float) -> Draw:
    def draw(g: np.random.Generator, shape: tuple[int, int]) -> Floats:
        return loss * (g.random(shape) < MEAN / loss) + noise * g.standard_normal(shape)

    return draw


def _lognormal(sigma: float) -> Draw:
    return lambda g, shape: MEAN * np.exp(sigma * g.standard_normal(shape) - sigma**2 / 2)


def _spikes(g: np.random.Generator, shape: tuple[int, int]) -> Floats:
    is_large = g.random(shape) < 0.05
    return MEAN + np.where(is_large, 1.0, 0.02) * g.standard_normal(shape)


SIMULATED = (
    Family("normal, deviation 0.05", "ordinary", _normal(0.05), MEAN),
    Family("normal, deviation 0.2", "ordinary", _normal(0.2), MEAN),
    Family(
        "Laplace, deviation 0.2", "ordinary",
        lambda g, shape: MEAN + 0.2 / np.sqrt(2) * g.laplace(size=shape), MEAN,
    ),
    Family("log-normal, sigma 1", "ordinary", _lognormal(1.0), MEAN),
    Family(
        "Student's t of 3 degrees, deviation 0.2", "ordinary",
        lambda g, shape: MEAN + 0.2 / np.sqrt(3) * g.standard_t(3, size=shape), MEAN,
    ),
    Family("5 % with a deviation of 1, else 0.02", "ordinary", _spikes, MEAN),
    Family("log-normal, sigma 2", "heavy", _lognormal(2.0), MEAN),
    Family("log-normal, sigma 2.5", "heavy", _lognormal(2.5), MEAN),
    Family("5 % lose 1.2 bits, noise 0.02", "heavy", _rare(1.2, 0.02), MEAN),
    Family("1.2 % lose 5 bits", "unseen", _rare(5.0, 0.0), MEAN),
    Family("1.2 % lose 5 bits, noise 0.02", "unseen", _rare(5.0, 0.02), MEAN),
)  # fmt: skip


class Residual(nn.Module):
    """A small residual net on 8×8 digits, whose branches can be silenced."""

    def __init__(self, width: int = 24, blocks: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)) for _ in range(blocks)
        )
        self.head = nn.Linear(width, 10)

    def features(self, x: Tensor, silenced: frozenset[int] = frozenset()) -> Tensor:
        """Return what the last layer reads, without some of the branches."""
        x = self.stem(x)
        for number, block in enumerate(self.blocks):
            x = x if number in silenced else x + block(x)
        return functional.relu(x).mean((2, 3))


def real_families(seed: int = 0) -> list[Family]:
    """Train a net on 500 digits, silence branches, and resample the rises of 1,297 others.

    Each branch and each pair, with the last layer refitted to the whole net's logits on the
    training digits; and the branch that costs least, as it is.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.images))
    images = torch.tensor(data.images[order], dtype=torch.float32)[:, None] / 16
    labels = torch.tensor(data.target[order])
    net = Residual()
    _train(net, images[:500], labels[:500])
    whole = _bits(net.head(net.features(images[500:])), labels[500:])
    found = []
    branches = range(len(net.blocks))
    for silenced in [{i} for i in branches] + [{i, i + 1} for i in branches[:-1]]:
        cut = frozenset(silenced)
        name = "+".join(str(i) for i in sorted(cut))
        for mended in (False, True) if cut == {2} else (True,):
            head = _refitted(net, cut, images[:500]) if mended else net.head
            rises = _bits(head(net.features(images[500:], cut)), labels[500:]) - whole
            found.append(_resampled(f"digits, branch {name}{', mended' * mended}", rises))
    return found


def _train(net: Residual, images: Tensor, labels: Tensor) -> None:
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(60):
        for rows in torch.randperm(len(images)).split(50):
            optimizer.zero_grad()
            loss = functional.cross_entropy(net.head(net.features(images[rows])), labels[rows])
            loss.backward()
            optimizer.step()
    net.requires_grad_(False)


def _bits(logits: Tensor, labels: Tensor) -> Floats:
    nats = functional.cross_entropy(logits.double(), labels, reduction="none")
    found: Floats = (nats / np.log(2)).numpy()
    return found


def _refitted(net: Residual, silenced: frozenset[int], images: Tensor) -> nn.Linear:
    wanted = net.head(net.features(images)).double()
    inputs = net.features(images, silenced).double()
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=torch.float64)], 1)
    ridge = 1e-3 * torch.eye(inputs.shape[1], dtype=torch.float64)
    solved = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ wanted)
    head = nn.Linear(inputs.shape[1] - 1, wanted.shape[1])
    head.weight.data, head.bias.data = solved[:-1].T.float(), solved[-1].float()
    return head.requires_grad_(False)


def _resampled(name: str, rises: Floats) -> Family:
    def draw(g: np.random.Generator, shape: tuple[int, int]) -> Floats:
        return rises[g.integers(0, len(rises), shape)]

    return Family(name, "real", draw, float(rises.mean()))
