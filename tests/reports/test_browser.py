"""A report in a real browser: nothing complains, nothing is asked for, everything works."""

import json

import pytest
import torch

import infoflow
from infoflow.testing import UNet, blob_images
from tests.reports import browser

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(
        browser.find() is None, reason="needs Chromium, such as apt-get install chromium"
    ),
]

#: Of the first table, what its second column (after sorting) and the state of its heads are.
COLUMN = """(() => { const table = document.querySelector("#information table.sorts");
  return [...table.tBodies[0].rows].map((row) => row.cells[2].textContent); })()"""
STATES = """[...document.querySelectorAll("#information table.sorts th")].map(
  (head) => head.getAttribute("aria-sort"))"""
#: Elements that stand out of the page and are not within something that scrolls.
OUTSIDE = """[...document.body.querySelectorAll("*")].filter((one) => {
  const box = one.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !one.closest(".scroll") &&
    !one.closest(".jump"); }).map((one) => one.tagName)"""


class Named(torch.nn.Module):
    """A U-Net inside a layer that is called <script>."""

    def __init__(self):
        super().__init__()
        self.add_module("<script>alert(1)</script>", UNet(base_channels=2))

    def forward(self, x):
        (net,) = self.children()
        return net(x)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    torch.manual_seed(0)
    images, masks = blob_images(24, size=16, seed=0)
    flow = infoflow.analyze(
        Named(), [(images, masks)], target=infoflow.KMeans(4), noise=0.1, progress=False
    )
    return infoflow.report(flow, tmp_path_factory.mktemp("report") / "page.html", title="A net")


@pytest.fixture(scope="module")
def chromium():
    with browser.started(browser.find()) as found:
        yield found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_is_asked_for_complained_of_or_overflows(chromium, path, width, scheme):
    chromium.show(path, width=width, scheme=scheme)
    chromium.run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert chromium.run(OUTSIDE) == []
    assert chromium.run("document.documentElement.scrollWidth <= innerWidth")
    assert chromium.run("document.title") == "A net"
    assert chromium.requests == [path.resolve().as_uri()]
    assert chromium.complaints == []


def contrast(one, other):
    """Return the ratio of WCAG 2.2 for two colours such as ``rgb(1, 2, 3)``."""

    def light(colour):
        parts = [int(p) / 255 for p in colour.partition("(")[2].rstrip(")").split(",")[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_in_both_schemes(chromium, path, scheme):
    chromium.show(path, scheme=scheme)
    ground = chromium.run("getComputedStyle(document.body).backgroundColor")
    is_dark = contrast(ground, "rgb(0, 0, 0)") < contrast(ground, "rgb(255, 255, 255)")
    assert is_dark == (scheme == "dark")
    for what in ("p", "figcaption", "caption", "a", "summary", "dt"):
        colour = chromium.run(
            f'getComputedStyle(document.querySelector("{what}:not(.jump)")).color'
        )
        assert contrast(ground, colour) >= 4.5, what
    filters = chromium.run('getComputedStyle(document.querySelector("figure svg")).filter')
    assert ("invert" in filters) == (scheme == "dark")


def test_a_table_sorts_by_its_numbers_from_the_keyboard(chromium, path):
    chromium.show(path)
    before = chromium.run(COLUMN)
    chromium.run('document.querySelectorAll("#information table.sorts th button")[2].focus()')
    chromium.press("Enter", 13)
    rising = chromium.run(COLUMN)
    assert rising == sorted(before, key=float)
    assert chromium.run(STATES)[2] == "ascending"
    chromium.press("Enter", 13)
    assert [float(text) for text in chromium.run(COLUMN)] == sorted(
        map(float, before), reverse=True
    )
    assert [state for state in chromium.run(STATES) if state] == ["descending"]


def test_the_whole_page_can_be_read_without_scripts(chromium, path):
    chromium.show(path, scripts=False)
    chromium.send("Emulation.setScriptExecutionDisabled", value=False)
    assert chromium.run('document.querySelectorAll("button").length') == 0
    assert chromium.run('document.querySelectorAll("a.json:not([hidden])").length') == 0
    assert len(chromium.run(COLUMN)) == 23
    assert chromium.complaints == []


def test_the_numbers_can_be_taken_along(chromium, path):
    chromium.show(path)
    text = chromium.run("document.querySelector('#information script.data').textContent")
    assert len(json.loads(text)["columns"]["layer"]) == 23
    csv = "document.querySelector('#information a[download$=\".csv\"]')"
    assert chromium.run(f"decodeURIComponent({csv}.href).split('\\n').length") == 25
    chromium.run("document.querySelector('#information a.json').click()")
    assert chromium.run("document.querySelector('#information a.json').href").startswith("blob:")
    assert chromium.complaints == []


def test_a_figure_that_does_not_fit_scrolls_by_itself(chromium, path):
    chromium.show(path, width=360)
    sizes = (
        "[...document.querySelectorAll('figure .scroll')].map((b) => b.scrollWidth - b.clientWidth)"
    )
    assert max(chromium.run(sizes)) > 0
    assert chromium.run("[...document.querySelectorAll('.scroll')].every((b) => b.tabIndex === 0)")


def test_it_prints_on_pages(chromium, path):
    chromium.show(path)
    assert len(chromium.send("Page.printToPDF")["data"]) > 10_000
    chromium.show(path, media="print", scheme="dark")
    ground = chromium.run("getComputedStyle(document.body).backgroundColor")
    assert contrast(ground, "rgb(255, 255, 255)") < 1.1
