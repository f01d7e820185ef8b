"""Mixtures of Gaussians on a line, integrated numerically: the truth for what is drawn."""

import itertools
import math

import numpy as np
from scipy.integrate import quad


def mixture_information(centres, noise_std):
    """I(centre; centre + noise) in nats, for equally likely centres on a line."""
    centres = np.sort(np.asarray(centres, dtype=float).ravel())

    def density(t):
        scaled = (t - centres) / noise_std
        return np.exp(-scaled * scaled / 2).mean() / (noise_std * math.sqrt(2 * math.pi))

    def integrand(t):
        p = density(t)
        return -p * math.log(p) if p > 0 else 0.0

    edges = np.unique(np.concatenate([centres - 9 * noise_std, centres, centres + 9 * noise_std]))
    edges = edges[np.diff(edges, prepend=-np.inf) > 0.01 * noise_std]
    pieces = [
        quad(integrand, a, b, limit=200, epsabs=1e-7)[0] for a, b in itertools.pairwise(edges)
    ]
    return sum(pieces) - 0.5 * math.log(2 * math.pi * math.e * noise_std**2)
