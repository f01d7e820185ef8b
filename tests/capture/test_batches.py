"""Loaders as people have them: batches of all forms, order, and what is refused."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
)

import infoflow
from infoflow.capture.batches import Samples
from infoflow.capture.loaders import sized_samples
from infoflow.capture.unpack import unpack_batch
from infoflow.graph.running.arguments import parameters_of
from infoflow.interface import LoaderError, TargetError, UnmeasurableWarning

IMAGES = torch.arange(24.0).reshape(12, 2)
LABELS = torch.arange(12) % 3


def contents(samples):
    return torch.cat([batch.call.args[0] for batch in samples.batches()])


@pytest.mark.parametrize(
    ("batch", "target"),
    [
        (IMAGES, None),
        ((IMAGES, LABELS), LABELS),
        ([IMAGES], None),
        ({"image": IMAGES, "mask": LABELS}, LABELS),
        ({"pixel_values": IMAGES}, None),
    ],
)
def test_unpack_batch(batch, target):
    inputs, got = unpack_batch(batch)
    assert inputs is IMAGES
    assert got is target


def test_own_unpack_and_several_inputs():
    loader = [{"a": IMAGES, "b": LABELS, "class": LABELS}]
    samples = Samples(loader, unpack=lambda d: ((d["a"], d["b"]), d["class"]))
    (batch,) = samples.batches()
    assert len(batch.call.args) == 2
    assert torch.equal(samples.targets, LABELS)


@pytest.mark.parametrize("batch_size", [1, 5, 12, 100])
def test_counts_samples_and_rows(batch_size):
    samples = Samples(DataLoader(TensorDataset(IMAGES, LABELS), batch_size=batch_size))
    assert samples.count == 12
    starts = [(batch.start, batch.size) for batch in samples.batches()]
    assert starts[-1][0] + starts[-1][1] == 12
    assert torch.equal(samples.targets, LABELS)


def test_sized_samples_knows_drop_last_and_leaves_streams_alone():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(IMAGES)

    assert sized_samples(DataLoader(IMAGES, batch_size=5, drop_last=True)) == 10
    assert sized_samples(DataLoader(Stream(), batch_size=5)) is None
    assert sized_samples([IMAGES]) is None
    assert Samples(DataLoader(Stream(), batch_size=5)).count == 12


def test_a_loader_that_shuffles_repeats_its_order():
    samples = Samples(DataLoader(TensorDataset(IMAGES, LABELS), batch_size=5, shuffle=True))
    first = contents(samples)
    assert not torch.equal(first, IMAGES)
    assert torch.equal(contents(samples), first)


def test_a_loader_with_its_own_generator_and_random_augmentation_repeats_itself():
    class Augmented(Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, i):
            return IMAGES[i] + random.random() + np.random.rand() + torch.rand(1)  # noqa: NPY002

    generator = torch.Generator().manual_seed(5)
    samples = Samples(DataLoader(Augmented(), batch_size=5, shuffle=True, generator=generator))
    assert torch.equal(contents(samples), contents(samples))


def test_a_loader_with_another_order_each_time_is_refused():
    class Restless:
        def __init__(self):
            self.order = torch.Generator().manual_seed(0)

        def __iter__(self):
            for rows in torch.randperm(12, generator=self.order).split(4):
                yield IMAGES[rows]

    samples = Samples(Restless())
    contents(samples)
    with pytest.raises(LoaderError, match=r"another order, in pass 2 .* raise memory_budget"):
        contents(samples)


def test_a_loader_that_ends_early_the_second_time_is_refused():
    class Tired:
        batches = 3

        def __iter__(self):
            yield from IMAGES.split(4)[: self.batches]

    loader = Tired()
    samples = Samples(loader)
    contents(samples)
    loader.batches = 2
    with pytest.raises(LoaderError, match="in pass 2"):
        contents(samples)


def test_the_order_is_the_batch_samplers():
    """With a batch_sampler, a DataLoader's own sampler is a dummy that looks sequential."""
    shuffled = BatchSampler(RandomSampler(IMAGES), 4, drop_last=False)
    assert Samples(DataLoader(IMAGES, batch_sampler=shuffled)).order() == "shuffled"
    assert Samples(DataLoader(IMAGES, batch_size=4)).order() == "sequential"
    some = BatchSampler(SubsetRandomSampler(range(8)), 4, drop_last=False)
    assert sum(b.size for b in Samples(DataLoader(IMAGES, batch_sampler=some)).batches()) == 8
    assert Samples(DataLoader(IMAGES, batch_sampler=some)).count == 8


def test_numpy_batches_and_lists_of_inputs():
    loader = [(IMAGES.numpy(), LABELS.numpy()), ([IMAGES], LABELS)]
    assert [len(batch.call.args[0]) for batch in Samples(loader).batches()] == [12, 12]


def test_batches_of_which_some_have_no_target():
    with pytest.raises(LoaderError, match="1 of 2 batches have no target"):
        _ = Samples([(IMAGES, LABELS), (IMAGES,)]).targets


