"""Frames and changes of the playground, in a headless Chromium: ``python -m tests.benchmarks.playground``.

A frame is one step of training, the maps of all units at 128×128 points by one call, and all that is painted. A
change is from the click to the new network's picture; what the server takes of it is said as processor time too.
"""

from __future__ import annotations

import json
import threading
from os import getloadavg
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

from codegen.runtime.linker import linker
from symnn.network import Network
from symnn.report.parts import parts
from symnn.report.playground import playground, spec_of
from symnn.report.server import Server
from tests.browser import Page, browser

FRAMES, WIDTHS = 120, (3, 5, 6, 7, 9)
STATE = (
    "if (document.readyState !== 'complete') await new Promise((done) => addEventListener('load', done));"
    "let held; document.getElementById('play').dispatchEvent(new CustomEvent('state', {detail: (s) => { held = s; }}));"
    "await held.ready;"
)


def frames(page: Page) -> list[float]:
    """Milliseconds of each frame of 2-8-8-8-2 on 240 rows."""
    call = f"for (let k = 0; k < {FRAMES}; k++) times.push(held.frame(128))"
    return [float(time) for time in page.value(f"{STATE} let times = []; {call}; times")]


def changes(page: Page) -> list[float]:
    """Milliseconds from a change of the network to its picture."""
    found = []
    for _ in WIDTHS:
        page.value(
            "const before = document.getElementById('play-tally').dataset.change;"
            "document.querySelector('[aria-label=\"More units in hidden layer 2\"]').click();"
            "await new Promise((done) => { const look = () => document.getElementById('play-tally').dataset.change === "
            "before ? setTimeout(look, 5) : done(); look(); })"
        )
        found.append(float(page.value("document.getElementById('play-tally').dataset.change")))
    return found


def processor() -> list[float]:
    """Milliseconds of processor time that the server takes for networks with three hidden layers."""
    found = []
    for width in WIDTHS:
        network = Network.from_spec(spec_of(2, (8, width, 8), 2))
        start = process_time()
        json.dumps(parts(network))
        found.append(1e3 * (process_time() - start))
    return found


def main() -> None:
    """Print the medians."""
    with TemporaryDirectory() as folder, browser() as page:
        print("frame, three hidden layers of 8, maps of 128×128")
        for fast in [False, True][: 1 + (linker() is not None)]:
            path = Path(folder, f"play{fast}.html")
            path.write_text(playground(webassembly=fast), encoding="utf-8")
            page.send("Page.navigate", url=f"{path.as_uri()}#data=spirals")
            page.value("await new Promise((done) => setTimeout(done, 2000))")
            times, name, size = frames(page), "WebAssembly" if fast else "JavaScript", path.stat().st_size
            print(f"  {name}: median {median(times):.1f} ms, least {min(times):.1f}; the page has {size:,} bytes")
        with Server(playground(server=True, webassembly=linker() is not None)) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            page.send("Page.navigate", url=f"{server.link}#data=spirals&layers={';'.join(['8:tanh'] * 3)}")
            page.value("await new Promise((done) => setTimeout(done, 2000))")
            times = changes(page)
            print(f"change, click to picture: median {median(times):.0f} ms, least {min(times):.0f}")
            server.shutdown()
    times = processor()
    print(f"change, processor time of the server: median {median(times):.0f} ms, least {min(times):.0f}")
    print(f"load {getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
