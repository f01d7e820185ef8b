"""Computing variants beside one run of the whole net."""

import infoflow
from infoflow.graph.running.arguments import as_arguments
from infoflow.graph.running.pytree import first_tensor
from infoflow.pruning.choice import StreamNames, find_stream
from infoflow.pruning.variants import WholeRun, observe, ready, silenced, variant_of


def footprint_of(graph):
    with ready(graph.program.model):
        return observe(graph.program, graph.source.example)


def silenced_outputs(graph, streams, *batches):
    """Return for each batch the whole net's output, and that of the net without each stream."""
    footprint = footprint_of(graph)
    return outputs(graph, footprint, [silenced(graph, s, footprint) for s in streams], *batches)


def outputs(graph, footprint, variants, *batches):
    run = WholeRun(graph.program, footprint)
    found = []
    with ready(graph.program.model):
        for batch in batches:
            call = as_arguments(graph.program.model, batch)
            got = {n: first_tensor(value).clone() for n, value in run.outputs(call, variants)}
            found.append((got.pop(None), [got[n] for n in range(len(variants))]))
    return found


def pruned_outputs(net, graph, stream, *batches):
    """Return a pruned net, its variant, and the variant's outputs."""
    slim = infoflow.prune(net, StreamNames.of([find_stream(graph, stream).name], graph))
    footprint = footprint_of(graph)
    variant = variant_of(slim, graph, footprint)
    return slim, variant, [one for _, (one,) in outputs(graph, footprint, [variant], *batches)]
