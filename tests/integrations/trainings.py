"""One small training, by hand and by each library: the same batches, the same steps."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

import infoflow

EPOCHS, BATCH = 3, 8


class Points(Dataset):
    """32 points of two classes, as dictionaries for the Trainer or as pairs."""

    def __init__(self, count=32, seed=0, *, named=False):
        self.x = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
        self.y = (self.x[:, 0] * self.x[:, 1] > 0).long()
        self.named = named

    def __len__(self):
        return len(self.y)

    def __getitem__(self, number):
        x, y = self.x[number], self.y[number]
        return {"x": x, "labels": y} if self.named else (x, y)


class Net(nn.Module):
    """A skip connection, batch norm and dropout: what a disturbed training would show."""

    def __init__(self, drop=0.3):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.norm, self.drop = nn.BatchNorm1d(6), nn.Dropout(drop)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        return self.last(x + self.drop(torch.relu(self.second(x))))


def trackers_of(net, folder=None, schedule=range(EPOCHS + 1), *, named=False):
    """A Tracker of the samples that train, and one of others."""
    settings = {"noise": 0.1, "progress": False, "schedule": schedule, "target": "labels"}
    if named:
        settings["unpack"] = unpack
    found = {}
    for name, seed in (("train", 0), ("held_out", 5)):
        loader = DataLoader(Points(seed=seed, named=named), BATCH)
        path = None if folder is None else folder / f"{name}.nc"
        found[name] = infoflow.Tracker(net, loader, path=path, **settings)
    return found


def unpack(batch):
    return {"x": batch["x"]}, batch["labels"]


def step(net, optimizer, batch):
    x, y = batch
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()


def by_hand(net, trackers, epochs=EPOCHS):
    """Train as the libraries do, without any of them."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    torch.manual_seed(2)
    loader = DataLoader(Points(), BATCH)
    for tracker in trackers.values():
        tracker.record(0, step=0)
    for epoch in range(epochs):
        for batch in loader:
            step(net, optimizer, batch)
        for tracker in trackers.values():
            tracker.record(epoch + 1, step=(epoch + 1) * len(loader))
    return {name: tracker.result for name, tracker in trackers.items()}


def same(results, others):
    """Whether two sets of results have the same numbers, to the last bit."""
    assert set(results) == set(others)
    for name, result in results.items():
        other = others[name]
        assert result.epochs == other.epochs
        assert result.dataset.drop_vars("graph", errors="ignore").equals(other.dataset), name
    return True
