"""Labels in an array belong to samples in an order: loaders that do not keep it are told."""

import random
from itertools import islice

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
    default_collate,
)
from torch.utils.data.distributed import DistributedSampler

import infoflow
from infoflow.capture.batches import Samples
from infoflow.interface import OrderWarning
from tests.capture.labelled import Residual

N = 24
LABELS = torch.arange(N) % 2
IMAGES = torch.randn(N, 3, generator=torch.Generator().manual_seed(0)) + 4 * LABELS[:, None]
DATA = TensorDataset(IMAGES)


class Own:
    """A loader of one's own; ``order`` tells which samples come when."""

    def __init__(self, order, *, noise=False, labels=None):
        self.order, self.noise, self.labels = order, noise, labels

    def __iter__(self):
        for rows in torch.as_tensor(self.order()).split(8):
            images = IMAGES[rows] + self.noise * torch.rand(1)
            yield images if self.labels is None else (images, self.labels[rows])


class Every(Sampler):
    """A sampler of one's own, in order; backwards for a negative step."""

    def __init__(self, step):
        self.step = step

    def __iter__(self):
        return iter(range(N)[:: self.step])

    def __len__(self):
        return N


class Fixed(Sampler):
    """A sampler with a seed of its own: always the same order, but no data set's."""

    def __iter__(self):
        yield from torch.randperm(N, generator=torch.Generator().manual_seed(3)).tolist()

    def __len__(self):
        return N


class Shuffling(Fixed):
    def __iter__(self):
        return iter(random.sample(range(N), N))


class Forever(BatchSampler):
    """A batch sampler that never ends, as loaders with lasting workers have it."""

    def __iter__(self):
        while True:
            yield from super().__iter__()


class Lasting(DataLoader):
    def __iter__(self):
        return islice(super().__iter__(), len(self))


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
    "distributed": DataLoader(
        DATA, batch_size=8, sampler=DistributedSampler(DATA, num_replicas=1, rank=0, shuffle=True)
    ),
    "generator": DataLoader(DATA, batch_size=8, shuffle=True, generator=torch.Generator()),
    "own sampler": DataLoader(DATA, batch_size=8, sampler=Shuffling()),
    "own batches": DataLoader(DATA, batch_sampler=BatchSampler(Shuffling(), 8, False)),
    "augmented": Own(lambda: torch.randint(N, (N,))),
}
ORDERED = {
    "list": list(IMAGES.split(8)),
    "plain": DataLoader(DATA, batch_size=8),
    "sequential": DataLoader(DATA, batch_size=8, sampler=SequentialSampler(DATA)),
    "own batches": DataLoader(DATA, batch_sampler=BatchSampler(SequentialSampler(DATA), 8, False)),
    "own sampler": DataLoader(DATA, batch_size=8, sampler=Every(1)),
    "own batch sampler": DataLoader(DATA, batch_sampler=[[*range(9)], [*range(9, N)]]),
    "lasting": Lasting(DATA, batch_sampler=Forever(SequentialSampler(DATA), 8, False)),
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


def test_random_augmentation_does_not_matter_where_the_sampler_tells_the_order():
    loader = DataLoader(DATA, batch_size=8, sampler=Every(1), collate_fn=noisy)
    assert Samples(loader).order() == "sequential"


def test_random_augmentation_of_an_own_loader_is_told_from_two_passes():
    loader = Own(lambda: range(N), noise=True)
    with pytest.raises(infoflow.TargetError, match="shuffles"):
        infoflow.analyze(nn.Linear(3, 2), loader, target=LABELS, progress=False)


@pytest.mark.parametrize("sampler", [Every(-1), Fixed()])
def test_a_sampler_in_an_order_of_its_own_is_taken_with_a_warning(sampler):
    with pytest.warns(OrderWarning, match="another order than the data set's"):
        infoflow.analyze(
            nn.Linear(3, 2), DataLoader(DATA, batch_size=8, sampler=sampler), target=LABELS,
            noise=9.0, progress=False,
        )  # fmt: skip


@pytest.mark.filterwarnings("error::infoflow.interface.OrderWarning")
def test_labels_that_follow_such_a_sampler_need_no_warning():
    data = TensorDataset(IMAGES, LABELS)
    loader = DataLoader(data, batch_size=8, sampler=Fixed())
    result = infoflow.analyze(
        nn.Linear(3, 2), loader, target=LABELS[list(Fixed())], noise=9.0, progress=False
    )
    right = infoflow.analyze(nn.Linear(3, 2), loader, noise=9.0, progress=False)
    assert result.dataset.attrs["target"] != right.dataset.attrs["target"]
    # the linear layers differ; the labels may not
    assert result.dataset["iym_ceiling"].item() == right.dataset["iym_ceiling"].item()


def by_size(rows):
    """Sort a batch, as collate functions for sequences do."""
    return default_collate(sorted(rows, key=lambda row: float(row[0][0])))


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(TensorDataset(IMAGES, LABELS), batch_size=8, collate_fn=by_size),
        Own(lambda: range(N - 1, -1, -1), labels=LABELS),
        list(Own(lambda: torch.arange(N).view(3, 8).flip(1).flatten(), labels=LABELS)),
    ],
)
def test_the_loaders_own_labels_tell_an_array_in_another_order(loader):
    with pytest.warns(OrderWarning, match="gives these labels in another order"):
        infoflow.analyze(nn.Linear(3, 2), loader, target=LABELS, noise=9.0, progress=False)


@pytest.mark.filterwarnings("error::infoflow.interface.OrderWarning")
def test_a_shuffled_control_beside_ordered_samples_is_no_mistake():
    loader = DataLoader(TensorDataset(IMAGES, LABELS), batch_size=8)
    control = LABELS[torch.randperm(N, generator=torch.Generator().manual_seed(1))]
    found = infoflow.analyze(nn.Linear(3, 2), loader, target=control, noise=9.0, progress=False)
    assert found.iym.isel(layer=-1).item() < 0.5


def test_an_order_that_changes_between_records_of_a_tracker_is_refused():
    """A training sets the epoch of its sampler; the array of labels belongs to one of them."""

    class Epochs(Own):
        step = 1

    loader = Epochs(lambda: range(N)[:: loader.step])
    tracker = infoflow.Tracker(nn.Linear(3, 2), loader, target=LABELS, progress=False)
    tracker.record(0)
    loader.step = -1
    with pytest.raises(infoflow.TargetError, match="shuffles"):
        tracker.record(1)


@pytest.mark.parametrize("look", [infoflow.probe, infoflow.usable_streams])
def test_probes_refuse_such_labels_too(look):
    with pytest.raises(infoflow.TargetError, match="shuffles"):
        look(Residual(), SHUFFLED["own loader, torch"], target=LABELS, progress=False)


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
