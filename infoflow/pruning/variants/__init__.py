"""Variants of a net without some streams, computed from the values of one run of the whole net."""

from infoflow.pruning.variants.kept_values import Footprint, observe
from infoflow.pruning.variants.making import silenced, variant_of
from infoflow.pruning.variants.variant import Values, Variant
from infoflow.pruning.variants.whole import WholeRun, ready

__all__ = [
    "Footprint",
    "Values",
    "Variant",
    "WholeRun",
    "observe",
    "ready",
    "silenced",
    "variant_of",
]
