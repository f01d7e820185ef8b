"""Matplotlib figures as small SVG that a page with a strict security policy can hold."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from html import escape
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

#: Text stays text, and is never read as mathematics: layers may be called anything.
SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "text.parse_math": False}

#: Pixels of the page to a unit of the drawing (1/72 inch).
_PIXELS = 1.25
#: Narrow screens show a figure at this share of its size, and scroll to the rest.
_LEAST = 0.68
_KEPT = frozenset({"svg", "g", "path", "use", "text", "tspan", "defs", "clipPath", "rect", "image"})
_LONG = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?")
#: What XML does not allow, though a name may hold it.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_REFERENCE = re.compile(r"#([\w.-]+)")
#: matplotlib's white is the ground of the page.
_WHITE = re.compile(r"#ffffff\b")


@dataclass
class Styles:
    """Classes of all figures of a page: a rule for each look, whatever number of marks has it.

    Style attributes are not possible where the security policy allows one style sheet only.
    """

    classes: dict[str, str] = field(default_factory=dict)
    sizes: list[str] = field(default_factory=list)

    def named(self, look: str) -> str:
        """Return the class of a look."""
        return self.classes.setdefault(look, f"i{len(self.classes)}")

    @property
    def sheet(self) -> str:
        """All rules."""
        rules = [f".{name}{{{_rule(look)}}}" for look, name in self.classes.items() if look]
        return "\n".join([*rules, *self.sizes])


@dataclass(frozen=True)
class Drawing:
    """An SVG element, and its natural size in pixels."""

    svg: str
    width: float
    height: float


def drawing(figure: Figure, name: str, styles: Styles) -> Drawing:
    """Return a figure as an SVG element.

    Parameters
    ----------
    figure
        Drawn under :data:`SETTINGS`.
    name
        Unique in the page; begins all references within the figure.
    styles
        Takes its looks.
    """
    written = io.StringIO()
    with mpl.rc_context({**SETTINGS, "svg.hashsalt": name}):
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    text = _CONTROLS.sub("", written.getvalue())
    root = ElementTree.fromstring(text)
    _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
    wide, high = width * _PIXELS, height * _PIXELS
    used = set(_REFERENCE.findall(text))
    body = "".join(_element(child, name, used, styles) for child in root)
    styles.sizes.append(f"#{name} svg{{max-width:{wide:.0f}px;min-width:{_LEAST * wide:.0f}px}}")
    view = f'viewBox="0 0 {width:g} {height:g}"'
    svg = f'<svg {view} width="{wide:.0f}" height="{high:.0f}" aria-hidden="true">{body}</svg>'
    return Drawing(svg, wide, high)


def _element(element: ElementTree.Element, name: str, used: set[str], styles: Styles) -> str:
    """Return an element without namespaces, styles and names that nothing refers to."""
    tag = _local(element.tag)
    if tag not in _KEPT:
        return ""
    inside = "".join(_element(child, name, used, styles) for child in element)
    inside = escape((element.text or "").strip()) + inside
    attributes = _attributes(element, name, used, styles)
    if not inside and tag in ("g", "defs"):
        return ""
    if tag == "g" and not attributes:
        return inside
    shown = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{tag}{shown}>{inside}</{tag}>" if inside else f"<{tag}{shown}/>"


def _attributes(
    element: ElementTree.Element, name: str, used: set[str], styles: Styles
) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in element.attrib.items():
        key = _local(key)
        if key == "id":
            if value in used:
                found["id"] = f"{name}-{value}"
        elif key == "style":
            found["class"] = styles.named(value)
        elif key == "href" and value.startswith("#"):
            found["href"] = f"#{name}-{value[1:]}"
        elif key == "href":
            found["href"] = value.replace("\n", "")
        elif key == "clip-path":
            found[key] = value.replace("#", f"#{name}-")
        else:
            found[key] = _LONG.sub(_rounded, " ".join(value.split()))
    return found


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".") or "0"


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _rule(look: str) -> str:
    """Return the look with the page's font and ground."""
    parts = [part.strip() for part in look.split(";")]
    kept = [part for part in parts if part and not part.startswith("font-family")]
    return _WHITE.sub("var(--figure-ground)", ";".join(kept)).replace(": ", ":")
