"""The ``infoflow`` command."""

from infoflow.cli.app import main

__all__ = ["main"]
