"""Small nets of torchvision's classes, built as the nets of the papers are."""

import torchvision.models as tv
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import MBConvConfig
from torchvision.models.resnet import BasicBlock


def resnet():
    return tv.ResNet(BasicBlock, [2, 1, 1, 1], num_classes=5)


def densenet():
    return tv.DenseNet(8, (6, 2), 16, bn_size=2, num_classes=5)


def efficientnet():
    blocks = [MBConvConfig(1, 3, 1, 8, 8, 1, 1, 1), MBConvConfig(4, 3, 2, 8, 16, 2, 1, 1)]
    return tv.EfficientNet(blocks, 0.0, num_classes=5)


def convnext():
    return tv.ConvNeXt([CNBlockConfig(16, 32, 2), CNBlockConfig(32, None, 1)], num_classes=5)


def shufflenet():
    return tv.ShuffleNetV2([4, 1, 1], [8, 16, 32, 64, 32], num_classes=5)


def swin():
    return tv.SwinTransformer([4, 4], 16, [1, 2], [2, 4], [4, 4], num_classes=5)


def vit():
    return tv.VisionTransformer(32, 8, 2, 2, 64, 128)
