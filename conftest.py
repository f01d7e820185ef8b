"""Which tests and examples are collected: those of a tier, of libraries that are there."""

import gc
from importlib.util import find_spec

import pytest
from hypothesis import settings

from tests import tiers

#: Modules of examples that need other libraries, which take seconds to import.
LIBRARIES = {
    f"infoflow/integrations/{name}.py": name for name in ("lightning", "transformers", "ignite")
}
#: Folders and files whose tests are thorough, all of them: the quick tier does not import them.
THOROUGH = ("tests/zoo", "tests/examples", "tests/integrations/libraries", *LIBRARIES)
#: Measured with ``--benchmark-only``.
BENCHMARKS = "tests/benchmarks"


def pytest_configure(config):
    tiers.choose(config.option.markexpr)
    # no test asserts seconds: other work on the machine would fail it
    settings.register_profile("infoflow", tiers.examples())
    settings.load_profile("infoflow")


def pytest_ignore_collect(collection_path, config):
    place = collection_path.relative_to(config.rootpath).as_posix()
    is_left_out = (
        (place in THOROUGH and not tiers.is_thorough())
        or (place in LIBRARIES and find_spec(LIBRARIES[place]) is None)
        or (place == BENCHMARKS and not (config.option.benchmark_only or tiers.is_thorough()))
    )
    return True if is_left_out else None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Let the garbage collector pass over what stays: modules and tests, a million objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    for item in items:
        place = item.path.relative_to(config.rootpath).as_posix()
        has_examples = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        is_property = tiers.is_thorough() and has_examples
        if is_property or place.startswith(THOROUGH):
            item.add_marker("thorough")
