"""Epochs that wait beside the file: nothing is lost, and nothing comes back that was dropped."""

import gc
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import infoflow
from infoflow.flow import journal


def tracker_of(path, seed=0):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    points = torch.randn(12, 3)
    loader = [(points, (points[:, 0] > 0).long())]
    return infoflow.Tracker(net, loader, noise=0.5, path=path, progress=False)


def test_a_file_with_its_journal_is_the_result(tmp_path):
    path = tmp_path / "flow.nc"
    tracker = tracker_of(path)
    for epoch in range(4):
        tracker.record(epoch)
    assert len(journal.waiting(path)) == 3
    found = infoflow.load(path)
    assert found.epochs == [0, 1, 2, 3]
    for name, variable in tracker.result.dataset.variables.items():
        assert found.dataset[name].dtype.kind == variable.dtype.kind, name
        np.testing.assert_array_equal(found.dataset[name], variable)
    assert found.dataset.attrs.keys() == tracker.result.dataset.attrs.keys()
    again = tracker_of(path)
    again.record(4)
    assert infoflow.load(path).epochs == [0, 1, 2, 3, 4]


def test_the_journal_goes_into_the_file_when_it_is_full_and_when_the_tracker_goes(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(journal, "MOST_WAITING", 2)
    path = tmp_path / "flow.nc"
    tracker = tracker_of(path)
    for epoch in range(4):
        tracker.record(epoch)
    assert not journal.journal_of(path).exists()
    tracker.record(4)
    assert journal.journal_of(path).exists()
    del tracker
    gc.collect()
    assert not journal.journal_of(path).exists()
    assert infoflow.load(path).epochs == [0, 1, 2, 3, 4]


def test_a_line_that_a_crash_cut_short_is_left_out_and_the_next_one_counts(tmp_path):
    path = tmp_path / "flow.nc"
    tracker = tracker_of(path)
    for epoch in range(3):
        tracker.record(epoch)
    place = journal.journal_of(path)
    place.write_text(place.read_text()[:-100])
    assert infoflow.load(path).epochs == [0, 1]
    again = tracker_of(path)
    again.record(2)
    assert infoflow.load(path).epochs == [0, 1, 2]


def test_the_journal_of_another_file_does_not_count(tmp_path):
    path = tmp_path / "flow.nc"
    tracker = tracker_of(path)
    tracker.record(0)
    tracker.record(1)
    infoflow.load(path).save(path)  # it holds all, but the journal is still there
    assert journal.journal_of(path).exists()
    assert journal.waiting(path) == []
    assert infoflow.load(path).epochs == [0, 1]


def test_what_a_training_that_went_back_dropped_does_not_come_back(tmp_path):
    path = tmp_path / "flow.nc"
    tracker = tracker_of(path)
    for epoch in range(4):
        tracker.record(epoch)
    with pytest.warns(infoflow.InfoflowWarning, match="goes back to epoch 2"):
        tracker.record(2)
    assert infoflow.load(path).epochs == [0, 1, 2]
    assert infoflow.load(tmp_path / "flow.earlier.nc").epochs == [0, 1, 2, 3]


def test_an_append_reads_neither_the_file_nor_what_was_appended(tmp_path, monkeypatch):
    """The checksum of the whole file was taken at every epoch."""
    path, taken = tmp_path / "flow.nc", []
    checksum = journal._checksum
    monkeypatch.setattr(journal, "_checksum", lambda path: taken.append(path) or checksum(path))
    tracker = tracker_of(path)
    for epoch in range(2):
        tracker.record(epoch)
    before = len(taken)
    for epoch in range(2, 6):
        tracker.record(epoch)
    assert len(taken) == before
    assert infoflow.load(path).epochs == [0, 1, 2, 3, 4, 5]


def test_an_append_sees_that_another_has_replaced_the_file(tmp_path):
    path = tmp_path / "flow.nc"
    tracker = tracker_of(path)
    for epoch in range(3):
        tracker.record(epoch)
    infoflow.load(path).save(path)  # now it holds all three, and the journal goes with another
    tracker.record(3)
    assert infoflow.load(path).epochs == [0, 1, 2, 3]
    assert len(journal.waiting(path)) == 1


def test_an_append_sees_that_the_journal_is_gone(tmp_path):
    path = tmp_path / "flow.nc"
    tracker = tracker_of(path)
    for epoch in range(3):
        tracker.record(epoch)
    journal.clear(path)
    tracker.record(3)
    assert infoflow.load(path).epochs == [0, 3]


@pytest.mark.thorough
def test_the_journal_goes_into_the_file_when_python_ends(tmp_path):
    program = (
        "import torch, infoflow\n"
        "net, points = torch.nn.Linear(3, 2), [torch.randn(20, 3)]\n"
        "tracker = infoflow.Tracker(net, points, path='a.nc', noise=1.0, progress=False)\n"
        "[tracker.record(epoch) for epoch in range(3)]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "converter" not in done.stderr
    assert not journal.journal_of(tmp_path / "a.nc").exists()
    assert infoflow.load(tmp_path / "a.nc").epochs == [0, 1, 2]
