"""Imports point one way only, and ``import infoflow`` stays light."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import infoflow

PACKAGE = Path(infoflow.__file__).parent

#: Records of numbers, made by functions of ours.
RECORDS = {"Estimate"}

#: For each room, the rooms that it may import from besides itself.
ALLOWED = {
    "interface": set(),
    "results": {"interface"},
    "graph": {"interface", "results"},
    "estimators": {"interface", "results"},
    "capture": {"interface", "graph", "estimators"},
    "flow": {"interface", "results", "graph", "estimators", "capture"},
    "pruning": {"interface", "results", "graph", "estimators", "capture", "flow"},
    "comparison": {"interface", "results", "graph", "flow", "pruning"},
    "plots": {
        *("interface", "results", "graph", "estimators", "capture", "flow", "pruning"),
        "comparison",
    },
    "reports": {
        *("interface", "results", "graph", "estimators", "capture", "flow", "pruning", "plots"),
        "comparison",
    },
    "integrations": {
        *("interface", "results", "graph", "estimators", "capture", "flow", "pruning", "plots"),
        *("comparison", "reports"),
    },
    "testing": {"interface", "estimators"},
    "validation": {"interface", "results", "graph", "estimators", "capture", "flow", "testing"},
    "cli": {
        *("interface", "results", "graph", "estimators", "capture", "flow", "pruning", "plots"),
        *("comparison", "reports", "testing", "validation", "integrations"),
    },
    "__main__": {"cli"},
}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("infoflow."))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_imports_point_one_way(path):
    room = room_of(path)
    if room == "__init__":
        return
    strangers = set(imported_rooms(path)) - ALLOWED[room] - {room}
    assert not strangers, f"{path.name} in {room}/ imports from {strangers}"


#: What a graph needs nothing of, and what the numbers of ``analyze`` need nothing of.
START_UP = """
import sys
import infoflow
assert "torch" not in sys.modules
infoflow.trace
from infoflow.cli.app import app
app(["graph", "infoflow.testing.unet:UNet", "--input-shape", "3,32,32"], standalone_mode=False)
loaded = {"scipy.stats", "sklearn", "pandas", "xarray", "triton"} & set(sys.modules)
assert not loaded, loaded
infoflow.analyze
loaded = {"scipy.stats", "sklearn", "triton"} & set(sys.modules)
assert not loaded, loaded
"""


def test_start_up_loads_only_what_is_used():
    done = subprocess.run(
        [sys.executable, "-c", START_UP], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_public_name_can_be_reached():
    for name in infoflow.__all__:
        assert getattr(infoflow, name) is not None


def test_no_public_function_has_more_than_16_parameters():
    for name in set(infoflow.__all__) - RECORDS:
        function = getattr(infoflow, name)
        if inspect.isclass(function) and issubclass(function, Exception):
            continue
        if inspect.isclass(function) or inspect.isfunction(function):
            given = inspect.signature(function).parameters
            assert len(given) <= 16, f"{name} has {len(given)} parameters"


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = infoflow.analyse
