"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infoflow.estimators import Binning
from infoflow.interface import ArgumentError, Estimator
from infoflow.interface.argument_checks import did_you_mean

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
    typer.Option(
        help="Shape of one sample, such as 3,128,128; taken from the data or library if left out."
    ),
]
EstimatorName = Annotated[
    str,
    typer.Option(
        help="kde, binning, binning:SIZE, equal-mass, renyi, ksg, or sample-propagation (of a "
        "NoisyNet)."
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        help="package.module:factory or path/file.py:factory of a loader, an image folder, an "
        ".npz with x (and y), or demo."
    ),
]
Calibrate = Annotated[
    str | None,
    typer.Option(
        help="Samples for mending, written like --data; training data will do, without targets. "
        "Without it, a part of --data mends."
    ),
]
MetricOption = Annotated[
    str | None, typer.Option("--metric", help="Also measure accuracy, dice, iou or psnr.")
]
LossOption = Annotated[
    str,
    typer.Option(
        "--loss",
        help="auto, cross_entropy, binary, next_token, masked, regression or model.",
    ),
]
MendOption = Annotated[str, typer.Option("--mend", help="auto, reader, cascade or none.")]
BitsTolerance = Annotated[
    float | None,
    typer.Option(
        "--tolerance",
        min=0,
        help="Bits that may be lost; by default 2.5 % of what the net knows beyond a constant, at "
        "least 0.005. With --reading paper: a share of the maximum.",
    ),
]
MetricTolerance = Annotated[
    float | None,
    typer.Option(
        "--metric-tolerance",
        min=0,
        help="How much of --metric may be lost, which must then be proven. The default, 1.5 %, "
        "only vetoes.",
    ),
]
LargestRise = Annotated[
    float | None,
    typer.Option(
        "--largest-rise",
        min=0,
        help="The most bits that one sample can lose; verdicts then also hold for rare losses that "
        "no sample shows.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
Target = Annotated[
    str, typer.Option(help="auto, labels, kmeans, kmeans:CLUSTERS, coarsening, output or none.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")]
AsDot = Annotated[bool, typer.Option("--dot", help="Print Graphviz.")]
AsMermaid = Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid flowchart.")]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        help="Shape of one sample, such as 3,128,128, or 16:int for tokens; once for each "
        "argument. Taken from the data, model or library if left out."
    ),
]
Leaves = Annotated[
    list[str] | None,
    typer.Option(help="Keep modules of this name or pattern whole, as one layer."),
]
Open = Annotated[
    list[str] | None,
    typer.Option("--open", help="Open modules of this name or pattern that are kept whole."),
]
Reduce = Annotated[
    str,
    typer.Option(
        help="Which part to measure of values with positions: flatten (all), mean, first, last, or "
        "the number of one."
    ),
]
LayersOption = Annotated[
    str,
    typer.Option(
        "--layers", help="all, merges, a name, a pattern or a number; several with commas."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.", min=0, max=2**32 - 1)]
Noise = Annotated[
    str | None,
    typer.Option(
        help="Noise of the KDE: a variance (default 1), 'relative', or several with commas for a "
        "sweep."
    ),
]
DistancesOption = Annotated[
    str,
    typer.Option(
        "--distances",
        help="exact, sketch, anchors, or auto: exact unless that is too costly.",
    ),
]
Budget = Annotated[str, typer.Option(help="Such as 2GB.")]
DeviceOption = Annotated[
    str | None, typer.Option("--device", help="Such as cuda; else where the model is.")
]
SavePlots = Annotated[
    Path | None, typer.Option("--save-plots", help="Write figures to this folder.")
]


def read_estimator(text: str) -> str | Estimator:
    """Return what ``--estimator`` means: a name, or ``binning:SIZE``.

    Examples
    --------
    >>> read_estimator("binning:0.5").bin_size
    0.5
    """
    name, _, setting = text.partition(":")
    if not setting:
        return text
    if name != "binning":
        raise ArgumentError(
            f"--estimator takes a setting for binning only, such as binning:0.1, got {text!r}. "
            "The noise of the kde is --noise."
        )
    try:
        size = float(setting)
    except ValueError as error:
        raise ArgumentError(
            f"--estimator binning:SIZE needs a number, such as binning:0.1, got {text!r}."
        ) from error
    return Binning(size)


def read_noise(text: str | None) -> float | str | list[float | str] | None:
    """Return what ``--noise`` means: a variance, ``"relative"``, or several.

    Raises
    ------
    ArgumentError
        For another word.

    Examples
    --------
    >>> read_noise("0.1,1,relative")
    [0.1, 1.0, 'relative']
    """
    if text is None:
        return None
    points = [_number_or_word(part.strip()) for part in text.split(",")]
    return points if len(points) > 1 else points[0]


def read_layers(text: str) -> str | int | list[str | int]:
    """Return what ``--layers`` means: names, patterns and numbers; what there is not, trace says.

    Examples
    --------
    >>> read_layers("merges"), read_layers("0,encoder.*")
    ('merges', [0, 'encoder.*'])
    """
    parts = [int(part) if part.strip().isdigit() else part.strip() for part in text.split(",")]
    return parts if len(parts) > 1 else parts[0]


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        if text == "relative":
            return text
    raise ArgumentError(
        "--noise must be a variance, such as 0.1, the word relative, or several of these with "
        f"commas, got {text!r}.{did_you_mean(text, ['relative'])}"
    )
