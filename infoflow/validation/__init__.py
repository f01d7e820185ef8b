"""Every estimator against known truth, as a table."""

from infoflow.validation.cases import ChainCase, ClassCase, PairCase, known_cases
from infoflow.validation.entrants import (
    ENTRANTS,
    Entrant,
    Measured,
    of_chains,
    of_classes,
    of_pairs,
)
from infoflow.validation.outcomes import Validation, ValidationRow, validate

__all__ = [
    "ENTRANTS",
    "ChainCase",
    "ClassCase",
    "Entrant",
    "Measured",
    "PairCase",
    "Validation",
    "ValidationRow",
    "known_cases",
    "of_chains",
    "of_classes",
    "of_pairs",
    "validate",
]
