"""Which streams can go: advice from a result; and nets without them."""

from infoflow.pruning.report import Pruning, Removed
from infoflow.pruning.rewrite import prune
from infoflow.pruning.rewriting.model import PrunedModel
from infoflow.pruning.suggest import PruningAdvice, StreamAdvice, suggest_pruning

__all__ = [
    "PrunedModel",
    "Pruning",
    "PruningAdvice",
    "Removed",
    "StreamAdvice",
    "prune",
    "suggest_pruning",
]
