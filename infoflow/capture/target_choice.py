"""What ``target=`` stands for: a name, an object, an array, or what the loader gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike
from torch import Tensor

from infoflow.capture.targets import ClassLabels, Coarsening, KMeans, make_labels
from infoflow.estimators.label_reading import (
    as_classes,
    is_one_hot,
    label_tensor,
    one_column,
)
from infoflow.estimators.void import (
    check_labelled,
)
from infoflow.interface import (
    ArgumentError,
    ArgumentTypeError,
    Labels,
    Target,
    TargetError,
)
from infoflow.interface.argument_checks import (
    did_you_mean,
)

#: ``target="auto"`` makes one cluster for so many samples, so that few classes hold one sample.
SAMPLES_PER_CLUSTER = 16
#: And at most as many as the paper has.
MOST_CLUSTERS = 64


@dataclass(frozen=True, eq=False)
class GivenLabels:
    """Y is an array that the caller gives, in the loader's order."""

    classes: Tensor
    of: Literal["given"] = "given"

    def reduce(self, raw: Tensor) -> Labels:
        """Return the given classes; ``raw`` only tells how many samples there are."""
        check_labelled(one_column(self.classes))
        return make_labels(as_classes(self.classes, len(raw)), "classes given by the caller")


_BY_NAME: dict[str, Target] = {
    "labels": ClassLabels(),
    "kmeans": KMeans(),
    "coarsening": Coarsening(),
    "output": KMeans(of="output"),
}


def make_target(target: str | Target | ArrayLike | Tensor, raw: Tensor | None) -> Target | None:
    """Return the reducer that ``target=`` stands for.

    Parameters
    ----------
    target
        ``"auto"``, ``"none"``, another name, an object with ``.reduce``, or an array of classes.
    raw
        What the loader gives as target, by which ``"auto"`` chooses: classes as they are, K-means
        for dense targets with one cluster for every 16 samples, from 2 to the paper's 64, and
        nothing where there is none.
    """
    if target is None:
        raise ArgumentError("target must not be None. To measure without Y, pass target='none'.")
    if isinstance(target, str):
        if target == "none" or (target == "auto" and raw is None):
            return None
        if target == "auto" and raw is not None:
            return _automatic(raw)
        if target not in _BY_NAME:
            names = ("auto", "none", *_BY_NAME)
            raise ArgumentError(
                f"target must be one of {', '.join(names)}, a reducer or labels, got {target!r}."
                f"{did_you_mean(target, names)}"
            )
        return _BY_NAME[target]
    if isinstance(target, type):
        raise ArgumentTypeError(
            f"target must be an object, got the class {target.__name__}. Write {target.__name__}()."
        )
    if isinstance(target, Target):
        return target
    return GivenLabels(label_tensor(target, "target"))


def _automatic(raw: Tensor) -> Target:
    """Return what ``target="auto"`` makes of what the loader gives."""
    if math.prod(raw.shape[1:]) == 1 or is_one_hot(raw):
        return ClassLabels()
    if raw.is_complex():
        return KMeans()  # which says what is wrong with it
    if raw.ndim == 2 and (not raw.is_floating_point() or bool(((raw == 0) | (raw == 1)).all())):
        raise TargetError(
            f"target='auto' cannot tell what whole numbers of shape {tuple(raw.shape)} are: token "
            "ids, or several labels for each sample. Pass an array with a class for each sample, "
            "target='kmeans' to cluster them, or target='none'."
        )
    return KMeans(clusters=min(MOST_CLUSTERS, max(2, len(raw) // SAMPLES_PER_CLUSTER)))
