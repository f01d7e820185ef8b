"""A document as one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import infoflow
from infoflow.reports.content import Document, Doubt, Picture, Table, Words
from infoflow.reports.svg import Styles

#: Begins the content of the meta element by which a file is known to be a report.
GENERATOR = "infoflow report"

_TEMPLATES = Path(__file__).parent / "templates"
#: Doubts at the top of the page; the rest is beside its numbers.
_MOST_DOUBTS = 8
#: Characters of an address that need no escape.
_SAFE = ",.-:;/()[]+*=@!~"


def page(document: Document, styles: Styles, opening: str) -> str:
    """Return the HTML of a document.

    Parameters
    ----------
    document
        What is shown.
    styles
        Looks of its figures.
    opening
        The first sentence of the conclusion; empty where the sections say all.
    """
    sheet = f"{_file('style.css')}\n{styles.sheet}"
    script = _file("script.js")
    doubts = [doubt for section in document.sections for doubt in section.doubts]
    summary = [line for section in document.sections for line in section.summary]
    return (
        _environment()
        .get_template("page.html")
        .render(
            document=document,
            summary=[opening, *summary] if opening else summary,
            doubts=doubts[:_MOST_DOUBTS],
            more_doubts=max(0, len(doubts) - _MOST_DOUBTS),
            sheet=Markup(sheet),
            script=Markup(script),
            policy=_policy(sheet, script),
            generator=f"{GENERATOR} {infoflow.__version__}",
        )
    )


def _policy(sheet: str, script: str) -> str:
    """Return a policy that lets in this style sheet, this script and images inside the page."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(sheet)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


@cache
def _file(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8").strip()


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    made.filters["data_uri"] = _data_uri
    made.tests.update(
        picture=lambda item: isinstance(item, Picture),
        table=lambda item: isinstance(item, Table),
        words=lambda item: isinstance(item, Words),
        doubt=lambda item: isinstance(item, Doubt),
    )
    made.filters["svg"] = lambda picture: Markup(picture.svg)
    return made


def _data_uri(text: str, kind: str) -> str:
    """Return a text as an address that holds it; shorter than base64 for numbers."""
    return f"data:{kind};charset=utf-8,{quote(text, safe=_SAFE)}"
