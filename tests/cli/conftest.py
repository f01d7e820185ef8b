"""The command in this process, and a file with nets to give it."""

import sys
import textwrap

import pytest

from infoflow.cli.app import main


@pytest.fixture
def infoflow_command(monkeypatch, capsys):
    """Run the command in this process; return its exit code, output and errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["infoflow", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(
        textwrap.dedent(
            """
            import torch
            from infoflow.testing import UNet, blob_images

            def make():
                return UNet(base_channels=2)

            def deep(channels, *, width=1):
                return UNet(base_channels=channels * width)

            def wrong():
                return 3

            def fails():
                raise RuntimeError("no such file")

            def data():
                images, masks = blob_images(12, size=16)
                return [(images[:7], masks[:7]), (images[7:], masks[7:])]
            """
        )
    )
    return path
