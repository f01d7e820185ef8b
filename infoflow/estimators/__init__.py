"""From statistics of a layer's values to nats, and bounds on them."""

from infoflow.estimators.binning import Binning
from infoflow.estimators.clusters import DistanceHistograms, distance_histograms, unit_entropies
from infoflow.estimators.equal_mass import EqualMassBinning
from infoflow.estimators.kde import KDE
from infoflow.estimators.ksg import KSG, ksg
from infoflow.estimators.noise import Relative
from infoflow.estimators.propagation import SamplePropagation
from infoflow.estimators.registry import estimate, make_estimator, make_estimators
from infoflow.estimators.renyi import Renyi
from infoflow.estimators.usable import UsableInformation, usable_information

__all__ = [
    "KDE",
    "KSG",
    "Binning",
    "DistanceHistograms",
    "EqualMassBinning",
    "Relative",
    "Renyi",
    "SamplePropagation",
    "UsableInformation",
    "distance_histograms",
    "estimate",
    "ksg",
    "make_estimator",
    "make_estimators",
    "unit_entropies",
    "usable_information",
]
