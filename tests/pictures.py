"""The pictures of the documentation, taken of real pages: ``python -m tests.pictures`` where there is a Chromium."""

from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from symnn.network import Network
from symnn.report import report
from symnn.report.playground import playground
from symnn.report.server import Server
from tests.browser import Page, browser

DOCS = Path(__file__).parents[1] / "docs"
WIDTH, HEIGHT = 1120, 900
STEPS, LEARNT = 31, 450
"""Where the worked example stands, and the steps of training that are shown."""


STILL = "await new Promise((done) => setTimeout(done, 500))"
READY = (
    "let held; document.getElementById('play').dispatchEvent(new CustomEvent('state', {detail: (s) => { held = s; }}));"
    f"await held.ready; {STILL}"
)


def section(page: Page, name: str, height: float) -> dict[str, float]:
    """Where a part of the page is."""
    top = page.value(f"document.getElementById('{name}').getBoundingClientRect().top + scrollY")
    return {"x": 0, "y": top + 20, "width": WIDTH, "height": height}


def main() -> None:
    """Take them all."""
    with TemporaryDirectory() as folder, browser() as page:
        xor = Path(folder, "xor.html")
        xor.write_text(report(Network.from_spec("examples/xor.yaml"), "Exclusive or"), encoding="utf-8")
        page.open(xor, WIDTH, HEIGHT)
        page.value(f"for (let k = 0; k < {STEPS}; k++) document.querySelector('[data-do=next]').click();{STILL}")
        page.picture(DOCS / "report.png", section(page, "steps", 975))
        with Server(playground(server=True)) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            page.open(f"{server.link}#data=spirals&steps={LEARNT}", 1280, HEIGHT)
            page.value(READY)
            top = page.value("document.querySelector('.run').getBoundingClientRect().top + scrollY")
            page.picture(DOCS / "playground.png", {"x": 0, "y": top - 10, "width": 1280, "height": 790})
            server.shutdown()


if __name__ == "__main__":
    main()
