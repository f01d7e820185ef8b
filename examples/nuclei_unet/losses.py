"""What a training lowers: plain cross-entropy, or that of the original U-Net with its weights."""

from __future__ import annotations

from collections.abc import Callable

from data import Nuclei
from original import MirroredUNet, pixel_weights, weighted_cross_entropy
from precision import Precision, computing
from torch import Tensor, nn
from torch.nn import functional as F

#: From images, masks and the numbers of these training images to the loss, in nats.
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def make_loss(
    model: nn.Module, data: Nuclei, device: str, precision: Precision = Precision.FLOAT32
) -> Loss:
    """Return the loss of a model by the recipe of its authors, for batches of training images."""
    if not isinstance(model, MirroredUNet):

        def plain(images: Tensor, masks: Tensor, rows: Tensor) -> Tensor:
            with computing(model, precision, device):
                found = model(images)
            return F.binary_cross_entropy(found, masks)

        return plain
    if data.instances is None:
        raise ValueError(
            "The original U-Net's loss needs each nucleus by itself, got joint masks only. Load "
            "the images with load_nuclei(..., with_instances=True)."
        )
    weights = pixel_weights(data.instances, data.masks).to(device)

    def weighted(images: Tensor, masks: Tensor, rows: Tensor) -> Tensor:
        with computing(model, precision, device):
            scores = model.scores(images)
        return weighted_cross_entropy(scores, masks, weights[rows])

    return weighted
