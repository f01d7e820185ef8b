"""The paper's claims in few words, with its numbers and how each is read."""

from __future__ import annotations

from reproduction.claims import (
    advice_predicts,
    below_log_k,
    catches_up,
    deep_layers_low,
    deep_layers_slow,
    early_rises,
    first_layers,
    layer_11,
    layers_in_order,
    maximum,
    models_in_order,
    reaches,
    same_shape,
    stays_behind,
)
from reproduction.study import AT_MAXIMUM
from reproduction.verdicts import SLACK, Claim

_CLOCK = f"Allowed is a factor of {SLACK:g}, as clocks agree only roughly"
_MAXIMUM = f"The maximum counts as reached at {AT_MAXIMUM:.0%} of it, but for single looks for good"

PAPERS = (
    Claim(
        "maximum",
        "The largest I(Y;M) is about 3 bits",
        "3 bits",
        maximum,
        "Rounded to bits; all seeds of a net have the same clusters",
    ),
    Claim(
        "below-log-k",
        "The maximum is below 6 bits, as clusters are not equally likely",
        "< 6 bits",
        below_log_k,
        "H(Y) is below 90 % of the logarithm of their number: arithmetic of the data",
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
        "Their mean I(Y;M) gains 2 % of H(Y) from 6,000 to 8,000",
        by_clock=True,
    ),
    Claim(
        "deep-low",
        "Layers 8–14 never have 3 bits about Y",
        "< 3 bits",
        deep_layers_low,
        "The paper says elsewhere that layer 14 does reach it",
    ),
    *(
        Claim(
            f"rises-{quantity}",
            f"{symbol} rises at 11, 14, 17 and 20 early on",
            "all four",
            lambda seed, quantity=quantity: early_rises(seed, quantity),
            "At each in more than half of the looks up to epoch 1,000",
        )
        for quantity, symbol in (("ixm", "I(X;M)"), ("iym", "I(Y;M)"))
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
        "layer-11",
        "Layer 11 stays far below the maximum, near 1.5 of 3 bits",
        "1.5 bits",
        layer_11,
        "Between a third and two thirds of the maximum",
    ),
    *(
        Claim(
            f"dice-{model}",
            f"Model {model} comes to the best Dice at about epoch {words}",
            words,
            lambda seed, model=model, span=span: catches_up(seed, model, *span),
            f"97 % of Model 1's best validation Dice. {_CLOCK}",
            by_clock=True,
        )
        for model, words, span in (
            (1, "2,000–3,000", (2000 / SLACK, 3000 * SLACK)),
            (2, "2,000–3,000", (2000 / SLACK, 3000 * SLACK)),
            (3, "8,000", (8000 / SLACK, 8000 * SLACK)),
        )
    ),
    Claim(
        "dice-4",
        "Model 4 does not get there within 10,000 epochs",
        "> 10,000",
        lambda seed: stays_behind(seed, 4),
        "97 % of Model 1's best validation Dice",
        by_clock=True,
    ),
    Claim(
        "order-layers",
        "Layers 20 and 17 reach the maximum before layer 14, and that before layer 11",
        "1,000, 10,000, never",
        layers_in_order,
        f"{_MAXIMUM}; an order needs no common clock",
    ),
    Claim(
        "order-models",
        "Models 1 and 2 come to the best Dice before Model 3, and that before Model 4",
        "3,000, 8,000, never",
        models_in_order,
        "97 % of Model 1's best validation Dice; an order needs no common clock",
    ),
    *(
        Claim(
            f"shape-{name}",
            f"{words} gives the same shapes",
            "similar",
            lambda seed, setting=setting: same_shape(seed, setting),
            "I(X;M) and I(Y;M) over layers and epochs, correlations of at least 0.9",
        )
        for name, words, setting in (
            ("binning", "Binning (bin size 0.2)", "binning 0.2, K-means"),
            ("coarsening", "Spatial coarsening", "KDE 1, coarsening"),
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
