"""One self-contained page from any of our results."""

from infoflow.reports.report import report

__all__ = ["report"]
