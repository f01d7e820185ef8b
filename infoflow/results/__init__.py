"""What every result can do: a labelled dataset, a tidy frame, a file, joining, a notebook page."""

from infoflow.results.base import Result
from infoflow.results.facts import Fact
from infoflow.results.files import load
from infoflow.results.joining import concat
from infoflow.results.table import Table

__all__ = ["Fact", "Result", "Table", "concat", "load"]
