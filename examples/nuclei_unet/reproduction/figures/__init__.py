"""The figures stage: each figure with a sentence that says what to look for."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
from common.files import replacing
from matplotlib.figure import Figure
from PIL import Image

from reproduction.figures.advice import advice
from reproduction.figures.clock import clock
from reproduction.figures.control import control
from reproduction.figures.curves import dice
from reproduction.figures.flow import layer_graph, planes, uplots
from reproduction.figures.layers import probes, seeds
from reproduction.figures.masks import clusters, outputs
from reproduction.figures.rates import rates
from reproduction.figures.streams import streams
from reproduction.loading import load_rates, load_study
from reproduction.study import Seed, Study

#: Figures that show more than the study's main seed.
_OF_SEVERAL = ("fig5_dice", "seeds", "clock")
#: Draws a figure from a study and the folder of its results, or None where there is too little.
Draw = Callable[[Study, Path], Figure | None]

FIGURES: dict[str, tuple[Draw, str, str]] = {
    "fig1_layer_graph": (
        layer_graph,
        "Fig. 1",
        "The traced net: look for the paper's numbers 0 to 22, and for four skips into 11, 14, 17 "
        "and 20.",
    ),
    "fig2_clusters": (
        clusters,
        "Fig. 2",
        "Each row has four masks of one class of Y, of the three largest: look at how much alike "
        "they are by shape (K-means) and by how much of each block is filled (coarsening).",
    ),
    "fig3_planes": (
        planes,
        "Fig. 3",
        "Information planes: look for layers that stay at one point, and for those that move last "
        "(the paper: 0 and 1, and 8 to 14); what lies on the dashed lines is saturated.",
    ),
    "fig4_uplots": (
        uplots,
        "Fig. 4",
        "U-Plots untrained and at the looks nearest to epochs 1 to 10,000 of the paper by learning "
        "rate × steps: look whether they rise at 11, 14, 17 and 20 (dotted), and which layers "
        "reach the dashed ceiling first.",
    ),
    "fig5_dice": (
        dice,
        "Fig. 5",
        "Dice by the paper's epochs: look for the order in which Models 1 to 4 come up, and for "
        "lines that stay at 0, of nets that predict no nucleus, where those of Model 4 cover the "
        "others' (later seeds are paler).",
    ),
    "fig6_masks": (
        outputs,
        "Fig. 6",
        "What Models 1 to 3 find in four validation images (brightened): look whether, and from "
        "which epoch on, Model 3 finds what Model 1 finds.",
    ),
    "control": (
        control,
        "Control",
        "The untrained net, the trained one, and shuffled classes: only what is above the "
        "untrained line and above the grey area was learned about Y (binning has an edge at 0, "
        "which the layers without activation, 10, 13, 16 and 19, lie astride).",
    ),
    "streams": (
        streams,
        "Skips",
        "What each skip adds about Y to its merge's main stream over training, at noise 1 and at "
        "noise relative to scale, with 95 % intervals: look for lines above their dotted null; "
        "what is below it only tells samples apart. At 0 where both sides are saturated.",
    ),
    "probes": (
        probes,
        "Read-outs",
        "Above, the bits that a layer keeps about the class of the mask; below, the Dice with "
        "which a 1×1 convolution of its map finds the nuclei in validation images, by the most "
        "likely class, or balanced, with the two classes taken for equally likely (dashed: the "
        "Dice of the class that most pixels have): look for layers that are high above and low "
        "below, and for what the untrained net has already.",
    ),
    "seeds": (
        seeds,
        "Seeds",
        "I(Y;M) of Model 1 as a share of H(Y), in every net and seed: where the seeds of one net "
        "part, nothing is to be read (nets of other sizes have other clusters).",
    ),
    "advice": (
        advice,
        "Advice",
        "What infoflow advises for each skip beside what leaving it out did: look for rows in "
        "which the advice and the Dice disagree. Cuts are advised by measurement, on a net of half "
        "the width (*). Model 3 lacks 1→20 as well as 3→17, and Model 4 these two as well as 5→14.",
    ),
    "clock": (
        clock,
        "Clock",
        "Model 1 at several learning rates against learning rate × steps: where the curves part, "
        "epochs of two trainings cannot be compared.",
    ),
}


def draw_all(results: Path, folder: Path) -> list[Path]:
    """Draw every figure that the results allow, and ``captions.inc`` with all of them."""
    study = load_study(results)
    drawn = []
    for name, (draw, title, sentence) in FIGURES.items():
        figure = draw(study, results)
        if figure is None:
            print(f"  {name}: the results do not have it yet, left out", flush=True)
            continue
        with replacing(folder / f"{name}.png") as part:
            _save(figure, part)
        width, height = figure.get_size_inches()
        plt.close(figure)
        drawn.append((name, title, sentence, 100 if width > height else 50))
    shown = _described(study.main())
    with replacing(folder / "captions.inc") as part:
        part.write_text("\n".join(_captioned(folder, *row, shown) for row in drawn), "utf-8")
    return [folder / f"{name}.png" for name, *_ in drawn]


def draw_rates(results: Path, folder: Path) -> list[Path]:
    """Draw the figure of a study that compares learning rates alone."""
    figure = rates(load_rates(results))
    with replacing(folder / "rates.png") as part:
        _save(figure, part)
    plt.close(figure)
    return [folder / "rates.png"]


def _save(figure: Figure, path: Path) -> None:
    """Write a picture of at most 256 colours, which takes much less room."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    with Image.open(buffer) as picture:
        picture.convert("RGB").quantize(256).save(path, "png", optimize=True)


def _described(seed: Seed) -> str:
    """Return in words which net the figures of a single one show."""
    about = seed.about or {}
    size, rate = about.get("size"), about.get("learning_rate")
    precision = about.get("precision")
    return (
        f"Shown is {seed.variant}, seed {seed.seed} ({size}×{size}, learning rate {rate}, "
        f"{precision}; one of its epochs is {seed.rate:g} of the paper's)."
    )


def _captioned(folder: Path, name: str, title: str, sentence: str, width: int, shown: str) -> str:
    """Return a figure for a page beside the folder of the study; ``width`` is a percentage."""
    image = f"{folder.parent.name}/{folder.name}/{name}.png"
    options = f"   :alt: {title}: {sentence}\n   :width: {width}%\n"
    words = sentence if name in _OF_SEVERAL else f"{sentence} {shown}"
    return f".. figure:: {image}\n{options}\n   **{title}.** {words}\n"
