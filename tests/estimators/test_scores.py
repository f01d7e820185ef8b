"""Scores against scikit-learn, and on the edges of their definition."""

import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from infoflow.estimators.scores import count_overlaps, score


@pytest.mark.parametrize("count", [2, 4])
def test_scores_are_those_of_scikit_learn(count):
    predicted, true = torch.randint(0, count, (2, 10, 6, 7))
    overlaps = count_overlaps(predicted, true, count)
    foreground = list(range(1, count))
    for row in range(10):
        guess, truth = predicted[row].flatten(), true[row].flatten()
        for metric, oracle in (("dice", f1_score), ("iou", jaccard_score)):
            expected = oracle(truth, guess, labels=foreground, average="macro")
            assert score(metric, overlaps)[row].item() == pytest.approx(expected)
        assert score("accuracy", overlaps)[row].item() == pytest.approx(
            accuracy_score(truth, guess)
        )


def test_nothing_found_where_nothing_is_counts_1():
    empty = torch.zeros(1, 5, dtype=torch.int64)
    overlaps = count_overlaps(empty, empty, 2)
    assert [score(metric, overlaps).item() for metric in ("dice", "iou", "accuracy")] == [1, 1, 1]


def test_classes_that_are_in_neither_do_not_count():
    predicted, true = torch.tensor([[0, 1, 1, 0]]), torch.tensor([[0, 1, 0, 0]])
    assert score("iou", count_overlaps(predicted, true, 5)).item() == 0.5
    assert score("dice", count_overlaps(predicted, true, 5)).item() == pytest.approx(2 / 3)
