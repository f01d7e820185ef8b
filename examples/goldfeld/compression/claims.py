"""The claims in few words, with the paper's numbers and how each is read."""

from __future__ import annotations

from common.claims import Claim, Judged
from common.verdicts import decide, in_words

from compression import claims_mnist as mnist
from compression import claims_szt as szt
from compression.study import Study


def judge(claim: Claim, study: Study) -> Judged:
    """Return the verdict, on which all seeds that can tell have to agree."""
    groups = claim.read(study)
    verdict, reasons = decide(groups)
    return Judged(claim, in_words(groups), verdict, ". ".join([*reasons, claim.note]))


_GAP = "By more than the bounds are apart: the lower bound of the one, the value of the other"
_FLAT = f"The end is within {szt.FLAT:.0%} of ln 4096 (0.42 nats) of the peak, in layers 4 and 5"
_RANKS = "Rank correlation over the looks, the least of layers 3, 4 and 5; reproduced at 0.8"
_LOSS = "Rises: the end is more than 5 % above the least"

PAPERS = (
    Claim(
        "tanh-compresses",
        "With tanh, I(X;T₅) ends below its peak",
        "4.9 → 2.3",
        szt.falls("tanh", 5),
        _GAP,
    ),
    Claim(
        "tanh-compresses-4",
        "With tanh, I(X;T₄) ends below its peak",
        "7.1 → 5.6",
        szt.falls("tanh", 4),
        _GAP,
    ),
    Claim(
        "t5-falls-79",
        "I(X;T₅) falls from epoch 28 to about 80",
        "4.63 → 3.33",
        szt.falls("tanh", 5, 28, 79),
        _GAP,
    ),
    Claim(
        "t5-rises-509",
        "I(X;T₅) rises again to about epoch 509",
        "3.33 → 4.92",
        szt.rises("tanh", 5, 79, 509),
        _GAP,
    ),
    Claim(
        "t5-falls-end",
        "I(X;T₅) falls from there to the end",
        "4.92 → 2.30",
        szt.falls("tanh", 5, 509),
        _GAP,
    ),
    Claim(
        "orthonormal-flat",
        "With orthonormal weights nothing compresses",
        "no fall",
        szt.stays("orthonormal", (4, 5)),
        _FLAT,
    ),
    Claim(
        "linear-compresses",
        "In the linear net I(X;T₅) ends below its peak",
        "falls",
        szt.falls("linear", 5),
        _GAP,
    ),
    Claim(
        "bins-follow-tanh",
        "H(Bin(T)) and I(X;T) move together, tanh",
        "yes",
        szt.bins_follow("tanh", (3, 4, 5), 0.8),
        _RANKS,
    ),
    Claim(
        "bins-follow-others",
        "H(Bin(T)) and I(X;T) move together, the other nets",
        "yes",
        szt.together(
            szt.bins_follow("orthonormal", (3, 4, 5), 0.8),
            szt.bins_follow("linear", (3, 4, 5), 0.8),
        ),
        _RANKS,
    ),
    Claim(
        "small-bins",
        "Small bins stay at H(X) without noise",
        "ln 4096 = 8.318",
        szt.small_bins_keep_all,
        "Bins of 1e-4: all layers, looks and seeds within 1 %",
    ),
    Claim(
        "loss-rises",
        "With tanh the test loss rises in the end",
        "from epoch 3,200",
        szt.test_loss_rises("tanh", wanted=True),
        _LOSS,
    ),
    Claim(
        "loss-stays",
        "With orthonormal weights it does not",
        "no rise",
        szt.test_loss_rises("orthonormal", wanted=False),
        _LOSS,
    ),
    Claim(
        "one-class",
        "Clusters of layer 5 hold mostly one class",
        "mostly",
        szt.near_pairs_agree("tanh", 95.0),
        "At the end, 95 % of the pairs closer than 10 β are of one class",
    ),
    Claim(
        "tight",
        "Layer 5 has tight clusters with tanh",
        "tight",
        szt.tight("tanh", wanted=True),
        "Median distance within classes / between, under 0.2",
    ),
    Claim(
        "not-tight",
        "It has none with orthonormal weights",
        "none",
        szt.tight("orthonormal", wanted=False),
        "The same ratio, 0.2 or more",
    ),
    Claim(
        "accuracy-tanh",
        "Test accuracy, tanh",
        "97 %",
        szt.accuracy("tanh", 97, 1.5),
        "Within 1.5 points",
    ),
    Claim(
        "accuracy-orthonormal",
        "Test accuracy, orthonormal",
        "98 %",
        szt.accuracy("orthonormal", 98, 1.5),
        "Within 1.5 points",
    ),
    Claim(
        "accuracy-linear",
        "Test accuracy, linear",
        "89 %",
        szt.accuracy("linear", 89, 1.5),
        "Within 1.5 points",
    ),
    Claim(
        "neuron-dips",
        "One neuron: I(X;T) falls near epochs 10³ and 10⁴",
        "two falls",
        szt.neuron_dips,
        "Both by more than 0.1 nats, by numerical integration, β = 0.01",
    ),
    Claim(
        "noise-small",
        "CNN: noise of β = 0.1 costs little",
        "51 of 50 errors",
        mnist.errors_ratio("noise0.1", lambda ratio: ratio <= mnist.ALIKE),
        "At most 1.25 times the errors of the net without noise, same seed",
    ),
    Claim(
        "noise-0.2",
        "CNN: β = 0.2 costs clearly",
        "86 of 50 errors",
        mnist.errors_ratio("noise0.2", lambda ratio: ratio > mnist.ALIKE),
        "More than 1.25 times the errors",
    ),
    Claim(
        "noise-0.5",
        "CNN: β = 0.5 breaks it",
        "2200 of 50 errors",
        mnist.errors_ratio("noise0.5", lambda ratio: ratio > 5),
        "More than 5 times the errors",
    ),
    Claim(
        "dropout-best",
        "CNN: dropout has fewest errors",
        "39 of 50 errors",
        mnist.errors_ratio("dropout", lambda ratio: ratio < 1),
        "Fewer than the net without noise, same seed",
    ),
    Claim(
        "similarity",
        "CNN: the similarity to the net without noise falls with β",
        "falls",
        mnist.similarity_falls,
        "Mean cosine over the test images, in all four layers",
    ),
    Claim(
        "similarity-inner",
        "CNN: layers 2 and 3 are less alike than 1 and 4",
        "lower",
        mnist.inner_less_alike,
        "At β = 0.1; means of layers 1 to 4",
    ),
    Claim(
        "injective",
        "CNN: two bins keep nearly all images apart",
        "ln 10,000 = 9.210",
        mnist.near_injective((1, 2, 3)),
        "Layers 1 to 3 within 1 % of it, at every look",
    ),
    Claim(
        "injective-4",
        "CNN: the output does so, too",
        "all layers",
        mnist.output_ceiling,
        "Ten outputs in two bins have at most 1024 codes, so the paper's fourth layer cannot be "
        "our output",
    ),
    Claim(
        "units",
        "CNN: most units of layer 3 compress",
        "slope ≤ −0.002 nats/epoch",
        mnist.units_compress,
        "More than half of the slopes are negative, at each bin size",
    ),
    Claim(
        "separate",
        "CNN: layers 3 and 4 part the classes after one epoch",
        "part",
        mnist.separates((3, 4), lambda ratio: ratio < 0.5),
        "Overlap of the histograms, under half of the input's",
    ),
    Claim(
        "generic",
        "CNN: layers 1 and 2 do little of that",
        "little",
        mnist.separates((1, 2), lambda ratio: ratio > 0.75),
        "Overlap of the histograms, over three quarters of the input's",
    ),
)
