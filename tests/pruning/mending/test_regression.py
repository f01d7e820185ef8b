"""Streamed ridge regression against explicit least squares, for every kind of layer."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from infoflow.pruning.mending.finding import kernel_of_module
from infoflow.pruning.mending.kernels import as_matrices, from_matrices, row_count, rows
from infoflow.pruning.mending.moments import Sums, about_zero
from infoflow.pruning.mending.regression import residual_share, solve

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")

LAYERS = {
    "linear": (nn.Linear(5, 3), (40, 5)),
    "linear on tokens": (nn.Linear(5, 3), (9, 7, 5)),
    "conv1d": (nn.Conv1d(3, 4, 3, padding=1), (6, 3, 20)),
    "conv2d": (nn.Conv2d(3, 4, 3, padding=1), (5, 3, 8, 8)),
    "conv3d": (nn.Conv3d(2, 3, 2), (6, 2, 5, 4, 4)),
    "strided": (nn.Conv2d(3, 4, 3, stride=(2, 1), padding=(1, 0)), (6, 3, 9, 8)),
    "dilated": (nn.Conv2d(2, 4, 3, dilation=(2, 1), padding=2), (6, 2, 8, 8)),
    "same, even kernel": (nn.Conv2d(2, 4, (2, 4), padding="same"), (6, 2, 8, 8)),
    "reflected": (nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"), (6, 2, 8, 8)),
    "circular": (nn.Conv1d(2, 4, 3, padding=2, padding_mode="circular"), (9, 2, 12)),
    "grouped": (nn.Conv2d(4, 6, 3, groups=2), (6, 4, 8, 8)),
    "depthwise": (nn.Conv2d(4, 8, 3, groups=4, padding=1), (6, 4, 8, 8)),
    "transposed": (nn.ConvTranspose2d(3, 4, 2, stride=2), (6, 3, 5, 5)),
    "transposed, all options": (
        nn.ConvTranspose2d(
            4, 6, 3, stride=2, padding=1, output_padding=(1, 0), groups=2, dilation=(1, 2)
        ),
        (8, 4, 5, 5),
    ),
    "transposed 1d": (nn.ConvTranspose1d(2, 3, 4, stride=3, padding=2), (9, 2, 7)),
    "transposed 3d": (nn.ConvTranspose3d(2, 2, 2, stride=2), (4, 2, 3, 3, 3)),
    "one image without a batch": (nn.Conv2d(2, 3, 3), (2, 12, 12)),
}


@pytest.fixture(params=LAYERS)
def case(request):
    torch.manual_seed(0)
    layer, shape = LAYERS[request.param]
    layer = layer.double()
    return layer, torch.randn(shape, dtype=torch.float64) + 0.5


def all_rows(kernel, value, target, chunk=50):
    chosen = torch.arange(row_count(kernel, target))
    return list(rows(kernel, value, target, chosen, chunk))


def summed(pairs):
    sums = Sums()
    for features, targets in pairs:
        sums.add(features, targets)
    return sums.moments()


def design(layer, value):
    """The layer's linear map as a matrix, found by running it on every unit weight vector."""
    columns = []
    with torch.no_grad():
        other = [p.clone() for p in layer.parameters()]
        for parameter in layer.parameters():
            parameter.zero_()
        for parameter in layer.parameters():
            for place in range(parameter.numel()):
                parameter.view(-1)[place] = 1
                columns.append(layer(value).reshape(-1))
                parameter.view(-1)[place] = 0
        for parameter, was in zip(layer.parameters(), other, strict=True):
            parameter.copy_(was)
    return torch.stack(columns, 1)


def test_matrices_turn_into_weights_again(case):
    layer, _ = case
    kernel = kernel_of_module(layer)
    assert torch.equal(from_matrices(kernel, as_matrices(kernel, layer.weight)), layer.weight)


def test_rows_times_weights_are_what_the_layer_computes(case):
    layer, value = case
    kernel, target = kernel_of_module(layer), layer(value)
    matrices = as_matrices(kernel, layer.weight)
    bias = layer.bias.reshape(kernel.groups, 1, -1)
    for features, targets in all_rows(kernel, value, target):
        torch.testing.assert_close(features @ matrices + bias, targets)


