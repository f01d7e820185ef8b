"""Which estimator is run on which cases, what it claims there, and the truth that it claims."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from infoflow.capture.noisy import NoisyNet
from infoflow.estimators import (
    KDE,
    KSG,
    Binning,
    EqualMassBinning,
    Renyi,
    SamplePropagation,
    ksg,
    usable_information,
)
from infoflow.estimators.jackknife import group_jackknife, jackknife_interval
from infoflow.estimators.registry import estimate
from infoflow.flow import analyze
from infoflow.graph import trace
from infoflow.interface import Estimator, InfoflowWarning
from infoflow.validation.cases import ChainCase, ClassCase, PairCase
from infoflow.validation.known_truths import (
    _SYMBOLS,
    Truth,
    _whitened,
    in_bins,
    mixture_truth,
    of_distribution,
    of_order,
    of_symbols_only,
    with_noise,
)

Ends = Literal["bounds", "interval"]
#: Groups of the jackknife of an estimator of pairs.
_GROUPS = 20


@dataclass(frozen=True)
class Measured:
    """What an estimator says of one quantity of a case, in nats.

    Parameters
    ----------
    quantity
        ``"I(X;M)"``, ``"I(Y;M)"`` or ``"I(X;Y)"``, with the layer where the case has several.
    estimate, low, high
        The value, and the ends that must hold the truth.
    truth
        Of the quantity that the estimator is stated for.
    ends
        Whether ``low`` and ``high`` are bounds, or a 95 % interval.
    """

    quantity: str
    estimate: float
    low: float
    high: float
    truth: Truth
    ends: Ends


@dataclass(frozen=True)
class Entrant:
    """An estimator with the cases that it applies to.

    Parameters
    ----------
    name
        For the table.
    takes
        The class of case that it can be run on.
    measure
        Returns what it says of a case, with the truth that it is stated for.
    refuses
        Returns why it is not valid for a case, or an empty string where it claims to be.
    """

    name: str
    takes: type
    measure: Callable[[Any], list[Measured]]
    refuses: Callable[[Any], str]


def never(case: object) -> str:
    """Refuse no case."""
    return ""


def of_classes(
    name: str,
    estimator: Estimator,
    truth: Callable[[ClassCase], Mapping[str, Truth]],
    *,
    ends: Ends = "bounds",
    refuses: Callable[[ClassCase], str] = never,
) -> Entrant:
    """Return an estimator of a layer's values and classes, as an entrant.

    Parameters
    ----------
    name, estimator
        What to run.
    truth
        Returns the truth of ``"ixm"`` and ``"iym"`` that the estimator is stated for; what it
        leaves out is not looked at.
    ends
        What must hold the truth: the estimate's bounds, or its 95 % interval.
    refuses
        Returns why the estimator is not valid for a case.
    """

    def measure(case: ClassCase) -> list[Measured]:
        numbers = estimate(case.values, case.labels, estimator=estimator, unit="nats")
        low, high = ("_lower", "_upper") if ends == "bounds" else ("_ci_low", "_ci_high")
        return [
            Measured(
                _SYMBOLS[short],
                getattr(numbers, short),
                getattr(numbers, short + low),
                getattr(numbers, short + high),
                known,
                ends,
            )
            for short, known in truth(case).items()
        ]

    return Entrant(name, ClassCase, measure, refuses)


def of_pairs(
    name: str,
    quantity: Callable[[Tensor, Tensor], float],
    *,
    refuses: Callable[[PairCase], str] = never,
) -> Entrant:
    """Return an estimator of I(X;Y) of two continuous variables, with a jackknife interval.

    Parameters
    ----------
    name
        For the table.
    quantity
        Takes (N, x_units) and (N, y_units) float64 tensors, returns nats.
    refuses
        Returns why the estimator is not valid for a case.
    """

    def measure(case: PairCase) -> list[Measured]:
        value = quantity(case.x, case.y)
        replicates = group_jackknife(
            lambda kept: quantity(case.x[kept], case.y[kept]), len(case.x), groups=_GROUPS
        )
        ends = jackknife_interval(value, replicates)
        truth = Truth(case.family.information)
        return [Measured("I(X;Y)", value, ends.low, ends.high, truth, "interval")]

    return Entrant(name, PairCase, measure, refuses)


def of_chains(name: str, estimator: Estimator) -> Entrant:
    """Return an estimator for nets with noise inside, as an entrant.

    The truth is of X uniform over the samples, as the estimator has it: given X, a linear net's
    noisy value is normal with a known covariance.
    """

    def measure(case: ChainCase) -> list[Measured]:
        layers = [truth.layer for truth in case.net.truths if truth.layer.startswith("layers.")]
        noisy = NoisyNet(case.net.model, beta=case.beta, layers=layers)
        batch = [(case.net.inputs, case.net.labels)]
        result = analyze(
            noisy, batch, estimator=estimator, layers=layers, unit="nats", progress=False
        )
        found = result.dataset.isel(epoch=0)
        values = trace(case.net.model, case.net.inputs[:4]).values(case.net.inputs)
        findings = []
        for layer in layers:
            whitened = _whitened(values[layer], case.net.noise_covariances[layer])
            for short, known in mixture_truth(whitened, case.net.labels, 1.0).items():
                at = {
                    end: float(found[f"{short}{end}"].sel(layer=layer))
                    for end in ("", "_lower", "_upper", "_standard_error")
                }
                slack = 3 * at["_standard_error"]
                low, high = at["_lower"] - slack, at["_upper"] + slack
                symbol = f"{_SYMBOLS[short]} {layer}"
                findings.append(Measured(symbol, at[""], low, high, known, "bounds"))
        return findings

    return Entrant(name, ChainCase, measure, never)


def unless_many_or_few(case: ClassCase) -> str:
    """Refuse what nearest neighbours cannot tell: symbols, and more than 10 dimensions."""
    if case.is_discrete:
        return "M has few values, so that neighbours are at distance 0"
    return "more than 10 dimensions have no near neighbours" if case.units > 10 else ""


def unless_many_together(case: PairCase) -> str:
    """Refuse more than 4 dimensions of X and Y together."""
    is_many = case.family.x_units + case.family.y_units > 4
    return "more than 4 dimensions have no near neighbours" if is_many else ""


def of_probes(name: str) -> Entrant:
    """Return what linear probes gain: I(Y;M) itself where the best prediction is linear."""

    def measure(case: ClassCase) -> list[Measured]:
        if case.is_discrete:
            return []
        bits = usable_information(case.values, case.labels)
        value, low, high = (bit * math.log(2) for bit in (bits.value, bits.ci_low, bits.ci_high))
        return [Measured("I(Y;M)", value, low, high, Truth(case.iym), "interval")]

    def refuses(case: ClassCase) -> str:
        return "too few samples for the probe's weights" if case.units > 10 else ""

    return Entrant(name, ClassCase, measure, refuses)


def quietly(entrant: Entrant, case: object) -> list[Measured]:
    """Measure a case without infoflow's own warnings; the table says what they say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfoflowWarning)
        return entrant.measure(case)


#: The built-in estimators. A new one is one more line.
ENTRANTS: tuple[Entrant, ...] = (
    of_classes("KDE upper", KDE(1.0, permutations=0), with_noise(1.0)),
    of_classes("KDE lower", KDE(1.0, "lower", permutations=0), with_noise(1.0)),
    of_classes("binning", Binning(0.5, permutations=0), in_bins(0.5)),
    of_classes("equal-mass bins", EqualMassBinning(), of_symbols_only),
    of_classes("Rényi, order 1.01", Renyi(width=1.0), of_order(1.01)),
    of_classes("KSG", KSG(), of_distribution, ends="interval", refuses=unless_many_or_few),
    of_pairs("KSG", ksg, refuses=unless_many_together),
    of_probes("usable information"),
    of_chains("sample propagation", SamplePropagation(draws=32, standard_error=0.02)),
)
