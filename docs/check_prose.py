"""Name the paragraphs of the documentation that are too long, with their number of words.

Usage: python docs/check_prose.py
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
#: Derivations need room; every other page has tables and short sentences.
THEORY = frozenset({"understand.rst"})
LIMIT = 60
#: What is shown letter by letter, or is no prose.
_LITERAL = re.compile(
    r"\.\. (code-block|math|csv-table|toctree|autosummary|image|include|literalinclude|\[|_)"
)
_ITEM = re.compile(r"(?:[-*] |\* - |\d+\. |:\w[\w -]*: |\.\. )")
_RULE = re.compile(r"[=\-~^]{3,}[= \-~^]*$")


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line number and the text of each paragraph, list item and table cell."""
    start, left, lines = 0, 0, list[str]()
    literal: int | None = None  # how far the directive that holds no prose is indented
    is_table = False
    for number, line in enumerate([*text.splitlines(), ""], 1):
        bare = line.strip()
        indent = len(line) - len(line.lstrip())
        if bare and literal is not None and indent <= literal:
            literal = None
        if bare and literal is None and _LITERAL.match(bare):
            literal = indent
        if _RULE.match(bare):
            is_table = " " in bare and (is_table or number > 0)
        elif not bare and is_table:
            is_table = False
        is_outside = literal is not None or is_table or bool(_RULE.match(bare))
        # a term of a definition list is less indented than what comes before and after it
        if not bare or is_outside or _ITEM.match(bare) or indent < left:
            if lines:
                yield start, " ".join(lines)
            lines = []
        if bare and not is_outside:
            start = start if lines else number
            left = indent
            lines.append(bare)


def count_words(paragraph: str) -> int:
    """Count the words of a paragraph; code, doctests and addresses count as they are read."""
    if paragraph.startswith((">>>", "...")):
        return 0
    plain = re.sub(r"<[^<>]*>`", "`", paragraph)
    return sum(bool(re.search(r"\w", word)) for word in plain.split())


def long_paragraphs(folder: Path = DOCS, limit: int = LIMIT) -> list[str]:
    """Return a line for each paragraph of the pages in a folder that is over the limit."""
    return [
        f"{path.name}:{line}: {words} words, at most {limit}: {paragraph[:60]}…"
        for path in sorted([*folder.glob("*.rst"), *folder.glob("tutorials/*.rst")])
        if path.name not in THEORY
        for line, paragraph in paragraphs(path.read_text(encoding="utf-8"))
        if (words := count_words(paragraph)) > limit
    ]


if __name__ == "__main__":
    found = long_paragraphs()
    print("\n".join(found))
    sys.exit(bool(found))
