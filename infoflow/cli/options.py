"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str,
    typer.Argument(
        help="package.module:factory, path/file.py:factory, torchvision:NAME, timm:NAME, smp:NAME, "
        "transformers:NAME, or an exported program (.pt2)",
        show_default=False,
    ),
]
Weights = Annotated[
    Path | None, typer.Option(help="Checkpoint with a state_dict (.pt, .pth or .safetensors).")
]
Shape = Annotated[
    str | None,
    typer.Option(help="Shape of one sample, such as 3,128,128; else from the data or the library."),
]
Data = Annotated[
    str | None,
    typer.Option(
        help="package.module:factory or path/file.py:factory of a loader, an image folder, an "
        ".npz with x (and y), or demo."
    ),
]
Target = Annotated[
    str, typer.Option(help="auto, labels, kmeans, kmeans:CLUSTERS, coarsening, output or none.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
AsDot = Annotated[bool, typer.Option("--dot", help="Print Graphviz.")]
AsMermaid = Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid flowchart.")]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        help="Shape of one sample, such as 3,128,128, or 16:int for tokens; once for each "
        "argument. Else from the data, the model or its library."
    ),
]
Leaves = Annotated[
    list[str] | None,
    typer.Option(help="Keep the modules of this name or pattern whole, as one layer."),
]
Open = Annotated[
    list[str] | None,
    typer.Option("--open", help="Open the modules of this name or pattern, which are kept whole."),
]
Reduce = Annotated[
    str,
    typer.Option(
        help="What of a value with positions is measured: flatten (all of them), mean, first, "
        "last, or the number of one."
    ),
]
