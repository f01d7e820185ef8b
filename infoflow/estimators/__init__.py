"""From statistics of a layer's values to nats, and bounds on them."""

from infoflow.estimators.binning import Binning
from infoflow.estimators.kde import KDE
from infoflow.estimators.make import estimate, make_estimator, make_estimators
from infoflow.estimators.noise import Relative
from infoflow.estimators.propagation import SamplePropagation

__all__ = [
    "KDE",
    "Binning",
    "Relative",
    "SamplePropagation",
    "estimate",
    "make_estimator",
    "make_estimators",
]
