"""Reading a report as a browser does, and refusing what a browser would mend."""

import json
from html.parser import HTMLParser
from urllib.parse import unquote

#: Elements without an end.
VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """Elements, texts by the element that they are in, and tables of a page."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.text = path.read_text(encoding="utf-8")
        self._open, self.elements, self.words, self.tables = [], [], [], []
        self.feed(self.text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice"
        self.elements.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> ends nothing"
        assert self._open.pop() == tag, f"</{tag}> ends another element"

    def handle_data(self, data):
        self.words.append((self._open[-1] if self._open else "", data))
        if {"td", "th"} & set(self._open) and self.tables:
            self.tables[-1][-1][-1] += data

    def of(self, tag):
        """Return the attributes of all elements of a tag."""
        return [attributes for name, attributes in self.elements if name == tag]

    def inside(self, tag):
        """Return what stands directly in elements of a tag."""
        return [data for name, data in self.words if name == tag]

    @property
    def plain(self):
        """All that can be read, with single blanks."""
        hidden = ("script", "style")
        return " ".join(" ".join(d for name, d in self.words if name not in hidden).split())

    @property
    def policy(self):
        (found,) = [a["content"] for a in self.of("meta") if "http-equiv" in a]
        return found

    @property
    def data(self):
        """What the page holds as JSON."""
        kinds = [attributes.get("type") for attributes in self.of("script")]
        texts = self.inside("script")
        assert len(kinds) == len(texts)
        return [json.loads(t) for k, t in zip(kinds, texts, strict=True) if k]

    @property
    def csv(self):
        """The texts of all CSV files, by name."""
        links = [a for a in self.of("a") if a.get("download", "").endswith(".csv")]
        return {a["download"]: unquote(a["href"].partition(",")[2]) for a in links}

    def table(self, title):
        """Return the rows of the first table with a column of this title, as dictionaries.

        Of columns with the same title, the first counts.
        """
        for header, *rows in self.tables:
            if title in header:
                return [{name: row[header.index(name)] for name in header} for row in rows]
        raise AssertionError(f"no table with {title}")
