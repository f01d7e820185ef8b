"""Class maps that torchvision's ToTensor divided by 255, and void in signed bytes."""

import pytest
import torch

import infoflow
from infoflow.interface import TargetError, TargetWarning, UnlabelledWarning

MAPS = torch.randint(0, 3, (20, 4, 4), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.float16])
def test_maps_of_classes_over_255_are_clustered_as_classes_with_a_warning(kind):
    wanted = infoflow.KMeans(clusters=4).reduce(MAPS)
    with pytest.warns(TargetWarning, match=r"multiples of 1/255.*\(255 \* target\)"):
        found = infoflow.KMeans(clusters=4).reduce((MAPS / 255).to(kind))
    assert found.classes.tolist() == wanted.classes.tolist()


def test_void_over_255_is_void():
    maps = MAPS.clone()
    maps[:, 0] = 255
    with pytest.warns(UnlabelledWarning, match="255 marks"):
        wanted = infoflow.KMeans(clusters=4).reduce(maps)
    with pytest.warns((TargetWarning, UnlabelledWarning)):
        found = infoflow.KMeans(clusters=4).reduce(maps / 255)
    assert found.classes.tolist() == wanted.classes.tolist()


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.0, 0.5, 1.0], [0.1, 0.17], [0.0, 100 / 255]])
def test_other_values_stay_magnitudes(values, recwarn):
    maps = torch.tensor(values)[torch.randint(0, len(values), (20, 4, 4))]
    infoflow.KMeans(clusters=4).reduce(maps)
    assert not [one for one in recwarn if one.category is TargetWarning]


def test_probes_ask_for_class_numbers():
    with pytest.raises(TargetError, match=r"multiples of 1/255.*\(255 \* target\)"):
        infoflow.usable_information(torch.randn(20, 2, 4, 4), MAPS / 255)


def test_255_in_a_signed_byte_is_void():
    maps = MAPS.clone()
    maps[:, 0] = 255
    signed, features = maps.to(torch.uint8).view(torch.int8), torch.randn(20, 2, 4, 4)
    with pytest.warns(UnlabelledWarning, match="-1 marks 25 %"):
        found = infoflow.usable_information(features, signed, folds=2)
    with pytest.warns(UnlabelledWarning, match="255 marks 25 %"):
        wanted = infoflow.usable_information(features, maps, folds=2)
    assert found.value == wanted.value


def test_features_and_a_target_of_another_length():
    with pytest.raises(infoflow.interface.ArgumentError, match=r"same samples.*100 targets"):
        infoflow.usable_information(torch.randn(120, 4), torch.arange(100) % 3)
