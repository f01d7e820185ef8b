"""Two tiers of tests: the quick one that everybody runs, and ``pytest -m thorough``.

The thorough tier has the tests that are marked for it, and every property test once more, with
40 times as many examples.
"""

import os

import pytest
from hypothesis import settings

#: Examples of a property test in the quick tier.
QUICK = 50
#: How many times as many the thorough tier tries.
MORE = 40
_VARIABLE = "INFOFLOW_TESTS_THOROUGH"
#: Names the device that everything is measured on; see tests/gpu.py.
DEVICE = "INFOFLOW_TESTS_DEVICE"


def choose(mark_expression: str) -> None:
    """Choose the tier by pytest's ``-m``, for this process and those that it starts."""
    words = mark_expression.replace("not thorough", "")
    os.environ[_VARIABLE] = "1" if "thorough" in words else ""


def is_thorough() -> bool:
    """Tell whether this is the thorough tier."""
    return bool(os.environ.get(_VARIABLE))


def thorough(*values: object, id: str | None = None) -> object:
    """Return the values of a parametrised test that the thorough tier alone tries."""
    return pytest.param(*values, marks=pytest.mark.thorough, id=id)


def examples(quick: int = QUICK) -> settings:
    """Return the settings of a property test that has ``quick`` examples in the quick tier."""
    return settings(max_examples=quick * (MORE if is_thorough() else 1), deadline=None)
