"""Nets and data with known properties, for users' own tests as much as for infoflow's."""

from infoflow.testing.blobs import blob_images
from infoflow.testing.contract import ESTIMATOR_CHECKS, check_estimator
from infoflow.testing.contract_checks import ContractError
from infoflow.testing.discrete import discrete_table, noisy_xor, ranked_streams, stream_net
from infoflow.testing.families import (
    PairFamily,
    benchmark_families,
    bimodal,
    correlated_normal,
    spiral,
    student_t,
    swiss_roll,
)
from infoflow.testing.gaussian import gaussian_chain
from infoflow.testing.mixtures import MixtureInformation, mixture_information
from infoflow.testing.original_unet import OriginalUNet
from infoflow.testing.truth import KnownNet, LayerTruth, StreamTruth
from infoflow.testing.unet import UNet

__all__ = [
    "ESTIMATOR_CHECKS",
    "ContractError",
    "KnownNet",
    "LayerTruth",
    "MixtureInformation",
    "OriginalUNet",
    "PairFamily",
    "StreamTruth",
    "UNet",
    "benchmark_families",
    "bimodal",
    "blob_images",
    "check_estimator",
    "correlated_normal",
    "discrete_table",
    "gaussian_chain",
    "mixture_information",
    "noisy_xor",
    "ranked_streams",
    "spiral",
    "stream_net",
    "student_t",
    "swiss_roll",
]
