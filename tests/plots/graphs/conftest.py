"""Graphs of real nets, traced once."""

import pytest
import torch
from torchvision.models import get_model

import infoflow
from infoflow.testing import UNet


@pytest.fixture(scope="package")
def unet_graph():
    return infoflow.trace(UNet(base_channels=4), torch.zeros(1, 3, 32, 32))


@pytest.fixture(scope="package")
def resnet18_graph():
    return infoflow.trace(get_model("resnet18", weights=None), torch.zeros(1, 3, 64, 64))


@pytest.fixture(scope="package")
def resnet50_graph():
    return infoflow.trace(get_model("resnet50", weights=None), torch.zeros(1, 3, 64, 64))
