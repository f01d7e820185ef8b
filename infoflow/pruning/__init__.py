"""Which streams can go: advice from a result; and nets without them."""

from infoflow.pruning.ablation.ablate import ablate
from infoflow.pruning.ablation.ablation_result import Ablation
from infoflow.pruning.ablation.bounds import Interval
from infoflow.pruning.ablation.stream_rows import FrontierPoint, StreamLoss
from infoflow.pruning.ablation.tolerance import Tolerance
from infoflow.pruning.race.race import race
from infoflow.pruning.race.race_result import Race, RaceRow
from infoflow.pruning.report import Pruning, Removed
from infoflow.pruning.rewrite import prune
from infoflow.pruning.rewriting.model import PrunedModel
from infoflow.pruning.suggest import PruningAdvice, StreamAdvice, suggest_pruning
from infoflow.pruning.trial.outcome import PruningTrial, TrialRow
from infoflow.pruning.trial.ranking import Ranking
from infoflow.pruning.trial.verify import verify_pruning
from infoflow.pruning.verification.compare_nets import compare_nets
from infoflow.pruning.verification.net_comparison import NetComparison

__all__ = [
    "Ablation",
    "FrontierPoint",
    "Interval",
    "NetComparison",
    "PrunedModel",
    "Pruning",
    "PruningAdvice",
    "PruningTrial",
    "Race",
    "RaceRow",
    "Ranking",
    "Removed",
    "StreamAdvice",
    "StreamLoss",
    "Tolerance",
    "TrialRow",
    "ablate",
    "compare_nets",
    "prune",
    "race",
    "suggest_pruning",
    "verify_pruning",
]
