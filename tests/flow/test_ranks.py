"""Two processes give the numbers of one, and a sentence where they cannot."""

import os

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

import infoflow
from infoflow.capture.batches import Samples
from infoflow.graph.running import ranks as module
from infoflow.graph.running.ranks import ALONE, Ranks, together
from infoflow.graph.running.same_net import same_net
from tests.processes import note, noted, run_together


class Net(nn.Module):
    """Two convolutions that meet in a sum, a batch norm, and a linear layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.norm, self.last = nn.BatchNorm2d(3), nn.Linear(3 * 64, 4)

    def forward(self, x):
        first = torch.relu(self.first(x))
        return self.last((first + torch.tanh(self.norm(self.second(first)))).flatten(1))


def images(samples=241):
    x = torch.randn(samples, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, (x.mean((1, 2, 3)) * 20).round().long().clamp(-1, 1) + 1)


def shuffled(samples=241, batch=20):
    return DataLoader(images(samples), batch_size=batch, shuffle=True)


def uneven():
    return [tuple(torch.utils.data.default_collate(list(part))) for part in parts_of(images(61))]


def parts_of(data, sizes=(1, 7, 30, 23)):
    start = 0
    for size in sizes:
        yield [data[number] for number in range(start, start + size)]
        start += size


def one_batch():
    return uneven()[2:3]


def divided():
    if not dist.is_initialized():
        return DataLoader(images(), batch_size=20)
    return DataLoader(images(), batch_size=20, sampler=DistributedSampler(images(), shuffle=True))


SKETCH = infoflow.DistanceOptions("sketch", sketch_size=32)
ANCHORS = infoflow.DistanceOptions("anchors", sketch_size=32, anchors=100)
CASES = {
    "sketch": (shuffled, {"distances": SKETCH, "noise": "relative"}),
    "sketch of uneven batches": (uneven, {"distances": SKETCH, "noise": 1.0}),
    "anchors": (shuffled, {"distances": ANCHORS, "noise": "relative"}),
    "anchors, a sweep": (uneven, {"distances": ANCHORS, "noise": [0.1, 10.0]}),
    "one process has no batch": (one_batch, {"distances": ANCHORS, "noise": "relative"}),
    "no batch of a sketch": (one_batch, {"distances": SKETCH}),
    "exact": (shuffled, {"distances": "exact", "noise": "relative"}),
    "exact in passes": (shuffled, {"distances": "exact", "memory_budget": "39.4MB"}),
    "a divided loader": (divided, {"distances": SKETCH}),
    "binning": (uneven, {"estimator": infoflow.Binning(0.5)}),
    "clusters of the output": (uneven, {"target": infoflow.KMeans(3, of="output")}),
}


def measured(name):
    make, settings = CASES[name]
    return infoflow.analyze(Net(), make(), progress=False, **settings)


def drifted(rank):
    """Return a net whose running means are not those of the other process."""
    net = Net()
    net.norm.running_mean.fill_(rank)
    return net


def tracked(rank, folder):
    net = drifted(rank)
    tracker = infoflow.Tracker(net, shuffled(), path=folder / "flow.nc", progress=False, noise=1.0)
    tracker.record(0)
    tracker.record(1)
    assert float(net.norm.running_mean.mean()) == rank  # as it was
    return [tracker.result.epochs, tracker.result.ixm.values.tolist()]


class Fails:
    """A loader that fails, or dies, in one process, while it is measured."""

    def __init__(self, rank, fails):
        self._passes, self._fails = 0, fails if rank == 1 else None

    def __iter__(self):
        self._passes += 1
        batches = iter(shuffled(60))
        yield next(batches)
        if self._fails is not None and self._passes > 2:
            self._fails()
        yield from batches


def fail():
    raise OSError("the disk is gone")


def die():
    os._exit(7)


def other_weights(rank):
    net = Net()
    with torch.no_grad():
        net.last.bias += rank
    return net


def work(rank, folder):
    for name in CASES:
        measured(name).save(folder / f"{name}.{rank}.nc")
    note(folder, rank, "tracker", lambda: tracked(rank, folder))
    calls = {
        "other weights": lambda: infoflow.analyze(other_weights(rank), uneven(), progress=False),
        "other number": lambda: infoflow.analyze(Net(), shuffled(60 + rank), progress=False),
        "other samples": lambda: infoflow.analyze(Net(), [images(61 + rank)[rank:][0]]),
        "other call": lambda: infoflow.analyze(Net(), uneven(), layers=["first", "last"][rank]),
        "fails": lambda: infoflow.analyze(Net(), Fails(rank, fail), distances=SKETCH),
        "both fail": lambda: infoflow.analyze(Net(), [], progress=False),
    }
    for name, call in calls.items():
        note(folder, rank, name, lambda call=call: call() and None)
    module.MEETING = module.timedelta(seconds=1)
    if rank == 0:
        note(folder, 0, "lone", lambda: measured("sketch") and None)
    else:
        (folder / "lone.1.json").write_text("null")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    assert run_together(work, folder) == [0, 0]
    return folder


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::infoflow.InfoflowWarning")
@pytest.mark.parametrize("name", CASES)
def test_two_processes_give_the_numbers_of_one(folder, name):
    alone = measured(name).dataset
    first, second = (infoflow.load(folder / f"{name}.{rank}.nc").dataset for rank in (0, 1))
    for found in (first, second):
        assert set(found) == set(alone)
        for key, values in alone.items():
            if values.dtype.kind != "f":
                continue
            # sums for the null of anchors are kept in float32
            bound = 1e-6 if "null" in key and "anchors" in found.attrs["capture"] else 1e-9
            np.testing.assert_allclose(found[key], values, rtol=bound, atol=bound, err_msg=key)


@pytest.mark.thorough
def test_a_tracker_takes_the_running_means_of_the_first_process_and_writes_one_file(folder):
    first, second = noted(folder, "tracker")
    assert first == second
    alone = infoflow.analyze(drifted(0), shuffled(), progress=False, noise=1.0)
    np.testing.assert_allclose(first[1][0], alone.ixm.values[0], rtol=1e-9)
    assert infoflow.load(folder / "flow.nc").epochs == first[0] == [0, 1]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("other weights", "have other weights: "),
        ("other number", "have other numbers of samples: 60 and 61"),
        ("other samples", "have other samples: "),
        ("other call", "have other layers: "),
    ],
)
def test_processes_with_other_nets_or_data_get_a_sentence(folder, name, said):
    for sentence in noted(folder, name):
        assert said in sentence
        assert sentence.endswith("one loader over all samples, which infoflow divides itself.")


@pytest.mark.thorough
def test_a_process_that_fails_tells_the_others(folder):
    first, second = noted(folder, "fails")
    assert "the disk is gone" in second
    assert first == f"InfoflowError: Process 1 of 2 failed, with {second}"
    assert noted(folder, "both fail")[0] == noted(folder, "both fail")[1]


@pytest.mark.thorough
def test_a_call_that_one_process_makes_does_not_wait_for_ever(folder):
    sentence = noted(folder, "lone")[0]
    assert "called infoflow.analyze, and others did not within 1 seconds" in sentence
    assert "Call it in every process" in sentence


def dying(rank, folder):
    note(folder, rank, "dead", lambda: infoflow.analyze(Net(), Fails(rank, die), distances=SKETCH))


@pytest.mark.thorough
def test_a_process_that_dies_stops_the_others_with_a_sentence(tmp_path):
    assert run_together(dying, tmp_path) == [0, 7]
    assert "Another of the 2 processes is gone" in noted(tmp_path, "dead", number=1)[0]


# ----------------------------------------------------------------------- without other processes


def test_a_process_by_itself_meets_nobody():
    with together("analyze") as ranks:
        assert ranks is ALONE
    assert ranks.share([1, 2, 3]) == [1, 2, 3]
    assert ranks.gather("step", 5) == [5]
    ranks.agree({"weights": "a"})
    with pytest.raises(ValueError, match="mine"), together("analyze"):
        raise ValueError("mine")


class Pretended(Ranks):
    """One of several processes, which hears what it is told to."""

    def __init__(self, number, mine, heard=()):
        super().__init__("analyze")
        self.number, self.mine, self._heard, self.summed = number, mine, list(heard), 0

    def _exchange(self, said):
        return [said._replace(**change) for change in self._heard]


def test_every_sample_is_in_one_share_and_shares_are_runs():
    for number in (1, 2, 3, 7):
        for batch in (1, 20, 300):
            owners = [[] for _ in range(61)]
            for mine in range(number):
                samples = Samples(DataLoader(images(61), batch), ranks=Pretended(number, mine))
                for one in samples.batches():
                    for sample in range(one.start, one.start + one.size):
                        owners[sample] += [mine] if samples.is_own(one) else []
            assert all(len(owner) == 1 for owner in owners)
            assert owners == sorted(owners)


def test_what_others_say_is_told_in_a_sentence():
    failed = Pretended(2, 0, [{}, {"failure": "LoaderError: no batches"}])
    with pytest.raises(infoflow.InfoflowError, match="Process 1 of 2 failed, with LoaderError: no"):
        failed.gather("sketches", None)
    elsewhere = Pretended(2, 0, [{}, {"step": "anchors"}])
    with pytest.raises(infoflow.InfoflowError, match="Process 1 of 2 is at 'anchors' while proc"):
        elsewhere.gather("sketches", None)
    other = Pretended(2, 0, [{}, {"value": {"weights": "b"}}])
    with pytest.raises(infoflow.InfoflowError, match="Processes 0 and 1 have other weights: 'a' a"):
        other.agree({"weights": "a"})


def test_buffers_of_the_first_process_are_taken_meanwhile():
    net, theirs = drifted(1), {k: v.clone() for k, v in drifted(0).named_buffers()}

    class Second(Pretended):
        def first(self, step, value):
            return theirs

    with same_net(net, Second(2, 1, [{}, {}])):
        assert float(net.norm.running_mean.mean()) == 0
    assert float(net.norm.running_mean.mean()) == 1


def test_reasons_are_without_places_in_the_source_of_gloo():
    said = (
        "[Rank 0]: Rank 1 failed\n Original exception: \n[/gloo/pair.cc:561] Connection closed by "
    )
    assert module._reason(RuntimeError(f"{said}peer [127.0.0.1]:20621. This is typically")) == (
        "Connection closed by peer [127.0.0.1]:20621"
    )
    assert module._reason(RuntimeError()) == "RuntimeError"
