"""What counts as the same value, for each type of numbers."""

import pytest
import torch

from infoflow.graph.running.comparison import is_close


@pytest.mark.parametrize(
    ("dtype", "same", "other"),
    [
        (torch.float32, 3e-5, 5e-4),
        (torch.float64, 3e-10, 1e-7),
        (torch.complex64, 3e-5, 5e-4),
        (torch.bfloat16, 0.01, 0.1),
        (torch.float16, 2e-3, 0.01),
    ],
)
def test_rounding_is_a_few_units_of_the_last_digit(dtype, same, other):
    value = torch.tensor([1.0, -2.0, 0.5], dtype=dtype)
    assert is_close(value * (1 + same), value)
    assert not is_close(value * (1 + other), value)


def test_a_missing_branch_of_a_thousandth_is_no_rounding():
    """TF32 once asked for a tolerance of 1e-3; a branch with a small scale hid below it."""
    whole = torch.randn(64, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    assert not is_close(whole + 5e-4 * whole.flip(0), whole)


def test_numbers_that_are_not_there_and_shapes_count():
    value = torch.tensor([1.0, float("nan"), float("inf")], dtype=torch.float32)
    assert is_close(value, value.clone())
    assert not is_close(value, value.nan_to_num())
    assert not is_close(value, value[:2])
    assert not is_close(value, value.double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("special", [None, float("nan"), float("inf"), -float("inf")])
def test_the_quick_answer_is_that_of_a_comparison_number_by_number(dtype, special):
    generator = torch.Generator().manual_seed(0)
    rounding = 1000 * torch.finfo(dtype).eps if dtype is torch.float32 else 1e-9
    answers = set()
    for step in (0.0, 0.1, 0.9, 1.5, 2.5, 100.0):
        one = torch.randn(64, generator=generator, dtype=dtype)
        if special is not None:
            one[5] = special
        other = one.clone()
        scale = float(one[torch.isfinite(one)].abs().max())
        other[7] += step * rounding * scale
        slow = all(
            bool(a == b)
            or bool(a != a and b != b)
            or bool(abs(a - b) <= rounding * (scale + abs(b)))
            for a, b in zip(one, other, strict=True)
        )
        assert is_close(one, other) == slow
        answers.add(slow)
    assert answers == {True, False}
