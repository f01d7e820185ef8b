"""The U-Net of Ronneberger et al. (2015) on images of any size, and its border-weighted loss."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn
from torch.nn import functional as F

from infoflow.testing import OriginalUNet


class MirroredUNet(nn.Module):
    """The unpadded U-Net, of images mirrored at their edges so that its output covers them.

    Parameters
    ----------
    base_channels
        Channels of the first pair of convolutions; the paper has 64.

    Examples
    --------
    >>> MirroredUNet(base_channels=2)(torch.zeros(1, 3, 32, 48)).shape
    torch.Size([1, 1, 32, 48])
    """

    def __init__(self, base_channels: int = 64) -> None:
        super().__init__()
        self.net = OriginalUNet(base_channels, in_channels=3)

    def scores(self, image: Tensor) -> Tensor:
        """Return the scores of background and foreground, (N, 2, H, W), before the softmax."""
        height, width = image.shape[2:]
        found = self.net(mirrored(image))
        # what is more than the image is on all sides alike, as the padding was
        top, left = (found.shape[2] - height) // 2, (found.shape[3] - width) // 2
        return found[:, :, top : top + height, left : left + width]

    def forward(self, image: Tensor) -> Tensor:
        """Return the probability of foreground, (N, 1, H, W), for images (N, 3, H, W)."""
        return self.scores(image).softmax(dim=1)[:, 1:]


def mirrored(image: Tensor) -> Tensor:
    """Mirror images at their edges, again and again, until the net's output covers them.

    Examples
    --------
    >>> mirrored(torch.zeros(1, 3, 64, 100)).shape
    torch.Size([1, 3, 252, 284])
    """
    for axis in (2, 3):
        side = image.shape[axis]
        rows = _mirrored_places(side, OriginalUNet.input_side(side)).to(image.device)
        image = image.index_select(axis, rows)
    return image


def _mirrored_places(side: int, needed: int) -> Tensor:
    """Return for each place of a longer side the place that it mirrors; edges are not repeated."""
    before = (needed - side) // 2
    period = max(2 * (side - 1), 1)
    places = torch.arange(-before, needed - before) % period
    return torch.minimum(places, period - places).clamp(max=side - 1)


def border_weights(
    instances: np.ndarray, *, highest: float = 10.0, width: float = 5.0
) -> np.ndarray:
    """Return w0·exp(−(d1 + d2)² / 2σ²) of each background pixel, for one image.

    d1 and d2 are the distances, in pixels, to the nearest and the second nearest nucleus, so that
    what lies between two that nearly touch weighs most. Nuclei themselves get 0, and so does all
    where there are fewer than two.

    Parameters
    ----------
    instances
        (H, W) whole numbers: 0 for background, or the number of the nucleus.
    highest, width
        w0 and σ, the paper's 10 and "about 5 pixels".

    Returns
    -------
    ndarray
        float32, shape (H, W).

    References
    ----------
    Ronneberger et al. (2015), equation 2, without its first term, the weights of the classes.

    Examples
    --------
    >>> border_weights(np.array([[1, 0, 2], [1, 0, 2]]), highest=10.0, width=5.0).round(3)
    array([[0.   , 9.231, 0.   ],
           [0.   , 9.231, 0.   ]], dtype=float32)
    """
    nearest = np.full(instances.shape, np.inf)
    second = nearest.copy()
    for number in np.unique(instances[instances > 0]):
        distance = distance_transform_edt(instances != number)
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    weights = highest * np.exp(-((nearest + second) ** 2) / (2 * width**2))
    return np.where(instances > 0, 0.0, weights).astype(np.float32)


def pixel_weights(instances: Tensor, masks: Tensor) -> Tensor:
    """Return w(x) = w_c(x) + w0·exp(−(d1 + d2)² / 2σ²) for all images, (N, H, W).

    w_c gives both classes the same weight in all images together, and 1 to a pixel on average.
    """
    foreground = masks.mean().clamp(1e-6, 1 - 1e-6)
    of_class = torch.where(masks[:, 0] > 0.5, 0.5 / foreground, 0.5 / (1 - foreground))
    borders = np.stack([border_weights(image) for image in instances.numpy()])
    return of_class + torch.from_numpy(borders)


def weighted_cross_entropy(scores: Tensor, masks: Tensor, weights: Tensor) -> Tensor:
    """Return the mean over pixels of −w(x) log p(x), in nats.

    Parameters
    ----------
    scores
        (N, 2, H, W), before the softmax.
    masks, weights
        (N, 1, H, W) zeros and ones, and (N, H, W).
    """
    losses = F.cross_entropy(scores, masks[:, 0].long(), reduction="none")
    return (weights * losses).mean()
