"""Frames and changes of pages that learn, in a headless Chromium: ``python -m tests.benchmarks.playground``.

Frames are those of a training that runs, with the maps of all units at 128×128 points, in the playground and in the
page of a report: how many come in a second, how long after each other, and how much processor time the thread of the
page takes for one, painting by the browser included. A change is from the click to the new network's picture, after
pauses in which the server may be at work on WebAssembly; what the server takes of it is said as processor time too.
Opening is until the first picture, and how far anything moves afterwards. On a machine that others use, browser and
server need priority: ``chrt -f 5 python -m tests.benchmarks.playground``.
"""

from __future__ import annotations

import json
import threading
from os import getloadavg
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np

from codegen.runtime.linker import linker
from symnn.data import Dataset
from symnn.network import Network
from symnn.report import report
from symnn.report.parts import parts
from symnn.report.playground import playground, spec_of
from symnn.report.server import Server
from tests.browser import Page, browser

FRAMES, WIDTHS, PAUSES = 300, (3, 5, 6, 7, 9), range(0, 1300, 100)
STATE = (
    "if (document.readyState !== 'complete') await new Promise((done) => addEventListener('load', done));"
    "let held; document.getElementById('play').dispatchEvent(new CustomEvent('state', {detail: (s) => { held = s; }}));"
    "await held.ready;"
)


def frames(page: Page, learn: str) -> str:
    """How the frames of a training come that a button begins and ends."""

    def spent() -> float:
        found = page.send("Performance.getMetrics")["metrics"]
        return 1e3 * next(float(row["value"]) for row in found if row["name"] == "TaskDuration")

    page.send("Performance.enable", timeDomain="threadTicks")
    start = spent()
    times = page.value(
        f"const learn = document.querySelector('{learn}'), at = []; learn.scrollIntoView({{behavior: 'instant'}});"
        "learn.click(); await new Promise((done) => { const look = (now) => { at.push(now); "
        f"at.length <= {FRAMES} ? requestAnimationFrame(look) : done(); }}; requestAnimationFrame(look); }});"
        "learn.click(); at.slice(1).map((now, k) => now - at[k])"
    )
    took = (spent() - start) / FRAMES
    return (
        f"{1e3 * len(times) / sum(times):.1f} in a second, {median(times):.1f} ms after each other "
        f"({quantiles(times, n=20)[-1]:.1f} the slowest twentieth), processor time {took:.1f} ms"
    )


def changes(page: Page) -> list[float]:
    """Milliseconds from a change of the network to its picture, after each pause."""
    found = []
    for pause in PAUSES:
        page.value(
            f"await new Promise((done) => setTimeout(done, {pause}));"
            "const tally = document.getElementById('play-tally'); delete tally.dataset.change;"
            "document.querySelector('[aria-label=\"More units in hidden layer 2\"]').click();"
            "while (!tally.dataset.change) await new Promise((done) => setTimeout(done, 5))"
        )
        found.append(float(page.value("document.getElementById('play-tally').dataset.change")))
    return found


def opening(page: Page) -> str:
    """When the first picture of what is open was there, and how far its parts moved."""
    first, moved = page.value(
        "const shifts = await new Promise((done) => { new PerformanceObserver((list) => done(list.getEntries()))"
        ".observe({type: 'layout-shift', buffered: true}); setTimeout(() => done([]), 500); });"
        "[performance.getEntriesByName('first-contentful-paint')[0].startTime, "
        "shifts.reduce((sum, shift) => sum + (shift.hadRecentInput ? 0 : shift.value), 0)]"
    )
    return f"first picture after {first:.0f} ms, layout shift {moved:.4f}"


def processor() -> list[float]:
    """Milliseconds of processor time that the server takes for networks with three hidden layers."""
    found = []
    for width in WIDTHS:
        network = Network.from_spec(spec_of(2, (8, width, 8), 2))
        start = process_time()
        json.dumps(parts(network))
        found.append(1e3 * (process_time() - start))
    return found


def spirals() -> Dataset:
    """Two spirals of 240 rows, for the page of a report."""
    kinds = np.arange(240) % 2
    turn = np.sqrt(0.02 + 0.98 * np.random.default_rng(0).random(240)) * 2.6 * np.pi
    x = (turn / 8.5 * np.array([np.cos(turn + np.pi * kinds), np.sin(turn + np.pi * kinds)])).T
    return Dataset.from_arrays(x, np.where(kinds, "a", "b"), task="classification")


def main() -> None:
    """Print all of it."""
    with TemporaryDirectory() as folder, browser() as page:
        page.size(1280, 900)

        def opened(name: str, text: str, fragment: str = "") -> str:
            path = Path(folder, name)
            path.write_text(text, encoding="utf-8")
            page.send("Page.navigate", url=f"{path.as_uri()}{fragment}")
            page.value("await new Promise((done) => setTimeout(done, 2000))")
            return f"{path.stat().st_size:,} bytes, {opening(page)}"

        print("three hidden layers of 8, maps of 128×128")
        for fast in [False, True][: 1 + (linker() is not None)]:
            said = opened(f"play{fast}.html", playground(webassembly=fast), "#data=spirals")
            page.value(f"{STATE} 0")
            print(f"playground, {'WebAssembly' if fast else 'JavaScript'}: {said}")
            print(f"  frames: {frames(page, '[data-play=learn]')}")
            assert page.value("document.getElementById('play-tally').dataset.side") == "128", "maps have fewer points"
        said = opened("report.html", report(Network.from_spec(spec_of(2, (8, 8, 8), 2)), "Spirals", dataset=spirals()))
        print(f"report: {said}\n  frames: {frames(page, '[data-live=live][data-do=learn]')}")
        with Server(playground(server=True, webassembly=linker() is not None)) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            page.send("Page.navigate", url=f"{server.link}#data=spirals&layers={';'.join(['8:tanh'] * 3)}")
            page.value("await new Promise((done) => setTimeout(done, 2000))")
            times = changes(page)
            print(f"change, click to picture: median {median(times):.0f} ms, from {min(times):.0f} to {max(times):.0f}")
            server.shutdown()
    times = processor()
    print(f"change, processor time of the server: median {median(times):.0f} ms, least {min(times):.0f}")
    print(f"load {getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
