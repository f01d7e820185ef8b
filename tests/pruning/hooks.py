"""Real nets with hooks that leave a stream out, to hold a pruned net against."""

from contextlib import contextmanager

import torch
from torch import nn

import infoflow
from infoflow.pruning.choice import find_stream


def random_statistics(net):
    """Give norms the statistics of some data, and weights a size at which every stream counts."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.normal_(norm.bias, 0, 0.1)
        norm.momentum = None
    for parameter in net.parameters():
        if not norms and parameter.ndim > 1:
            nn.init.normal_(parameter, 0, 1.5 * parameter[0].numel() ** -0.5)
    if norms:
        with torch.no_grad():
            net.train()(torch.randn(8, 3, 64, 64))
    return net.eval()


@contextmanager
def replaced(net, name, value):
    """Let a module give zeros, or ones."""
    module = net.get_submodule(name)
    handle = module.register_forward_hook(lambda m, args, out: torch.full_like(out, value))
    yield
    handle.remove()


@contextmanager
def zeroed_input(net, name, start, stop):
    """Let a module read zeros in some of its channels."""

    def blank(module, args):
        value = args[0].clone()
        value[:, start:stop] = 0
        return (value,)

    handle = net.get_submodule(name).register_forward_pre_hook(blank)
    yield
    handle.remove()


def check(net, size, stream, without):
    x = torch.randn(2, 3, size, size)
    slim = infoflow.prune(net, stream, x)
    assert [removed.how for removed in slim.pruning.streams] == ["cut"]
    with torch.no_grad():
        for batch in (x, torch.randn(3, 3, size, size)):
            whole = net(batch)
            with without(net):
                wanted = net(batch)
            assert (whole - wanted).abs().max() > 1e-3 * wanted.abs().max(), "it counts for nothing"
            assert (slim(batch) - wanted).abs().max() <= 1e-5 * (1 + wanted.abs().max())
    skip = find_stream(infoflow.trace(net, x), stream)
    assert slim.pruning.parameters == skip.parameters
    assert slim.pruning.multiply_adds == skip.multiply_adds
    return slim


def check_concatenations(net, size):
    """Take a skip out of the first and of the last concatenation that one layer reads."""
    random_statistics(net)
    graph = infoflow.trace(net, torch.randn(1, 3, size, size))
    known = [m for m in graph.merges if m.kind == "concat" and m.skips[0].parameters is not None]
    read_once = [m for m in known if len(m.layers) == 1]
    for merge in (read_once[0], read_once[-1]):
        (reader,) = merge.layers
        skip = merge.skips[-1]
        place = merge.streams.index(skip.source)
        widths = [graph[source].shape[0] for source in merge.streams]
        start = sum(widths[:place])
        check(
            net,
            size,
            skip.name,
            lambda n, r=reader, s=start, w=widths[place]: zeroed_input(n, r, s, s + w),
        )
