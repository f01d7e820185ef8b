"""Logistic regressions that are fitted together, each against scikit-learn's fit of it alone."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from infoflow.estimators.descent import minimise
from infoflow.estimators.logistic import Logistic
from infoflow.estimators.matrix import Matrix
from infoflow.estimators.penalty import best_fits
from infoflow.estimators.probes import Question, Split

WIDTH = 4.0


def problems(count, rows=300, features=5):
    """Three problems on parts of the same rows; the third has not seen the last class."""
    x = torch.randn(rows, features)
    x[:, 1] = x[:, 0] + 0.01 * x[:, 1]  # nearly collinear, which takes many steps without curvature
    labels = (x[:, 2] + torch.randn(rows)).mul(1.5).round().long().clamp(-1, count - 2) + 1
    factor = torch.rand(3, features, dtype=torch.float64) + 0.5
    shift = torch.randn(3, features, dtype=torch.float64)
    matrix = Matrix(x, labels, count, factor, shift, WIDTH)
    members = [torch.arange(200), torch.arange(100, rows), torch.arange(rows)]
    members[2] = members[2][labels != count - 1] if count > 2 else members[2][::2]
    return matrix, members


def objective(rows, labels, weight, bias, strength):
    """The penalised sum of losses, for rows that are divided by the root of the width."""
    losses = torch.nn.functional.cross_entropy(rows @ weight.T + bias, labels, reduction="sum")
    free = weight if len(weight) > 2 else weight[1:] - weight[:1]
    return float(strength * losses + 0.5 * WIDTH * free.square().sum())


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("strength", [0.1, 10.0, 1000.0])
def test_each_fit_is_that_of_scikit_learn(count, strength):
    matrix, members = problems(count)
    model = Logistic(matrix, members, matrix.grams(members))
    strengths = torch.full((3,), strength, dtype=torch.float64)
    start = model.fit(0.1 * strengths, tolerance=3e-4)
    for found in (model.fit(strengths), model.fit(strengths, start)):
        for problem, some in enumerate(members):
            seen = model.seen[problem]
            rows = matrix.rows.double() * matrix.factor[problem] + matrix.shift[problem]
            labels = matrix.labels[some].unique(return_inverse=True)[1]
            theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=20_000)
            theirs.fit((rows[some] / WIDTH**0.5).numpy(), labels.numpy())
            weight, bias = found.weight[problem][seen], found.bias[problem][seen]
            mine = (rows @ weight.T + bias).softmax(1)
            expected = theirs.predict_proba((rows / WIDTH**0.5).numpy())
            np.testing.assert_allclose(mine, expected, atol=5e-4)
            other = torch.from_numpy(np.atleast_2d(theirs.coef_)) / WIDTH**0.5
            offset = torch.from_numpy(theirs.intercept_)
            if len(other) == 1:
                other, offset = torch.cat([0 * other, other]), torch.cat([0 * offset, offset])
            values = [
                objective(rows[some], labels, w, b, strength)
                for w, b in ((weight, bias), (other, offset))
            ]
            # a fit ends where what is left is far below what one more sample changes
            assert (values[0] - values[1]) / strength / len(some) < 1e-6


def test_losses_are_those_of_the_rows_and_unseen_classes_keep_their_prior():
    matrix, members = problems(3)
    model = Logistic(matrix, members, matrix.grams(members))
    found = model.fit(torch.ones(3, dtype=torch.float64))
    prior = torch.tensor([[0.5, 0.3, 0.2]] * 3, dtype=torch.float64)
    losses = model.losses(found, prior)
    for problem in range(3):
        rows = matrix.rows.double() * matrix.factor[problem] + matrix.shift[problem]
        seen = model.seen[problem]
        logits = rows @ found.weight[problem].T + found.bias[problem]
        chances = prior[problem].expand(len(rows), -1).clone()
        chances[:, seen] = chances[:, seen].sum(1, keepdim=True) * logits[:, seen].softmax(1)
        own = -chances.gather(1, matrix.labels[:, None])[:, 0].log()
        torch.testing.assert_close(losses[problem], own, atol=1e-5, rtol=1e-5)
    assert model.seen.tolist() == [[True] * 3, [True] * 3, [True, True, False]]


def test_a_fit_without_products_ends_at_the_same_weights():
    matrix, members = problems(3)
    strengths = torch.ones(3, dtype=torch.float64)
    one, other = (
        Logistic(matrix, members, grams).fit(strengths) for grams in (matrix.grams(members), None)
    )
    torch.testing.assert_close(one.weight, other.weight, atol=2e-3, rtol=0.0)


def test_problems_end_apart_and_each_where_it_would_by_itself():
    centre = torch.randn(4, 6, dtype=torch.float64)
    scale = torch.tensor([1.0, 1e-3, 1e3, 30.0], dtype=torch.float64)[:, None]
    seen = []

    def among(problems):
        def value(points):
            seen.append(len(points))
            off = points - centre[problems]
            return (scale[problems] * ((1 + off * off).sqrt() - 1)).sum(1), scale[
                problems
            ] * off / (1 + off * off).sqrt()

        return value

    start = torch.zeros_like(centre)
    together = minimise(among, start, tolerance=1e-9, steps=200)
    torch.testing.assert_close(together, centre, atol=1e-4, rtol=0.0)
    assert seen[0] == 4 > seen[-1]
    for problem in range(4):
        alone = minimise(
            lambda p, here=problem: among(p + here), start[:1], tolerance=1e-9, steps=200
        )
        torch.testing.assert_close(together[problem], alone[0], atol=1e-12, rtol=0.0)


def test_the_best_penalty_does_not_depend_on_the_questions_beside():
    labels = torch.randint(0, 3, (120,))
    x = torch.randn(120, 4)
    x[:80, 0] += 2.0 * labels[:80]
    ones = torch.ones(3, 4, dtype=torch.float64)
    matrix = Matrix(x, labels, 3, ones, 0 * ones, 4.0)
    rows = torch.arange(120)
    parts = [rows[:80], rows[20:], rows[80:]]
    questions = [Question(labels, 3, Split(part[20:], part[:20], rows), 0) for part in parts]
    questions[2] = Question(labels.where(rows < 80, 0), 3, questions[2].split, 0)
    together = best_fits(matrix, questions)
    assert together[2] is None  # one class only
    for at, question in enumerate(questions[:2]):
        alone = best_fits(matrix.among([at]), [question])[0]
        if alone is None:
            assert together[at] is None
            continue
        assert together[at].strength == alone.strength
        torch.testing.assert_close(together[at].weight, alone.weight, atol=1e-3, rtol=1e-3)
    assert together[0] is not None
