"""From statistics of a layer's values to nats, and bounds on them."""

from infoflow.estimators.binning import Binning
from infoflow.estimators.kde import KDE
from infoflow.estimators.make import estimate, make_estimator
from infoflow.estimators.propagation import SamplePropagation

__all__ = ["KDE", "Binning", "SamplePropagation", "estimate", "make_estimator"]
