"""Forms of Y: names of classes, one-hot rows, several targets, what holds no class."""

import warnings
from enum import Enum

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import infoflow
from infoflow.capture.batches import Samples
from infoflow.capture.cluster_points import cluster_points
from infoflow.cli.data import load_loader
from infoflow.estimators.probe_features import class_numbers
from infoflow.interface import UnmeasurableWarning
from infoflow.pruning.ablation.heldout import divide, scan
from tests.capture.labelled import TRUTH, N, Residual, images, maps, net

# ---------------------------------------------------------------------- one class per sample


@pytest.mark.parametrize(
    "labels", [torch.where(TRUTH > 1, -100, TRUTH), (TRUTH - 100 * (TRUTH == 0)).numpy()]
)
def test_samples_without_a_label_are_refused(labels):
    with pytest.raises(infoflow.TargetError, match=r"16 of 48 samples have no label \(-100"):
        infoflow.ClassLabels().reduce(torch.as_tensor(labels))
    with pytest.raises(infoflow.TargetError, match="have no label"):
        infoflow.estimate(torch.randn(N, 2), labels)


class Animal(Enum):
    OWL = "owl"
    CAT = "cat"
    DOG = "dog"


NAMES = np.array(["dog", "cat", "owl"])[TRUTH.numpy()]


@pytest.mark.parametrize(
    "labels",
    [
        NAMES,
        NAMES.astype(object),
        NAMES.tolist(),
        [name.encode() for name in NAMES],
        [Animal(name) for name in NAMES],
        pd.Categorical(NAMES),
        pd.Series(NAMES),
        TRUTH.numpy().astype(object),
        TRUTH.double().tolist(),
        np.datetime64("2020-01-01") + TRUTH.numpy(),
        NAMES[:, None],
        pd.DataFrame({"y": NAMES}),
        pd.Series(TRUTH.numpy(), dtype="Int64"),
        TRUTH.to(torch.uint16),
        TRUTH.numpy().astype(np.uint64),
        F.one_hot(TRUTH, 3),
        F.one_hot(TRUTH, 3).bool().numpy(),
        TRUTH[:, None, None],
        list(TRUTH),
    ],
)
def test_classes_may_have_names(labels):
    values = torch.randn(N, 3) + TRUTH[:, None]
    assert infoflow.estimate(values, labels).iym == pytest.approx(
        infoflow.estimate(values, TRUTH).iym
    )
    values, classes = class_numbers(labels)
    assert len(values) == 3
    assert len({*zip(classes.tolist(), TRUTH.tolist(), strict=True)}) == 3


def test_names_from_a_loader_are_classes_in_every_entry_point():
    batches = [(images()[rows], NAMES[rows].tolist()) for rows in torch.arange(N).split(16)]
    numbers = [(images()[rows], TRUTH[rows]) for rows in torch.arange(N).split(16)]
    for one in (infoflow.analyze, lambda *a, **k: infoflow.probe(*a, folds=2, **k)):
        found, right = (one(net(), given, progress=False).dataset for given in (batches, numbers))
        for name in set(found) & {"iym", "accuracy"}:
            assert np.allclose(found[name], right[name])
    with pytest.raises(infoflow.TargetError, match="names such as cat, dog, owl"):
        divide(Samples(batches), mends=False, calibrate=None, seed=0)


def test_names_do_not_matter_where_labels_are_not_needed():
    batches = [(images()[rows], NAMES[rows].tolist()) for rows in torch.arange(N).split(16)]
    assert len(scan(Samples(batches)).checksums) == N


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([None, *NAMES[1:]], "got none for 1 of 48, first for number 0"),
        (pd.Series([pd.NA, *NAMES[1:]]), "got none for 1 of 48"),
        (
            [float("nan"), *TRUTH[1:].tolist()],
            "got none for 1 of 48, first for number 0",
        ),
        ([[1], [1, 2]] * 24, "a list of list. Number .* return_inverse=True"),
        ([{"a": 1}] * N, "must be an array .* a list of dict"),
        ({"a": 1}, "must be an array .* a dict"),
        (["cat", float("nan"), *NAMES[2:]], "got none for 1 of 48, first for number 1"),
        (np.ma.masked_equal(TRUTH.numpy(), 0), "got none for 16 of 48"),
        (torch.rand(N).tolist(), "numpy.digitize"),
    ],
)
def test_labels_that_are_none_say_which(labels, message):
    with pytest.raises(infoflow.TargetError, match=message):
        infoflow.estimate(torch.randn(N, 2), labels)


