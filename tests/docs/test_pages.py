"""What can be said of the documentation's pages without building them."""

from __future__ import annotations

import ast
import csv
import importlib.util
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def prose():
    spec = importlib.util.spec_from_file_location("check_prose", DOCS / "check_prose.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts_of(tree):
    """Yield every text of a module; what f-strings fill in is left out as ``…``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_paragraph_is_over_the_limit(prose):
    assert prose.long_paragraphs() == []


def test_the_counts_of_verdicts_on_the_page_are_those_of_the_table():
    with (DOCS / "reproduction" / "claims.csv").open(newline="", encoding="utf-8") as file:
        verdicts = Counter(row["verdict"] for row in csv.DictReader(file))
    page = " ".join((DOCS / "reproduce.rst").read_text(encoding="utf-8").split())
    assert (
        f"judges {verdicts.total()} claims of the paper: {verdicts['reproduced']} are reproduced, "
        f"{verdicts['not reproduced']} are not, and "
        f"{verdicts['cannot tell at this scale']} cannot be told"
    ) in page


def test_a_long_paragraph_a_list_item_and_a_cell_are_seen_and_code_is_not(prose, tmp_path):
    words = " ".join(["word"] * 61)
    (tmp_path / "page.rst").write_text(
        f"{words}\n\n- short\n- {words}\n\n.. code-block:: python\n\n   {words}\n\n"
        f".. list-table::\n\n   * - {words}\n     - short\n\n>>> {words}\n"
    )
    found = [line.split(": ")[0] for line in prose.long_paragraphs(tmp_path)]
    assert found == ["page.rst:1", "page.rst:4", "page.rst:12"]


def test_terms_of_a_definition_list_do_not_run_together(prose, tmp_path):
    entry = "term\n   " + " ".join(["word"] * 40) + "\n"
    (tmp_path / "page.rst").write_text(entry * 3)
    assert prose.long_paragraphs(tmp_path) == []


def test_every_message_of_the_troubleshooting_page_is_one_of_ours():
    page = (DOCS / "troubleshooting.rst").read_text(encoding="utf-8")
    messages = re.findall(r"^   \* - ``(.+)``$", page, re.MULTILINE)
    ours = "\n".join(
        text
        for path in (ROOT / "infoflow").rglob("*.py")
        for text in texts_of(ast.parse(path.read_text(encoding="utf-8")))
    )
    assert len(messages) > 20
    assert [message for message in messages if message not in ours] == []


def test_every_page_is_in_a_section():
    pages = {path.stem for path in DOCS.glob("*.rst")} - {"index"}
    listed = set()
    for path in DOCS.glob("*.rst"):
        for block in re.findall(
            r"\.\. toctree::\n(?:   :.*\n)*\n((?:   .+\n)+)", path.read_text(encoding="utf-8")
        ):
            listed |= set(block.split())
    assert pages - listed == set()
