"""Pages look as they did: pictures of them, 10×10 pixels as one, beside those of tests/golden/looks.

A block is another if a colour of it is off by more than :data:`OFF` of 255, and a picture if more than one block in
:data:`BLOCKS` is. A missing curve, a map in other colours or a part that has moved change more, which is tested too.
Other fonts break lines elsewhere: with these, or with another version of Chromium, the tests are skipped.
``pytest --update-golden`` takes them anew.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from symnn.data import Dataset
from symnn.network import Network, dense
from symnn.report import playground, report
from tests.browser import Page, browser, executable
from tests.conftest import GOLDEN

pytestmark = pytest.mark.skipif(executable() is None, reason="there is no Chromium")

SIDE, OFF, BLOCKS = 10, 24, 1000
MADE_BY = "328 374 267 113, Chromium 150"
"""How wide text in 16 pixels of each font of the pages is, and a formula, and the browser, for the pictures kept."""
MEASURED = """
const width = (style, inside) => {
  const probe = document.createElement('span');
  probe.style.cssText = `position: absolute; white-space: nowrap; ${style}`;
  probe.innerHTML = inside;
  document.body.append(probe);
  return Math.round(probe.getBoundingClientRect().width);
};
const text = 'Values flow forward in blue, 0123456789';
const formula = '<math><mi>x</mi><mo>=</mo><mo>∑</mo><msub><mi>w</mi><mn>2</mn></msub><mi>tanh</mi></math>';
const widths = ['text', 'code', 'formula'].map((name) => width(`font: 16px var(--${name})`, text));
const [, version] = navigator.userAgent.match(/Chrome[/]([0-9]+)/);
`${widths.join(' ')} ${width('font-size: 16px', formula)}, Chromium ${version}`
"""
HEIGHT = 900
LOOKS = {
    "report-formulas": ("report.html", "#formulas", 1280, False),
    "report-steps": ("report.html", "#steps", 1280, True),
    "report-check": ("report.html", "#check", 360, False),
    "report-live": ("report.html", "#live", 1920, False),
    "playground": ("play.html", "#play", 1280, False),
    "playground-narrow": ("play.html", ".board", 360, True),
}
"""Of each picture the page, the part of it at the top, the width of the window, and whether it is dark."""

BLOCKED = """
const decoded = async (picture) => {
  const image = new Image();
  image.src = `data:image/png;base64,${picture}`;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
};
const blocked = async (picture, side) => {
  const {data, width, height} = await decoded(picture), found = new ImageData(width/side, height/side);
  const sums = new Float64Array(found.data.length);
  data.forEach((value, k) => {
    const pixel = k >> 2, row = Math.floor(pixel/width/side), column = Math.floor(pixel % width/side);
    sums[4*(row*found.width + column) + k % 4] += value/side**2;
  });
  found.data.set(sums);
  return found;
};
"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, Path]]:
    folder = tmp_path_factory.mktemp("looks")
    x = np.random.default_rng(0).normal(size=(80, 2))
    data = Dataset.from_arrays(x, np.where(x[:, 0] * x[:, 1] > 0, "same", "other"), task="classification")
    network = Network(2, (dense(2, "tanh"), dense(2)), "softmax_cross_entropy")
    with patch.multiple("symnn.report.counts", DEPTHS=(1, 2), WIDTHS=(1, 2)):
        (folder / "report.html").write_text(report(network, "Looks", dataset=data), encoding="utf-8")
    playground.embedded.cache_clear()
    with patch.multiple(playground, PRESETS={"circle": playground.PRESETS["circle"]}, CAPACITY=(2,)):
        (folder / "play.html").write_text(playground.playground(), encoding="utf-8")
    playground.embedded.cache_clear()
    with browser() as page:
        page.open(folder / "report.html")
        if (found := page.value(MEASURED)) != MADE_BY:
            pytest.skip(f"widths of text: {found}; of the pictures that are kept: {MADE_BY}")
        yield page, folder


