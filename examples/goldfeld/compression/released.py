"""The authors' saved curve, and why its second layer knows more than its first.

They draw X with replacement from the 4096 inputs, and propagate each draw as an input of its own.
An input that was drawn twice has one place in T₁, but its few noisy draws of T₂ do not meet each
other, so that they look like two inputs. Our estimator on inputs drawn so shows it.
"""

from __future__ import annotations

import csv
import math
import warnings
from pathlib import Path
from typing import Any

import torch
from common.files import reading

import infoflow
from compression.szt_measure import Net, audited
from infoflow.interface import InfoflowWarning


def released_path(data_dir: Path | None) -> Path | None:
    """Return where the authors' numbers are; None where they are not at hand."""
    path = None if data_dir is None else data_dir / "goldfeld" / "released_mi.csv"
    return path if path is not None and path.exists() else None


def read_released(path: Path) -> dict[str, list[float]]:
    """Return the authors' I(X;T₁) to I(X;T₅) in nats, by name, beside ``epoch``.

    They are for the comparison only, and no part of this project.
    """
    with reading(path):
        lines = path.read_text(encoding="utf-8").lstrip("# ").splitlines()
        names = [name.split(" ")[0] for name in lines[0].split(",")]
        rows = [[float(cell) for cell in row] for row in csv.reader(lines[1:])]
        return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def expected_ceiling(inputs: int) -> float:
    """Return the mean entropy, in nats, of as many draws with replacement as there are inputs.

    log n − E[c log c], where c, the number of times that an input is drawn, is Poisson with mean 1.

    Examples
    --------
    >>> round(expected_ceiling(4096), 3)
    7.744
    """
    terms = (math.exp(-1) / math.factorial(c) * c * math.log(c) for c in range(2, 40))
    return math.log(inputs) - sum(terms)


def drawn_rows(net: Net, draws: int, seed: int, standard_error: float) -> list[dict[str, Any]]:
    """Return I(X;T₁) and I(X;T₂) of inputs drawn with replacement, with the audit's finding."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(net.inputs), (len(net.inputs),), generator=generator)
    _, counts = torch.unique(chosen, return_counts=True)
    entropy = math.log(len(chosen)) - float((counts * counts.log()).sum()) / len(chosen)
    noisy = net.noisy()
    names = [layer.name for layer in noisy.noisy_layers(net.inputs[:2])][:2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfoflowWarning)
        result = infoflow.analyze(
            noisy,
            list(net.inputs[chosen].split(1024)),
            estimator=infoflow.SamplePropagation(
                draws=draws, standard_error=standard_error, seed=seed
            ),
            layers=names,
            unit="nats",
            progress=False,
        )
    fields = ("ixm", "ixm_lower", "ixm_standard_error")
    values = {name: result.dataset[name].values.reshape(-1) for name in fields}
    about = {"epoch": net.epoch, "draws": draws, "seed": seed, "entropy": round(entropy, 5)}
    audit = audited(result.audit())
    return [
        {
            **about,
            "layer": layer + 1,
            **{name: round(float(values[name][layer]), 5) for name in fields},
            "violations": audit["pairs"] - audit["holds"],
            "estimator": audit["estimator"],
        }
        for layer in range(2)
    ]
