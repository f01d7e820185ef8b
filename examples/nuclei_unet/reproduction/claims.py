"""The paper's claims in few words, with its numbers and how each is read."""

from __future__ import annotations

from collections.abc import Sequence

from reproduction.arrivals import AT_BEST
from reproduction.curves import LEARNED
from reproduction.read_layers import (
    SHARES,
    UPSAMPLED,
    below_log_k,
    deep_layers_low,
    deep_layers_slow,
    early_rises,
    first_layers,
    grows,
    layer_11,
    layer_14_at_1000,
    layers_in_order,
    maximum,
    reaches,
    same_shape,
    u_shape,
)
from reproduction.read_models import (
    DICES,
    advice_predicts,
    catches_up,
    ends_alike,
    models_in_order,
    segments,
    stays_behind,
)
from reproduction.study import AT_MAXIMUM
from reproduction.verdicts import SLACK, Claim

_CLOCK = f"Allowed is a factor of {SLACK:g}, as clocks agree only roughly"
_BEST = (
    f"The first epoch with {AT_BEST:.0%} of Model 1's best validation Dice, by the median of five"
)


def _levels(shares: Sequence[float]) -> str:
    return f"Read at {', '.join(f'{share:.2g}' for share in shares)}"


_MAXIMUM = f"The maximum counts as reached at {AT_MAXIMUM:.0%} of it, but for single looks for good"

