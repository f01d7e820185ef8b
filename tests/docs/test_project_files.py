"""The files around the package agree with each other."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import infoflow

ROOT = Path(__file__).parents[2]
#: Packages that conda names in another way.
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def read(place):
    return (ROOT / place).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project():
    return tomllib.loads(read("pyproject.toml"))["project"]


def test_all_files_name_the_same_version(project):
    named = {
        "pyproject": project["version"],
        "citation": str(yaml.safe_load(read("CITATION.cff"))["version"]),
        "conda": yaml.safe_load(read("conda-recipe/recipe.yaml"))["context"]["version"],
    }
    assert named == dict.fromkeys(named, infoflow.__version__)


def test_the_conda_recipe_asks_for_what_the_package_asks_for(project):
    recipe = yaml.safe_load(read("conda-recipe/recipe.yaml"))
    asked = dict(line.split() for line in recipe["requirements"]["run"])
    wanted = {"python": project["requires-python"]}
    for one in project["dependencies"]:
        name, version = re.fullmatch(r"([\w-]+)(.*)", one).groups()
        wanted[CONDA_NAMES.get(name, name)] = version
    assert asked == wanted


def test_the_conda_recipe_builds_as_the_project_says(project):
    recipe = yaml.safe_load(read("conda-recipe/recipe.yaml"))
    tools = tomllib.loads(read("pyproject.toml"))["build-system"]["requires"]
    host = {line.replace(" ", "") for line in recipe["requirements"]["host"]}
    assert host == {"python" + project["requires-python"], "pip", *tools}
    scripts = [f"{name} = {place}" for name, place in project["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts
    about = recipe["about"]
    assert (about["summary"], about["license"]) == (project["description"], project["license"])
    assert [about["license_file"]] == project["license-files"]


def test_the_workflows_call_steps_that_the_gate_has():
    steps = set(re.findall(r"^run_(\w+)\(\)", read(".ci/run"), re.MULTILINE))
    jobs = yaml.safe_load(read(".github/workflows/tests.yml"))["jobs"]
    called = {*jobs["other"]["strategy"]["matrix"]["step"], "demo", "tests"}
    assert called | {"lint", "docs"} == steps  # static runs both
    assert jobs["newest"]["steps"][-1]["run"] == ".ci/run demo tests"
    assert jobs["lowest"]["steps"][-1]["run"] == ".ci/oldest"


def test_the_workflows_try_every_python_that_the_package_names(project):
    named = [c.split()[-1] for c in project["classifiers"] if re.search(r"Python :: 3\.\d+$", c)]
    newest = yaml.safe_load(read(".github/workflows/tests.yml"))["jobs"]["newest"]
    assert newest["strategy"]["matrix"]["python"] == named


def test_the_form_for_bugs_asks_for_the_doctors_output():
    form = yaml.safe_load(read(".github/ISSUE_TEMPLATE/bug.yml"))["body"]
    (field,) = [part for part in form if "infoflow doctor" in part["attributes"]["label"]]
    assert field["validations"]["required"]


def test_the_paper_cites_what_its_bibliography_has():
    cited = set(re.findall(r"@(\w+\d{4})", read("paper/paper.md")))
    assert cited == set(re.findall(r"^@\w+\{(\w+),", read("paper/paper.bib"), re.MULTILINE))


def test_the_shares_that_the_paper_tells_are_those_of_the_evidence():
    evidence, paper = (" ".join(read(p).split()) for p in ("docs/evidence.rst", "paper/paper.md"))
    for share in ("80.8 %", "96.5 %", "38 %"):
        assert share in evidence
        assert share in paper
    for count in ("10 are reproduced", "2 are not", "13 cannot be told"):
        assert count in " ".join(read("docs/reproduce.rst").split())
        assert count.removesuffix(" told") in paper
