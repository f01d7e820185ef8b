"""Figures of :mod:`infoflow.plots`, drawn for a page."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from infoflow.reports.content import Picture
from infoflow.reports.svg import SETTINGS, Styles, drawing

#: A page looks the same whatever the user's style is; what draws windows stays as it is.
_PLAIN = {
    name: value for name, value in mpl.rcParamsDefault.items() if not name.startswith("backend")
}


@dataclass
class Gallery:
    """Draws the figures of one page, which share their styles."""

    styles: Styles = field(default_factory=Styles)
    count: int = 0

    def draw(
        self,
        make: Callable[[], Axes | Figure],
        *,
        caption: str,
        alt: str,
    ) -> Picture:
        """Return what ``make`` draws on a new figure, and close it."""
        self.count += 1
        name = f"figure-{self.count}"
        open_before = set(plt.get_fignums())
        with mpl.rc_context({**_PLAIN, **SETTINGS}), warnings.catch_warnings():
            # text stays text, for which the reader's fonts are used
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            try:
                made = make()
                figure = made if isinstance(made, Figure) else made.get_figure(root=True)
                assert figure is not None
                found = drawing(figure, name, self.styles)
            finally:
                for number in set(plt.get_fignums()) - open_before:
                    plt.close(number)
        return Picture(name, found.svg, found.width, found.height, caption, alt)
