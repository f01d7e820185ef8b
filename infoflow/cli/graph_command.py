"""``infoflow graph``: from what was typed to a layer graph, in the form that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from infoflow.cli.data import load_loader
from infoflow.cli.inputs import example_input
from infoflow.cli.models import load_model
from infoflow.cli.option_sets import Tracing
from infoflow.graph import LayerGraph, trace
from infoflow.graph.export import to_dot, to_json, to_mermaid
from infoflow.graph.running.arguments import as_arguments
from infoflow.interface import ArgumentError

_FORMS = {"--json": to_json, "--dot": to_dot, "--mermaid": to_mermaid}


def print_graph(
    text: str,
    *,
    shapes: Sequence[str],
    data: str | None,
    weights: Path | None,
    tracing: Tracing,
    forms: Mapping[str, bool],
    other: str | None = None,
) -> None:
    """Trace the model that ``text`` names and print its graph, as a table or in one of ``forms``.

    Of two models, print what the ``other`` has gained and lost. Wrong options are told before
    anything is loaded.
    """
    form = _the_one(forms)
    if other is not None and form not in (None, "--json"):
        raise ArgumentError(f"--diff prints text or --json, got {form}. Leave {form} out.")
    loader = None if data is None else load_loader(data, shapes[0] if shapes else None)

    def graph_of(name: str, weights: Path | None) -> LayerGraph:
        model = load_model(name, weights)
        return trace(model, example_input(model, name, shapes, loader), **tracing.of_trace)

    graph = graph_of(text, weights)
    if other is not None:
        from infoflow.cli.compare_command import print_difference

        print_difference(graph, graph_of(other, None), (text, other), as_json=form is not None)
    else:
        print(graph if form is None else _FORMS[form](graph))


def shapes_of(text: str, shapes: Sequence[str], tracing: Tracing) -> LayerGraph:
    """Return the graph of the model that ``text`` names, for its shapes alone.

    The model is made without memory for its weights and run without computing; where it cannot do
    without numbers, it is run on two samples.
    """
    try:
        with torch.device("meta"):
            model = load_model(text, None)
        example = as_arguments(model, example_input(model, text, shapes, None))
        return trace(model, example.map(lambda tensor: tensor.to("meta")), **tracing.of_trace)
    except Exception:
        model = load_model(text, None)
        return trace(model, example_input(model, text, shapes, None), **tracing.of_trace)


def _the_one(forms: Mapping[str, bool]) -> str | None:
    chosen = [name for name, is_chosen in forms.items() if is_chosen]
    if len(chosen) > 1:
        raise ArgumentError(
            f"A graph is printed in one form, got {' and '.join(chosen)}. Choose one of them; "
            "without any, it is a table."
        )
    return chosen[0] if chosen else None
