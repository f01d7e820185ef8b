"""Which streams can go: advice from a result."""

from infoflow.prune.suggest import PruningAdvice, StreamAdvice, suggest_pruning

__all__ = ["PruningAdvice", "StreamAdvice", "suggest_pruning"]
