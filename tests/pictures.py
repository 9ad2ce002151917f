"""The pictures of the documentation, taken of real pages: ``python -m tests.pictures`` where there is a Chromium."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from symnn.network import Network
from symnn.report import report
from symnn.report.playground import playground
from tests.browser import Page, browser

DOCS = Path(__file__).parents[1] / "docs"
WIDTH, HEIGHT = 1120, 900
STEPS, LEARNT = 31, 250
"""Where the worked example stands, and the steps of training that are shown."""


ONE = "[data-live=spirals][data-do=one]"


def section(page: Page, name: str, height: float) -> dict[str, float]:
    """Where a part of the page is."""
    top = page.value(f"document.getElementById('{name}').getBoundingClientRect().top + scrollY")
    return {"x": 0, "y": top + 20, "width": WIDTH, "height": height}


def main() -> None:
    """Take them all."""
    with TemporaryDirectory() as folder, browser() as page:
        xor, play = Path(folder, "xor.html"), Path(folder, "play.html")
        xor.write_text(report(Network.from_spec("examples/xor.yaml"), "Exclusive or"), encoding="utf-8")
        play.write_text(playground(), encoding="utf-8")
        page.open(xor, WIDTH, HEIGHT)
        page.value(f"for (let k = 0; k < {STEPS}; k++) document.querySelector('[data-do=next]').click()")
        page.picture(DOCS / "report.png", section(page, "steps", 975))
        page.open(play, WIDTH, HEIGHT)
        for _ in range(LEARNT // 50):
            page.value(f"for (let k = 0; k < 50; k++) document.querySelector('{ONE}').click()")
        page.picture(DOCS / "playground.png", section(page, "spirals", 765))


if __name__ == "__main__":
    main()