PAPERS = (
    Claim(
        "maximum",
        "The largest I(Y;M) is about 3 bits",
        "3 bits",
        maximum,
        "Rounded to bits; all seeds of a net have the same clusters",
        of_data=True,
    ),
    Claim(
        "below-log-k",
        "The maximum is below 6 bits, as clusters are not equally likely",
        "< 6 bits",
        below_log_k,
        "H(Y) is below 90 % of the logarithm of their number: arithmetic of the data",
        of_data=True,
    ),
    Claim(
        "first-layers",
        "Layers 0 and 1 are at the maximum within the first few epochs",
        "few epochs",
        first_layers,
        "Few is up to 10",
        by_clock=True,
    ),
    Claim(
        "deep-slow",
        "Layers 8–14 still learn at epochs 6,000–8,000",
        "6,000–8,000",
        deep_layers_slow,
        "The most that their mean I(Y;M) has been gains 2 % of H(Y) from 6,000 to 8,000",
        by_clock=True,
    ),
    Claim(
        "deep-low",
        "Layers 8–14 never have 3 bits about Y",
        "< 3 bits",
        deep_layers_low,
        "At any look up to the paper's end; the paper says elsewhere that layer 14 does reach it",
        by_clock=True,
    ),
    *(
        Claim(
            f"rises-{quantity}",
            f"{symbol} rises at 11, 14, 17 and 20 early on",
            "all four",
            lambda seed, quantity=quantity: early_rises(seed, quantity),
            "At each by over 0.01 bits in more than half of the looks up to epoch 1,000 in which "
            "the layer before is not at the maximum; in brackets the median",
        )
        for quantity, symbol in (("ixm", "I(X;M)"), ("iym", "I(Y;M)"))
    ),
    Claim(
        "u-shape",
        "Plotted against the layers, I(X;M) has the shape of a U",
        "all epochs",
        u_shape,
        "In most looks it is least in layers 8–13, and below layers 0 and 20",
    ),
    Claim(
        "grows",
        "Mutual information increases as training goes on",
        "yes",
        grows,
        "The layers' means of I(X;M) and I(Y;M) end higher and never fall by a tenth of their most",
    ),
    *(
        Claim(
            f"reaches-{layer}",
            f"Layer {layer} has the maximum {words}",
            number,
            lambda seed, layer=layer, span=span: reaches(seed, layer, *span),
            f"{_MAXIMUM}. {_CLOCK}",
            by_clock=True,
        )
        for layer, words, number, span in (
            (20, "by about epoch 1,000", "1,000", (0.0, 1000 * SLACK)),
            (17, "by about epoch 1,000", "1,000", (0.0, 1000 * SLACK)),
            (14, "between epochs 1,000 and 10,000", "1,000–10,000", (1000 / SLACK, 10_000.0)),
        )
    ),
    Claim(
        "layer-14-at-1000",
        "At epoch 1,000 layer 14 has about 2 of 3 bits",
        "2 bits",
        layer_14_at_1000,
        "Between a half and five sixths of the maximum, which is 1.5 to 2.5 of 3 bits",
        by_clock=True,
    ),
    Claim(
        "layer-11",
        "Layer 11 stays far below the maximum, near 1.5 of 3 bits",
        "1.5 bits",
        layer_11,
        "Between a third and two thirds of the maximum at any look up to the paper's end",
        by_clock=True,
    ),
    *(
        Claim(
            f"dice-{model}",
            f"Model {model} comes to the best Dice at about epoch {words}",
            words,
            lambda seed, model=model, span=span: catches_up(seed, model, *span),
            f"{_BEST}. {_CLOCK}",
            by_clock=True,
        )
        for model, words, span in (
            (1, "2,000–3,000", (2000 / SLACK, 3000 * SLACK)),
            (2, "2,000–3,000", (2000 / SLACK, 3000 * SLACK)),
            (3, "8,000", (8000 / SLACK, 10_000.0)),
        )
    ),
    Claim(
        "dice-4",
        "Model 4 does not get there within 10,000 epochs",
        "> 10,000",
        lambda seed: stays_behind(seed, 4),
        _BEST,
        by_clock=True,
    ),
    Claim(
        "masks-1000",
        "At epoch 1,000 Models 1 and 2 segment, and Model 3 does not yet",
        "1,000",
        lambda seed: segments(seed, 1000),
        f"To segment is a validation Dice of {LEARNED}",
        by_clock=True,
    ),
    Claim(
        "masks-end",
        "After 10,000 epochs Models 1, 2 and 3 segment alike",
        "10,000",
        ends_alike,
        f"Validation Dice of at least {AT_BEST:.0%} of Model 1's at the end",
        by_clock=True,
    ),
    Claim(
        "order-layers",
        "Layers 20 and 17 reach the maximum before layer 14, and that before layer 11",
        "1,000, 1,000–10,000, never",
        layers_in_order,
        f"{_levels(SHARES)} of the maximum: one has to tell, and none to contradict. Told "
        "are the epochs of the last; an order needs no common clock",
    ),
    Claim(
        "order-models",
        "Models 1 and 2 come to the best Dice before Model 3, and that before Model 4",
        "3,000, 8,000, never",
        models_in_order,
        f"{_levels(DICES)} Dice and {AT_BEST:.0%} of Model 1's best: one has to tell, and "
        "none to contradict. Told are the epochs of the last; an order needs no common clock",
    ),
    *(
        Claim(
            f"shape-{name}",
            f"{words} gives the same shapes",
            "similar",
            lambda seed, how=how: same_shape(seed, *how),
            f"{note}. Asked for are correlations of at least 0.9",
        )
        for name, words, how, note in (
            (
                "binning",
                "Binning (bin size 0.2)",
                ("binning 0.2, K-means", ("ixm", "iym"), UPSAMPLED),
                "I(X;M) and I(Y;M) over layers and epochs; in layers without activation a bin's "
                "edge at 0 makes the difference",
            ),
            (
                "coarsening",
                "Spatial coarsening",
                ("KDE 1, coarsening", ("iym",)),
                "I(Y;M) over layers and epochs; I(X;M) does not depend on Y",
            ),
        )
    ),
    Claim(
        "advice",
        "I(Y;M) before a merge foretells which skips a trained-anew net can lack",
        "Models 2, 3 yes, 4 no",
        advice_predicts,
        "Told: when the layer a level below has the maximum. Seen: when the model's Dice is there",
        by_clock=True,
    ),
)