# ---------------------------------------------------------------------- other forms of Y


def test_one_hot_rows_are_classes():
    for rows in (F.one_hot(TRUTH, 3), F.one_hot(TRUTH, 3).float(), F.one_hot(TRUTH, 3).bool()):
        found = infoflow.analyze(nn.Linear(4, 2), [(images().mean((2, 3)), rows)], progress=False)
        assert found.dataset.attrs["target"] == "classes of the target"


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
def test_several_labels_a_sample_are_refused(dtype):
    rows = torch.tensor([[1, 1, 0], [0, 1, 0]], dtype=dtype).repeat(N // 2, 1)
    with pytest.raises(infoflow.TargetError, match="several labels for each sample"):
        infoflow.analyze(nn.Linear(4, 2), [(images().mean((2, 3)), rows)], progress=False)


def test_soft_labels_and_vectors_are_clustered():
    soft = torch.softmax(4.0 * F.one_hot(TRUTH, 3) + 0.1 * torch.randn(N, 3), dim=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = infoflow.analyze(
            nn.Linear(4, 2),
            [(images().mean((2, 3)), soft)],
            target=infoflow.KMeans(3),
            progress=False,
        )
    assert found.dataset.attrs["target"].startswith("3 K-means clusters")


LOADED = {
    "objects": NAMES.astype(object),
    "bytes": NAMES.astype("S"),
    "tuple": tuple(NAMES.tolist()),
    "enumeration": [Animal(name) for name in NAMES],
    "whole objects": TRUTH.numpy().astype(object),
    "mixed": np.array([1, "cat", b"owl"], dtype=object)[TRUTH],
    "dates": np.datetime64("2020-01-01") + TRUTH.numpy(),
    "list of numbers": TRUTH.tolist(),
    "list of tensors": list(TRUTH),
    "uint16": TRUTH.to(torch.uint16),
    "column": TRUTH[:, None, None],
    "bools of one class": F.one_hot(TRUTH, 3).bool(),
}


@pytest.mark.parametrize("name", LOADED)
def test_what_a_loader_gives_as_one_class_a_sample(name):
    rows = torch.arange(N).split(16)
    parts = [
        [LOADED[name][row] for row in part.tolist()]
        if isinstance(LOADED[name], (list, tuple))
        else LOADED[name][part[0] : part[-1] + 1]
        for part in rows
    ]
    samples = Samples([(images()[part], one) for part, one in zip(rows, parts, strict=True)])
    classes = infoflow.ClassLabels().reduce(samples.targets).classes
    assert len({*zip(classes.tolist(), TRUTH.tolist(), strict=True)}) == 3


def test_masks_in_a_list_are_masks():
    rows = torch.arange(N).split(16)
    given = Samples([(images()[part], list(maps()[part].unbind())) for part in rows])
    assert torch.equal(given.targets, maps())


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ({"boxes": torch.zeros(N)}, "a dict"),
        ((TRUTH, TRUTH), "a tuple of Tensor"),
        ([TRUTH, maps()], "a list of Tensor"),
        ([{"boxes": 1}] * N, "a list of dict"),
        ([torch.zeros(one % 3 + 1) for one in range(N)], "a list of Tensor"),
        (["cat", None] * (N // 2), "a list of NoneType and str without a class for sample 1"),
        (["cat", float("nan")] * (N // 2), "without a class for sample 1"),
    ],
)
def test_targets_that_hold_no_class_are_told(target, kind):
    """Several heads, boxes, ragged targets: nothing is measured about Y, or it is refused."""
    batches = [(images(), target)]
    with pytest.warns(UnmeasurableWarning, match=f"targets are .*{kind}"):
        infoflow.analyze(net(), batches, progress=False)
    for ask_for in (
        lambda: infoflow.probe(net(), batches, progress=False),
        lambda: infoflow.analyze(net(), batches, target="kmeans", progress=False),
    ):
        with pytest.raises(infoflow.TargetError, match=kind):
            ask_for()
    infoflow.analyze(net(), batches, target="none", progress=False)


def test_a_batch_with_a_missing_name_is_no_batch_without_target():
    batches = [(images()[:24], NAMES[:24].tolist()), (images()[24:], [None, *NAMES[25:].tolist()])]
    with pytest.raises(infoflow.LoaderError, match="without a class for sample 24"):
        infoflow.analyze(net(), batches, progress=False)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (maps().float().masked_fill(maps() > 2, torch.nan), "NaN or infinity .* 16 of 48"),
        (torch.where(TRUTH > 0, TRUTH.double(), torch.inf), "NaN or infinity for 16 of 48"),
        (torch.where(TRUTH > 0, TRUTH.double(), torch.nan), "NaN or infinity for 16 of 48"),
        (torch.rand(N, generator=torch.Generator().manual_seed(0)), "numpy.digitize"),
        (torch.complex(torch.ones(N), torch.ones(N)), "not whole"),
        (torch.rand(N, 5), r"got shape \(48, 5\)"),
        (torch.randint(0, 9, (N, 5)), r"got shape \(48, 5\)"),
    ],
)
def test_targets_that_are_no_classes_are_refused_alike(target, message):
    with pytest.raises(infoflow.TargetError, match=message):
        infoflow.usable_information(images().mean((2, 3)), target)
    with pytest.raises(infoflow.TargetError, match=message):
        infoflow.probe(net(), [(images(), target)], progress=False)


def test_class_numbers_of_samples_and_tokens_are_no_magnitudes_either():
    tokens = torch.tensor([[1, 2], [1, 90], [2, 1]])
    apart = torch.cdist(cluster_points(tokens), cluster_points(tokens)) ** 2
    assert apart[0].tolist() == pytest.approx([0, 2, 4])
    classes = infoflow.KMeans(3).reduce(torch.tensor([1, 2, 90] * 4)).classes
    assert len({*classes.tolist()}) == 3
    assert torch.equal(cluster_points(tokens.float()), tokens.float())
    with pytest.raises(infoflow.TargetError, match="token ids, at most 200"):
        infoflow.KMeans(2).reduce(torch.arange(600).reshape(60, 10))


def test_an_unknown_name_is_shown_by_its_name():
    batches = [(images(), NAMES.tolist())]
    other = [(images(), ["emu", *NAMES[1:].tolist()])]
    with pytest.raises(infoflow.TargetError, match=r"hold emu, .* they hold .*cat"):
        infoflow.probe(net(), batches, evaluate=other, progress=False)


def test_names_in_a_file_stay_names_on_the_command_line(tmp_path):
    np.savez(tmp_path / "data.npz", x=images().numpy(), y=NAMES)
    samples = Samples(load_loader(str(tmp_path / "data.npz"), None))
    classes = infoflow.ClassLabels().reduce(samples.targets).classes
    assert len({*zip(classes.tolist(), TRUTH.tolist(), strict=True)}) == 3
    assert sorted(samples.names.values()) == ["cat", "dog", "owl"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"boxes": torch.zeros(96)}, "loader's are a dict"),
        ([{"boxes": 1}] * 96, "loader's are a list of dict"),
        (torch.full((96, 3), torch.nan), "got NaN"),
        (["cat", "owl"] * 48, "names such as cat, owl"),
    ],
)
def test_ablate_says_what_it_cannot_read(target, message):
    batches = [(torch.rand(96, 3), target)]
    with pytest.raises(infoflow.TargetError, match=message):
        infoflow.ablate(Residual(), batches, mend=None, sets=None, progress=False)
