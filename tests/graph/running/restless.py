"""Modules that change themselves when they run, each in another way."""

import torch
from torch import nn
from torch.nn import functional


class Square(nn.Linear):
    """As many numbers out as in."""

    def __init__(self, size):
        super().__init__(size, size)


class Clamps(Square):
    """Keeps its weights within bounds, through ``.data``, which torch does not count."""

    def forward(self, x):
        self.weight.data.clamp_(-0.1, 0.1)
        return super().forward(x)


class Averages(Square):
    """Keeps a running average of its input as a parameter."""

    def __init__(self, size):
        super().__init__(size)
        self.average = nn.Parameter(torch.zeros(size), requires_grad=False)

    def forward(self, x):
        with torch.no_grad():
            self.average.lerp_(x.detach().mean(0), 0.5)
        return super().forward(x - self.average)


class Merges(Square):
    """Adds low-rank weights to its own when it leaves training, and takes them away again."""

    def __init__(self, size):
        super().__init__(size)
        self.down = nn.Parameter(torch.randn(2, size))
        self.up = nn.Parameter(torch.randn(size, 2))
        self.is_merged = False

    def train(self, mode=True):
        super().train(mode)
        if mode is self.is_merged:
            self.weight.data += (-1 if mode else 1) * (self.up @ self.down)
            self.is_merged = not mode
        return self

    def forward(self, x):
        z = super().forward(x)
        return z if self.is_merged else z + x @ self.down.T @ self.up.T


class Counts(Square):
    """Counts in every kind of attribute: numbers, containers, tensors, arrays, helper objects."""

    class Log:
        __slots__ = ("calls", "seen")

        def __init__(self):
            self.calls, self.seen = 0, {"shapes": []}

    def __init__(self, size):
        super().__init__(size)
        self.calls, self.log = 0, self.Log()
        self.history = {"norms": [[0.0]], "kinds": set()}
        self.total = torch.zeros(size)
        self.array = torch.zeros(size).numpy()

    def forward(self, x):
        self.calls += 1
        self.log.calls += 1
        self.log.seen["shapes"].append(tuple(x.shape))
        self.history["norms"][0].append(self.calls)
        self.history["kinds"].add(self.calls)
        self.total += 1
        self.array += 1
        self.latest = x
        return super().forward(x)


class Replaces(Square):
    """Gives its tensors other memory, another type of number, and other flags."""

    def __init__(self, size):
        super().__init__(size)
        self.register_buffer("mask", torch.ones(size))

    def forward(self, x):
        y = functional.linear(x * self.mask, self.weight, self.bias)
        self.weight.data = self.weight.data * 2
        self.bias.requires_grad_(False)
        self.mask = self.mask * 0.5
        return y


class Draws(Square):
    """Draws from a generator of its own."""

    def __init__(self, size):
        super().__init__(size)
        self.generator = torch.Generator().manual_seed(3)

    def forward(self, x):
        noise = torch.rand(x.shape, generator=self.generator, dtype=x.dtype)
        return super().forward(x + 0.01 * noise)


class Differentiates(Square):
    """Leaves gradients behind."""

    def forward(self, x):
        with torch.enable_grad():
            super().forward(x.detach()).square().sum().backward()
        return super().forward(x)


class Hooks(Square):
    """Registers a hook more at every call, and turns its own training on."""

    def forward(self, x):
        self.register_forward_pre_hook(lambda module, args: None)
        self.training = True
        return super().forward(x)


class Hides(Square):
    """Runs a norm that torch does not know of and that collects statistics."""

    def __init__(self, size):
        super().__init__(size)
        hidden = nn.BatchNorm1d(size)
        self.norm = lambda x: hidden(x)
        self.norm.module = hidden

    def forward(self, x):
        return self.norm(super().forward(x))


class Fails(nn.Module):
    """Raises at one of its calls, whichever ``left`` says."""

    def __init__(self, left):
        super().__init__()
        self.left = left

    def forward(self, x):
        return x if next(self.left) else 1 / 0


KINDS = (Clamps, Averages, Merges, Counts, Replaces, Draws, Differentiates, Hooks, Hides)


class Net(nn.Module):
    """A chain of restless modules with a skip around each."""

    def __init__(self, kinds, size=4, failing=None):
        super().__init__()
        self.parts = nn.ModuleList(kind(size) for kind in kinds)
        self.fails = nn.Identity() if failing is None else failing
        self.head = nn.Linear(size, 2)

    def forward(self, x):
        for part in self.parts:
            x = x + part(x).tanh()
        return self.head(self.fails(x))
