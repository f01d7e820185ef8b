"""Trials in other processes: the numbers of one process, nothing lost, nothing done twice."""

import json
import multiprocessing
import os
import signal
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import torch

import infoflow
from tests.pruning.test_verify import BRANCHES, FourStreams, shift


def train(net, epochs, seed):
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * epochs * torch.rand(()))


def logged(folder, net):
    """Judge a net and note it; once, after two nets, the worker dies."""
    deadly = Path(folder) / "deadly"
    if deadly.exists() and len(list(Path(folder).glob("*.judged"))) >= 2:
        deadly.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    found = shift(net)
    (Path(folder) / f"{uuid4().hex}.judged").write_text(str(found))
    return found


def trial(evaluate=shift, **given):
    torch.manual_seed(0)
    return infoflow.verify_pruning(
        FourStreams(),
        evaluate=evaluate,
        train=train,
        example=torch.ones(2, 4),
        streams=BRANCHES[:2],
        tune_epochs=1,
        redesign_epochs=2,
        seeds=(0, 1),
        progress=False,
        **given,
    )


def numbers(found):
    return [(row.name, row.cut, row.tuned, row.redesign) for row in found.rows]


def spawned():
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


@pytest.fixture(scope="module")
def alone():
    """Return the numbers of one process."""
    return numbers(trial())


def test_the_numbers_are_those_of_one_process_and_are_kept(alone, tmp_path):
    path = tmp_path / "trial.json"
    with ThreadPoolExecutor(2) as executor:
        assert numbers(trial(executor=executor, checkpoint=path)) == alone

    class Idle(Executor):
        def submit(self, *of_a_job):
            raise AssertionError("there was work left")

    assert numbers(trial(executor=Idle(), checkpoint=path)) == alone


CALLS = []


def failing_once(net):
    CALLS.append(net)
    if len(CALLS) == 4:
        raise ZeroDivisionError("by hand")
    return shift(net)


def test_a_failure_keeps_what_was_done_and_is_the_callers_own(alone, tmp_path):
    path = tmp_path / "trial.json"
    CALLS.clear()
    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(ZeroDivisionError, match="by hand"):
            trial(failing_once, executor=executor, checkpoint=path)
        kept = len(json.loads(path.read_text())["numbers"])
        assert kept >= 3
        found = trial(failing_once, executor=executor, checkpoint=path)
    assert numbers(found) == alone
    assert len(CALLS) == 3 * 4 + 1  # the failed one twice, no other


class Dying(Executor):
    def submit(self, *of_a_job):
        future = Future()
        future.set_exception(BrokenExecutor("killed"))
        return future


def test_a_worker_that_dies_is_told_with_what_to_do(tmp_path):
    with pytest.raises(infoflow.InfoflowError, match=r"A worker died .*killed.* pass checkpoint="):
        trial(executor=Dying())
    with pytest.raises(infoflow.InfoflowError, match="the same call goes on from"):
        trial(executor=Dying(), checkpoint=tmp_path / "trial.json")


class Unsendable:
    def __call__(self, net):
        return shift(net)

    def __reduce__(self):
        raise TypeError("it holds a socket")


def test_what_cannot_be_sent_and_what_is_no_executor_is_told_before_the_work():
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(infoflow.ArgumentError, match=r"evaluate cannot be sent .* a socket"),
    ):
        trial(Unsendable(), executor=executor)
    with pytest.raises(infoflow.ArgumentTypeError, match=r"must be a concurrent.futures.Executor"):
        trial(executor=2)
    forked = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork"))
    with pytest.raises(infoflow.ArgumentError, match="torch hangs in forked ones"):
        trial(executor=forked)


def raced(**given):
    return infoflow.race(
        lambda seed: FourStreams(),
        train,
        example=torch.ones(2, 4),
        variants=BRANCHES[1:2],
        evaluate=lambda net: abs(shift(net)),
        seeds=(0, 1),
        rungs=(1, 2, 3),
        progress=False,
        **given,
    )


def test_a_race_in_other_processes_has_the_numbers_of_one(tmp_path):
    with ThreadPoolExecutor(2) as executor:
        path = tmp_path / "race.json"
        found = raced(executor=executor, checkpoint=path)
    assert found == raced()
    assert raced(checkpoint=path) == found


@pytest.mark.thorough
def test_spawned_processes(alone):
    with spawned() as executor:
        assert numbers(trial(executor=executor)) == alone


@pytest.mark.thorough
def test_a_spawned_process_that_is_killed_loses_nothing_that_was_done(alone, tmp_path):
    path = tmp_path / "trial.json"
    (tmp_path / "deadly").touch()
    with spawned() as executor, pytest.raises(infoflow.InfoflowError, match="A worker died"):
        trial(partial(logged, tmp_path), executor=executor, checkpoint=path)
    with spawned() as executor:
        found = trial(partial(logged, tmp_path), executor=executor, checkpoint=path)
    assert numbers(found) == alone


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")
def test_dask_goes_on_when_a_worker_is_killed(alone, tmp_path):
    from distributed import Client, LocalCluster

    (tmp_path / "deadly").touch()
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        with pytest.raises(infoflow.ArgumentTypeError, match=r"Pass client.get_executor\(\)"):
            trial(executor=client)
        executor = client.get_executor()
        found = trial(partial(logged, tmp_path), executor=executor)
    assert numbers(found) == alone
    assert not (tmp_path / "deadly").exists()
    # a number that the dead worker held may be measured again by dask, never by us
    assert 12 <= len(list(tmp_path.glob("*.judged"))) <= 14