@pytest.mark.parametrize("unpack", [lambda batch: batch["x"], lambda batch: 3])
def test_unpack_that_fails(unpack):
    with pytest.raises(
        LoaderError, match=r"unpack (failed on batch 0, a Tensor|must return \(inputs)"
    ):
        contents(Samples([IMAGES], unpack=unpack))


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        ([], "The loader gives no batches; expected at least 2 samples"),
        (iter([IMAGES]), "an iterator .* can be read only once"),
        ([IMAGES[:1]], "gives 1 sample; expected at least 2"),
        ([IMAGES, torch.zeros(3, 5)], r"one shape, got \(2,\) in batch 0 and \(5,\) in batch 1"),
        ([{"picture": IMAGES}], r"dictionary with keys \['picture'\], expected one of image"),
        ([(IMAGES, LABELS, LABELS)], "tuple of 3, expected a tensor, an"),
        ([("name", LABELS)], "Batch 0 holds no input tensor"),
        ([(IMAGES, LABELS[:5])], r"12 samples but a target of shape \(5,\)"),
    ],
)
def test_wrong_loaders(loader, message):
    with pytest.raises(LoaderError, match=message):
        contents(Samples(loader))


def test_samples_of_different_shapes_within_a_batch():
    ragged = [torch.zeros(3), torch.zeros(4)]
    with pytest.raises(
        LoaderError, match=r"failed after 0 batches with RuntimeError.*the same shape"
    ):
        contents(Samples(DataLoader(ragged, batch_size=2)))


def test_targets_of_different_shapes():
    loader = [(IMAGES, torch.zeros(12, 4)), (IMAGES, torch.zeros(12, 5))]
    with pytest.raises(
        LoaderError, match=r"Targets must all have one shape, got \(4,\) and \(5,\)"
    ):
        _ = Samples(loader).targets


def test_a_mask_that_forward_must_have_is_an_input():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 3)

        def forward(self, x, mask):
            return self.linear(x * mask)

    batch = {"x": torch.rand(12, 2), "mask": torch.ones(12, 2), "label": torch.arange(12)}
    inputs, target = unpack_batch(batch, ("x", "mask"), parameters_of(Masked(), required=True))
    assert set(inputs) == {"x", "mask"}
    assert target is batch["label"]


class Stream(IterableDataset):
    """Ten samples, and nobody knows that there are ten."""

    def __iter__(self):
        return iter(torch.arange(20.0).reshape(10, 2))


def test_a_dataset_without_a_length_is_measured():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    result = infoflow.analyze(net, DataLoader(Stream(), batch_size=4), target="none")
    assert float(result.dataset["samples"][0]) == 10


@pytest.mark.parametrize("batch_size", [1, 3, 4, 5])
def test_sequences_of_any_number_of_samples_are_no_lists_of_images(batch_size):
    """A DataLoader gives one-argument batches as lists: [(1, 3 or 4, T, C)] looks like an image."""
    sequences = TensorDataset(torch.arange(11 * 4 * 6.0).reshape(11, 4, 6))
    samples = Samples(DataLoader(sequences, batch_size=batch_size), model=nn.Linear(6, 2))
    assert torch.equal(contents(samples), sequences.tensors[0])


def test_grey_images_with_masks_of_the_same_form_are_two_columns():
    images = torch.arange(7 * 16.0).reshape(7, 4, 4)
    pairs = DataLoader(TensorDataset(images, images > 50), batch_size=3)
    samples = Samples(pairs, model=nn.Linear(4, 2))
    assert torch.equal(contents(samples), images)
    assert torch.equal(samples.targets, images > 50)


def test_targets_that_are_no_tensors_are_told():
    batches = [(IMAGES[:4], ("a", {"boxes": 2})), (IMAGES[4:], ("b", {"boxes": 3}))]
    net = nn.Linear(2, 2)
    with pytest.warns(UnmeasurableWarning, match="targets are a tuple of dict and str"):
        result = infoflow.analyze(net, batches, noise=100.0, progress=False)
    assert not result.has_target
    with pytest.raises(TargetError, match="its targets are a tuple of dict and str"):
        infoflow.analyze(net, batches, target=infoflow.ClassLabels(), progress=False)


def test_a_samplers_own_generator_starts_each_pass_anew_and_is_left_as_it_was():
    generator = torch.Generator().manual_seed(7)
    dataset = TensorDataset(IMAGES, LABELS)
    sampler = RandomSampler(dataset, generator=generator)
    before = generator.get_state()
    loader = DataLoader(dataset, batch_size=5, sampler=sampler)
    net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
    infoflow.probe(net, loader, folds=2, progress=False)
    assert torch.equal(generator.get_state(), before)


class OfDictionary(nn.Module):
    """Takes one dictionary, or one list, of tensors as its only argument."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, batch):
        first, second = batch.values() if isinstance(batch, dict) else batch
        return self.layer(first + second)


@pytest.mark.parametrize("kind", [dict, list])
def test_a_smaller_last_batch_of_nested_inputs(kind):
    parts = torch.rand(20, 6).split(8)
    inputs = [{"a": rows, "b": rows} if kind is dict else [rows, rows] for rows in parts]
    loader = [((given,), torch.zeros(len(rows))) for given, rows in zip(inputs, parts, strict=True)]
    result = infoflow.analyze(
        OfDictionary(), loader, unpack=lambda raw: raw, target="none", progress=False
    )
    assert int(result.dataset["samples"][-1]) == 20