def test_equals_least_squares_on_a_target_that_no_weights_reach(case):
    """The oracle knows nothing of windows: it runs the layer itself on unit weights."""
    layer, value = case
    kernel = kernel_of_module(layer)
    target = torch.randn_like(layer(value))
    fit = solve(summed(all_rows(kernel, value, target)), 0.0, as_matrices(kernel, layer.weight))
    wanted = torch.linalg.lstsq(
        design(layer, value), target.reshape(-1, 1), driver="gelsd"
    ).solution
    weights, bias = wanted.split([layer.weight.numel(), layer.bias.numel()])
    found = from_matrices(kernel, fit.weight)
    torch.testing.assert_close(found, weights.view_as(layer.weight), rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(fit.intercept.reshape(-1), bias.reshape(-1), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("has_intercept", [True, False])
def test_ridge_equals_least_squares_with_rows_for_the_penalty(has_intercept):
    torch.manual_seed(1)
    features = torch.randn(1, 300, 7, dtype=torch.float64) * torch.arange(1, 8) + 3
    targets = torch.randn(1, 300, 2, dtype=torch.float64) - 5
    start = torch.randn(1, 7, 2, dtype=torch.float64)
    found = summed(zip(features.split(64, dim=1), targets.split(64, dim=1), strict=True))
    fit = solve(found if has_intercept else about_zero(found), 0.01, start)
    x, t = features[0], targets[0]
    if has_intercept:
        x, t = x - x.mean(0), t - t.mean(0)
    penalty = (0.01 * x.square().sum(0).mean()).sqrt()
    stacked = torch.cat([x, penalty * torch.eye(7, dtype=x.dtype)])
    wanted = torch.linalg.lstsq(stacked, torch.cat([t, penalty * start[0]])).solution
    torch.testing.assert_close(fit.weight[0], wanted)
    intercept = (targets[0] - features[0] @ wanted).mean(0) if has_intercept else torch.zeros(2)
    torch.testing.assert_close(fit.intercept[0], intercept.double())


def test_moments_of_batches_are_those_of_all_rows_far_from_zero():
    """Sums of squares about zero would lose all digits at a mean of a million."""
    torch.manual_seed(2)
    features = torch.randn(2, 500, 4, dtype=torch.float64) + 1e6
    targets = features @ torch.randn(2, 4, 3, dtype=torch.float64)
    whole = summed([(features, targets)])
    parts = summed(zip(features.split(77, dim=1), targets.split(77, dim=1), strict=True))
    torch.testing.assert_close(parts.gram, whole.gram, rtol=1e-8, atol=0)
    torch.testing.assert_close(parts.cross, whole.cross, rtol=1e-6, atol=1e-6)
    assert parts.count == 500


def test_a_batch_of_which_no_row_is_chosen_changes_nothing():
    features, targets = torch.randn(1, 9, 2), torch.randn(1, 9, 1)
    sums = Sums()
    for start, stop in ((0, 0), (0, 4), (4, 4), (4, 9)):
        sums.add(features[:, start:stop], targets[:, start:stop])
    torch.testing.assert_close(sums.moments().gram, summed([(features, targets)]).gram)


def test_residual_share_is_one_minus_r_squared():
    torch.manual_seed(3)
    features = torch.randn(1, 400, 3, dtype=torch.float64)
    noise = torch.randn(1, 400, 2, dtype=torch.float64)
    targets = features @ torch.randn(1, 3, 2, dtype=torch.float64) + noise
    found = summed([(features, targets)])
    fit = solve(found, 0.0, torch.zeros(1, 3, 2))
    left = targets - features @ fit.weight - fit.intercept
    wanted = left.var(1, correction=0) / targets.var(1, correction=0)
    torch.testing.assert_close(residual_share(found, fit), wanted)


def test_features_that_do_not_vary_leave_the_weights():
    features = torch.full((1, 20, 3), 2.0, dtype=torch.float64)
    targets = torch.randn(1, 20, 2, dtype=torch.float64)
    start = torch.randn(1, 3, 2, dtype=torch.float64)
    fit = solve(summed([(features, targets)]), 0.01, start)
    torch.testing.assert_close(fit.weight, start)
    torch.testing.assert_close(
        features @ fit.weight + fit.intercept, targets.mean(1, True).expand(1, 20, 2)
    )


def test_functional_padding_is_torch_padding():
    value = torch.randn(2, 3, 7, 7, dtype=torch.float64)
    layer = nn.Conv2d(3, 2, 3, padding=(2, 1)).double()
    kernel = kernel_of_module(layer)
    wanted = functional.unfold(value, 3, padding=(2, 1)).transpose(1, 2).reshape(-1, 3, 9)
    found = torch.cat([x[0] for x, _ in all_rows(kernel, value, layer(value))])
    torch.testing.assert_close(found, wanted.transpose(1, 2).reshape(-1, 27))
