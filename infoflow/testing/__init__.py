"""Nets and data with known properties, for users' own tests as much as for infoflow's."""

from infoflow.testing.blobs import blob_images
from infoflow.testing.unet import UNet

__all__ = ["UNet", "blob_images"]
