"""Y: from what the loader or the model gives to one class per sample."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from infoflow.capture.cluster_points import cluster_points
from infoflow.estimators.classes import label_entropy, singleton_classes
from infoflow.estimators.label_reading import (
    as_classes,
    largest,
    one_column,
    plain_numbers,
    times_255,
)
from infoflow.estimators.void import (
    IgnoreIndex,
    check_ignore_index,
    check_labelled,
    labelled_somewhere,
)
from infoflow.interface import (
    ArgumentTypeError,
    Labels,
    SingletonWarning,
    TargetError,
    warn,
)
from infoflow.interface.argument_checks import (
    one_of,
    seed_number,
    shown,
    whole_number,
)

Source = Literal["target", "output"]


def make_labels(classes: Tensor, description: str) -> Labels:
    """Describe (N,) class numbers; a TargetError where there is one class only."""
    if len(torch.unique(classes)) < 2:
        raise TargetError(
            f"Y ({description}) has the same class for all {len(classes)} samples, so it holds no "
            "information; expected at least 2 classes. Pass other samples, or another target=."
        )
    labels = Labels(classes, description, label_entropy(classes), singleton_classes(classes))
    number = len(torch.unique(classes))
    if labels.singleton_classes > number / 2:
        warn(
            f"{labels.singleton_classes} of the {number} classes of Y ({description}) hold one "
            "sample only: I(Y;M) then mostly counts samples. Use fewer classes or more samples.",
            SingletonWarning,
        )
    return labels


def _check_source(of: str) -> None:
    one_of("of", of, get_args(Source))


@dataclass(frozen=True)
class ClassLabels:
    """Y is the class that the loader gives with each sample.

    Parameters
    ----------
    of
        ``"target"``, or ``"output"`` for the class that the model's output finds most likely.
    ignore_index
        The number, or several, that mark samples without a label, which are refused; for probes of
        maps, pixels without one, which are left out. ``"usual"`` recognises -100, and 255 in maps.

    Examples
    --------
    >>> import torch
    >>> ClassLabels().reduce(torch.tensor([3, 3, 7, 7])).classes
    tensor([0, 0, 1, 1])
    """

    of: Source = "target"
    ignore_index: IgnoreIndex = "usual"

    def __post_init__(self) -> None:
        _check_source(self.of)
        check_ignore_index(self.ignore_index)

    def reduce(self, raw: Tensor) -> Labels:
        """Return the classes, renumbered from 0; of outputs or one-hot rows the largest one."""
        is_row_of_scores = raw.ndim == 2 and raw.shape[1] > 1
        raw = largest(raw) if is_row_of_scores and self.of == "output" else one_column(raw)
        if raw.ndim == 1 and self.of == "target":
            check_labelled(raw, self.ignore_index)
        return make_labels(as_classes(raw, len(raw)), f"classes of the {self.of}")


@dataclass(frozen=True)
class KMeans:
    """Y is the K-means cluster of a dense target, such as a segmentation mask.

    Parameters
    ----------
    clusters
        Number of clusters; the paper has 64.
    of
        ``"target"``, or ``"output"`` for the model's own output.
    seed
        Seed of the cluster centres.
    restarts
        Number of starts, of which the tightest clustering is kept. On the nuclei masks a single
        start finds clusters with up to a quarter less entropy.
    ignore_index
        The number, or several, that mark pixels without a label; they count as the mean of the
        other samples there. ``"usual"`` recognises 255 and -100, with a warning.

    Notes
    -----
    Class numbers are categories: with more than two classes, samples are compared by the class of
    each pixel or token (one-hot), not by the numbers, and maps of more than 1 GB by the shares of
    the classes in blocks of pixels. Integers are class numbers where there are at most 200
    different ones, and so are maps of whole floats; other targets are compared by their values.
    Rows of integers, such as token ids, with more than 200 are refused: as floats they are values.

    References
    ----------
    Lee and Bajić (2021), section 3.2.

    Examples
    --------
    >>> import torch
    >>> masks = torch.cat([torch.zeros(4, 1, 8, 8), torch.ones(4, 1, 8, 8)])
    >>> labels = KMeans(clusters=2).reduce(masks)
    >>> round(labels.entropy, 4), labels.singleton_classes
    (0.6931, 0)
    """

    clusters: int = 64
    of: Source = "target"
    seed: int = 0
    restarts: int = 10
    ignore_index: IgnoreIndex = "usual"

    def __post_init__(self) -> None:
        _check_source(self.of)
        check_ignore_index(self.ignore_index)
        hint = "KMeans needs at least 2 clusters and 1 start."
        whole_number("clusters", self.clusters, least=2, hint=hint)
        whole_number("restarts", self.restarts, least=1, hint=hint)
        seed_number(self.seed)

    def reduce(self, raw: Tensor) -> Labels:
        """Return the cluster of each sample, for raw targets of shape (N, ...)."""
        from sklearn.cluster import KMeans as ClusterMeans
        from sklearn.exceptions import ConvergenceWarning

        raw = plain_numbers(raw)
        _check_finite(raw, self.of)
        raw = times_255(raw) if self.of == "target" else raw
        void = labelled_somewhere(raw, self.ignore_index) if self.of == "target" else None
        points = cluster_points(raw, void).detach().cpu().numpy()
        if self.clusters > len(points):
            raise TargetError(
                f"K-means needs at least as many samples as clusters, got {len(points)} samples "
                f"for {self.clusters} clusters. Pass target=infoflow.KMeans(clusters=...) with "
                f"at most {len(points)}, or more samples."
            )
        means = ClusterMeans(self.clusters, n_init=self.restarts, random_state=self.seed)
        with warnings.catch_warnings():
            # fewer distinct masks than clusters: the empty clusters simply do not occur in Y
            warnings.simplefilter("ignore", ConvergenceWarning)
            # one thread: the many small products of the start starve each other on a busy machine
            with threadpool_limits(1):
                classes = torch.from_numpy(means.fit_predict(points)).to(torch.int64)
        return make_labels(classes, f"{self.clusters} K-means clusters of the {self.of}")


@dataclass(frozen=True)
class Coarsening:
    """Y is which blocks of a binary mask hold more foreground than a threshold.

    Parameters
    ----------
    blocks
        Number of blocks down and across; the paper has (4, 4).
    threshold
        A block is 1 when more than this many of its pixels are foreground (above 0.5). None takes
        a sixteenth of them, as the paper: 64 pixels for blocks of 32×32.
    of
        ``"target"``, or ``"output"`` for the model's own output.
    ignore_index
        The number, or several, that mark pixels without a label; they are no foreground.
        ``"usual"`` recognises 255 and -100, with a warning.

    References
    ----------
    Lee and Bajić (2021), section 3.2.

    Examples
    --------
    >>> import torch
    >>> masks = torch.zeros(3, 1, 8, 8)
    >>> masks[0, :, :4, :4] = 1.0
    >>> Coarsening(blocks=(2, 2), threshold=4).reduce(masks).classes
    tensor([1, 0, 0])
    """

    blocks: tuple[int, int] = (4, 4)
    threshold: int | None = None
    of: Source = "target"
    ignore_index: IgnoreIndex = "usual"

    def __post_init__(self) -> None:
        _check_source(self.of)
        check_ignore_index(self.ignore_index)
        if not isinstance(self.blocks, (tuple, list)) or len(self.blocks) != 2:
            raise ArgumentTypeError(
                f"blocks must be the number of blocks down and across, such as (4, 4), got "
                f"{shown(self.blocks)}."
            )
        for number in self.blocks:
            whole_number("blocks", number, least=1, hint="Coarsening needs at least one block.")
        if self.threshold is not None:
            whole_number("threshold", self.threshold, hint="It is a number of pixels.")

    def reduce(self, raw: Tensor) -> Labels:
        """Return the pattern of each mask, for raw targets of shape (N, H, W) or (N, 1, H, W)."""
        raw = plain_numbers(raw)
        _check_finite(raw, self.of)
        raw = times_255(raw) if self.of == "target" else raw
        void = labelled_somewhere(raw, self.ignore_index) if self.of == "target" else None
        raw = raw if void is None else raw.masked_fill(void, 0)
        masks = raw[:, 0] if raw.ndim == 4 and raw.shape[1] == 1 else raw
        down, across = self.blocks
        if masks.ndim != 3 or masks.shape[1] % down or masks.shape[2] % across:
            raise TargetError(
                f"Coarsening into {down}×{across} blocks needs masks of shape (N, H, W) whose "
                f"sides are multiples of it, got {tuple(raw.shape)}. Choose other blocks."
            )
        tiles = masks.gt(0.5).unflatten(2, (across, -1)).unflatten(1, (down, -1))
        pixels = tiles.shape[2] * tiles.shape[4]
        threshold = pixels // 16 if self.threshold is None else self.threshold
        patterns = tiles.sum(dim=(2, 4)).gt(threshold).flatten(1)
        classes = torch.unique(patterns, dim=0, return_inverse=True)[1]
        return make_labels(
            classes,
            f"patterns of {down}×{across} blocks of the {self.of} above {threshold} of "
            f"{pixels} pixels",
        )


def _check_finite(raw: Tensor, of: Source) -> None:
    if raw.is_complex():
        raise TargetError(
            f"Y must be real, got complex numbers from the {of}. Let unpack= return their parts: "
            "torch.view_as_real(target)."
        )
    bad = (~torch.isfinite(raw.reshape(len(raw), -1))).any(dim=1).nonzero().flatten()
    if len(bad):
        raise TargetError(
            f"Y must be finite, got NaN or infinity in {len(bad)} of {len(raw)} samples of the "
            f"{of}, first in sample {int(bad[0])}. Leave these samples out, or put a number there "
            "that means 'not labelled', such as 255: KMeans(ignore_index=255)."
        )
