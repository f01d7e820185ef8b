"""A result in a notebook: sections that fold, in plain HTML without scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

#: More rows are only counted.
_MOST_ROWS = 100

# without this style sheet, as where a notebook is not trusted, the text alone is shown
_STYLE = """
.infoflow { --infoflow-ink: var(--jp-content-font-color0, var(--pst-color-text-base, #1a1a1a));
  --infoflow-faint: var(--jp-content-font-color2, var(--pst-color-text-muted, #666));
  --infoflow-line: var(--jp-border-color2, var(--pst-color-border, #ddd));
  --infoflow-stripe: var(--jp-layout-color1, var(--pst-color-surface, #f6f6f6)); }
html[theme="dark"] .infoflow, html[data-theme="dark"] .infoflow, body[data-theme="dark"] .infoflow,
body.vscode-dark .infoflow { --infoflow-ink: #eee; --infoflow-faint: #aaa; --infoflow-line: #444;
  --infoflow-stripe: #222; }
.infoflow { color: var(--infoflow-ink); max-width: 100%; }
.infoflow .infoflow-text { display: none; }
.infoflow .infoflow-view { display: block !important; overflow-x: auto; }
.infoflow .infoflow-head { border-bottom: 1px solid var(--infoflow-line); padding: 4px 0; }
.infoflow .infoflow-head span { color: var(--infoflow-faint); }
.infoflow summary { cursor: pointer; color: var(--infoflow-faint); padding: 3px 0; }
.infoflow pre { margin: 4px 0; color: inherit; background: none; line-height: 1.25; }
.infoflow table { border-collapse: collapse; font-size: 90%; }
.infoflow th, .infoflow td { padding: 2px 8px; text-align: left; color: inherit;
  border-bottom: 1px solid var(--infoflow-line); }
.infoflow tbody tr:nth-child(odd) { background: var(--infoflow-stripe); }
""".strip()


def notebook_html(name: str, title: str, text: str, sections: Mapping[str, Any]) -> str:
    """Return the page of a result, in the manner of xarray.

    Parameters
    ----------
    name, title
        The class of the result, and one line about it.
    text
        What ``print`` shows: the first section, and all there is where style sheets are dropped.
    sections
        What is folded away, by title: a pandas frame, rows by name, or single facts by name.
    """
    whole = escape(text)
    folded = [_section(title, _table(content)) for title, content in sections.items()]
    return "".join(
        [
            f'<div class="infoflow"><style>{_STYLE}</style>',
            f'<pre class="infoflow-text">{whole}</pre>',
            '<div class="infoflow-view" style="display:none">',
            f'<div class="infoflow-head">{escape(name)} <span>{escape(title)}</span></div>',
            _section("Table", f"<pre>{whole}</pre>", is_open=True),
            *(section for section in folded if section),
            "</div></div>",
        ]
    )


def _section(title: str, body: str, *, is_open: bool = False) -> str:
    if not body:
        return ""
    state = " open" if is_open else ""
    return f"<details{state}><summary>{escape(title)}</summary>{body}</details>"


def _table(content: Any) -> str:
    if hasattr(content, "columns"):
        return _rows(list(content.columns), content.values.tolist())
    if not isinstance(content, Mapping):
        return f"<pre>{escape(str(content))}</pre>"
    if content and all(isinstance(row, Mapping) for row in content.values()):
        header = list(dict.fromkeys(name for row in content.values() for name in row))
        rows = [[key, *(row.get(n, "") for n in header)] for key, row in content.items()]
        return _rows(["", *header], rows)
    return _rows([], [list(pair) for pair in content.items()])


def _rows(header: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return ""
    head = f"<thead>{_row('th', header)}</thead>" if header else ""
    body = "".join(_row("td", row) for row in rows[:_MOST_ROWS])
    more = f"<p>and {len(rows) - _MOST_ROWS} more rows</p>" if len(rows) > _MOST_ROWS else ""
    return f"<table>{head}<tbody>{body}</tbody></table>{more}"


def _row(tag: str, cells: Iterable[Any]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(_cell(cell))}</{tag}>' for cell in cells)}</tr>"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return str(value)