def seen(window: tuple[Page, Path], name: str, change: str = "") -> str:
    """What the window shows of a part, after a change and when nothing moves any more, as PNG in base64."""
    (page, folder), (file, part, width, dark) = window, LOOKS[name]
    page.open("about:blank#")
    page.open(folder / file, width, HEIGHT, dark)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    page.send("Emulation.setEmulatedMedia", features=[scheme, {"name": "prefers-reduced-motion", "value": "reduce"}])
    page.value(
        "if (document.getElementById('play')) { let held; document.getElementById('play').dispatchEvent("
        "new CustomEvent('state', {detail: (s) => { held = s; }})); await held.ready;"
        " for (let k = 0; k < 60; k++) document.querySelector('[data-play=one]').click(); }"
        "else { for (let k = 0; k < 12; k++) document.querySelector('[data-do=next]').click();"
        " for (let k = 0; k < 60; k++) document.querySelector('[data-live=live][data-do=one]').click(); }"
        f"{change}; document.querySelector('{part}').scrollIntoView({{behavior: 'instant'}})"
    )
    pictures = [""]
    while len(pictures) < 10 and pictures[-2:] != [pictures[-1]] * 2:
        page.value("await new Promise((done) => setTimeout(done, 150))")
        pictures.append(str(page.send("Page.captureScreenshot", format="png")["data"]))
    return pictures[-1]


def reduced(page: Page, picture: str) -> bytes:
    """The blocks of a picture as PNG."""
    found = page.value(
        f"{BLOCKED} const blocks = await blocked('{picture}', {SIDE});"
        "const canvas = document.createElement('canvas'); canvas.width = blocks.width; canvas.height = blocks.height;"
        "canvas.getContext('2d').putImageData(blocks, 0, 0); canvas.toDataURL().split(',')[1]"
    )
    return base64.b64decode(found)


def others(page: Page, name: str, picture: str) -> float:
    """The share of blocks that are others than those that are kept."""
    kept = base64.b64encode((GOLDEN / "looks" / f"{name}.png").read_bytes()).decode()
    return float(
        page.value(
            f"{BLOCKED} const {{data}} = await blocked('{picture}', {SIDE}), kept = (await decoded('{kept}')).data;"
            "let count = 0; for (let k = 0; k < data.length; k += 4) "
            f"count += [k, k + 1, k + 2].some((c) => Math.abs(data[c] - kept[c]) > {OFF}); 4*count/data.length"
        )
    )


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in ("report-live", "playground-narrow") else n for n in LOOKS]
)
def test_pages_look_as_they_did(window: tuple[Page, Path], name: str, request: pytest.FixtureRequest) -> None:
    picture = seen(window, name)
    if request.config.getoption("--update-golden"):
        (GOLDEN / "looks" / f"{name}.png").write_bytes(reduced(window[0], picture))
    assert others(window[0], name, picture) <= 1 / BLOCKS


CHANGES = {
    "a curve is missing": ("report-check", "document.querySelector('#check .series').remove()"),
    "a part has moved": ("report-formulas", "document.querySelector('#formulas .lead').style.marginBottom = '60px'"),
    "a step is not shown": ("report-steps", "document.querySelector('[data-do=first]').click()"),
    "a map has other colours": (
        "playground",
        "const c = document.getElementById('play-map').getContext('2d');"
        "c.globalCompositeOperation = 'hue'; c.fillStyle = 'green'; c.fillRect(0, 0, 512, 512)",
    ),
    "a map is empty": ("playground-narrow", "document.getElementById('play-network').width = 760"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", CHANGES)
def test_what_looks_otherwise_is_seen(window: tuple[Page, Path], what: str) -> None:
    name, change = CHANGES[what]
    found = others(window[0], name, seen(window, name, change))
    assert found > 1 / BLOCKS
