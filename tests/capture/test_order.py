"""Labels in an array belong to samples in an order: loaders that do not keep it are told."""

import random

import pytest
import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)
from torch.utils.data.distributed import DistributedSampler

import infoflow
from infoflow.capture.batches import Samples

N = 24
LABELS = torch.arange(N) % 2
IMAGES = torch.randn(N, 3, generator=torch.Generator().manual_seed(0)) + 4 * LABELS[:, None]
DATA = TensorDataset(IMAGES)


class Own:
    """A loader of one's own; ``order`` tells which samples come when."""

    def __init__(self, order):
        self.order = order

    def __iter__(self):
        return (IMAGES[rows] for rows in torch.as_tensor(self.order()).split(8))


class Backwards(Sampler):
    def __iter__(self):
        return iter(range(N - 1, -1, -1))

    def __len__(self):
        return N


class Batches(Dataset):
    """A data set that gives whole batches, for batch_size=None."""

    def __len__(self):
        return 3

    def __getitem__(self, number):
        return IMAGES[8 * number : 8 * number + 8]


class Stream(IterableDataset):
    def __init__(self, *, shuffles):
        self.shuffles = shuffles

    def __iter__(self):
        rows = torch.randperm(N) if self.shuffles else range(N)
        return iter([IMAGES[row] for row in rows])


def noisy(batch):
    return torch.stack([image + torch.rand(()) for (image,) in batch])


SHUFFLED = {
    "shuffle": DataLoader(DATA, batch_size=8, shuffle=True),
    "own loader, torch": Own(lambda: torch.randperm(N)),
    "own loader, random": Own(lambda: random.sample(range(N), N)),
    "weighted": DataLoader(DATA, batch_size=8, sampler=WeightedRandomSampler(torch.ones(N), N)),
    "subset": DataLoader(DATA, batch_size=8, sampler=SubsetRandomSampler(range(N))),
    "batches in random order": DataLoader(Batches(), batch_size=None, shuffle=True),
    "stream": DataLoader(Stream(shuffles=True), batch_size=8),
    "augmented": Own(lambda: torch.randint(N, (N,))),
}
ORDERED = {
    "list": list(IMAGES.split(8)),
    "plain": DataLoader(DATA, batch_size=8),
    "sequential": DataLoader(DATA, batch_size=8, sampler=SequentialSampler(DATA)),
    "own batches": DataLoader(DATA, batch_sampler=BatchSampler(SequentialSampler(DATA), 8, False)),
    "own sampler": DataLoader(DATA, batch_size=8, sampler=Backwards()),
    "batch_size=None": DataLoader(Batches(), batch_size=None),
    "stream": DataLoader(Stream(shuffles=False), batch_size=8),
    "own loader": Own(lambda: range(N)),
    "one rank": DataLoader(
        DATA, batch_size=8, sampler=DistributedSampler(DATA, num_replicas=1, rank=0, shuffle=False)
    ),
}


@pytest.mark.parametrize("name", SHUFFLED)
def test_an_array_of_labels_beside_a_loader_that_shuffles_is_refused(name):
    with pytest.raises(infoflow.TargetError, match="in the order of the samples"):
        infoflow.analyze(nn.Linear(3, 2), SHUFFLED[name], target=LABELS, progress=False)


@pytest.mark.parametrize("name", ORDERED)
def test_loaders_that_keep_their_order_are_taken(name):
    result = infoflow.analyze(
        nn.Linear(3, 2), ORDERED[name], target=LABELS, noise=9.0, progress=False
    )
    assert 0.1 < result.iym.isel(layer=-1).item() <= 1


def test_random_augmentation_is_told_from_two_passes():
    loader = DataLoader(DATA, batch_size=8, sampler=Backwards(), collate_fn=noisy)
    assert not Samples(loader).keeps_order()


def test_a_later_look_at_the_same_samples_reads_them_no_more_often():
    """A Tracker with labels of its own would otherwise read the loader twice more each epoch."""

    class Counting(Own):
        reads = 0

        def __iter__(self):
            self.reads += 1
            return super().__iter__()

    loader = Counting(lambda: range(N))
    tracker = infoflow.Tracker(nn.Linear(3, 2), loader, target=LABELS, progress=False)
    tracker.record(0)
    first = loader.reads
    tracker.record(1)
    assert loader.reads - first <= first - 2
