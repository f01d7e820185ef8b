"""The straightforward way: hooks that store every activation, distances computed anew."""

import math

import torch

from tests.benchmarks import case

KINDS = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)


def script(net, batches, labels, *, dtype, factors, product):
    """Measure every convolution; return I(X;M) of each for the first factor, in nats.

    The way of the code that the U-Net paper builds on, with all in one process's memory.

    Parameters
    ----------
    labels
        (N,) classes, within which the information is computed again.
    dtype
        Of the distances.
    factors
        Twice the noise variance for the upper bound, eight times for the lower one.
    product
        What makes a Gram matrix of (N, d) values: :func:`matmul` or :func:`syrk`.
    """
    stored = {}
    handles = [
        module.register_forward_hook(
            lambda m, i, o, name=name: stored.setdefault(name, []).append(o.flatten(1).clone())
        )
        for name, module in net.named_modules()
        if isinstance(module, KINDS)
    ]
    case.forward(net, batches)
    for handle in handles:
        handle.remove()
    found = {}
    for name in list(stored):
        values = torch.cat(stored.pop(name)).to(dtype)
        for factor in factors:
            about_samples = _information(values, factor, product)
            found.setdefault(name, float(about_samples))
            for label in torch.unique(labels):
                _information(values[labels == label], factor, product)
    return found


def matmul(values):
    """Return the whole Gram matrix."""
    return values @ values.T


def syrk(values):
    """Return the Gram matrix by a symmetric product of BLAS, on the processor."""
    from scipy.linalg.blas import dsyrk, ssyrk

    product = dsyrk if values.dtype is torch.float64 else ssyrk
    upper = torch.from_numpy(product(1.0, values.numpy().T, trans=1))
    return upper.triu() + upper.triu(1).T


def _information(values, factor, product):
    norms = (values**2).sum(1)
    distances = (norms[:, None] + norms - 2 * product(values)).clamp(min=0)
    return math.log(len(values)) - torch.logsumexp(-distances / factor, 1).mean()
