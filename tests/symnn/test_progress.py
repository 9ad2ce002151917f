"""Progress: where it is shown, how often, and that what is short shows nothing."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from symnn import progress
from symnn.progress import Display, Lines, Report, reporting


class Terminal(io.StringIO):
    """Standard error of somebody who looks on."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that goes on by a second whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "perf_counter", Clock())
    monkeypatch.setenv("TERM", "xterm")


def steps(report: Report, count: int = 60) -> None:
    for step in range(1, count + 1):
        report(step / count, lambda: f"step {step}/{count}")  # noqa: B023 - called at once


def test_a_file_or_pipe_gets_a_line_every_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", pipe := io.StringIO())
    with reporting() as report:
        steps(report)
    lines = pipe.getvalue().splitlines()
    assert 60 / (Lines.seconds + 3) <= len(lines) <= 60 / Lines.seconds
    assert lines[0].startswith("step 5/60  8%, ")
    assert lines[0].endswith(" s left")
    assert "\x1b" not in pipe.getvalue()


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with reporting() as report:
        steps(report)
    assert "step 30/60" in terminal.getvalue()
    assert terminal.getvalue().split("step ")[-1].startswith("60/60 ")
    assert terminal.getvalue().endswith("\n\x1b[?25h")  # the cursor is shown again


def test_an_error_leaves_the_bar_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())

    def fail() -> None:
        with reporting() as report:
            steps(report, 20)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert terminal.getvalue().endswith("\n\x1b[?25h")


class Handle:
    """What IPython gives for a display that may change."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def update(self, data: dict[str, str], raw: bool) -> None:
        assert raw
        self.shown.append(data)


def notebook(monkeypatch: pytest.MonkeyPatch, **members: Any) -> Handle:
    """Act as if there were an IPython shell with these members."""
    handle, ipython, display = Handle(), ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(**members)  # type: ignore[attr-defined]
    display.display = lambda data, raw, display_id: handle  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return handle


def test_a_notebook_gets_a_bar_below_its_cell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handle = notebook(monkeypatch, kernel=object())
    with reporting() as report:
        report(0.5, lambda: "loss < 1")
        report(0.75, lambda: "loss < 0.5")
    assert handle.shown[0] == {
        "text/plain": "loss < 1  50%",
        "text/html": '<progress value="0.5000" max="1"></progress> <code>loss &lt; 1</code>',
    }
    assert handle.shown[-1]["text/plain"] == "loss < 0.5  75%"
    assert capsys.readouterr() == ("", "")


def test_ipython_on_a_terminal_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    notebook(monkeypatch)
    with reporting() as report:
        steps(report)
    assert "━" in terminal.getvalue()


@pytest.mark.parametrize("stderr", [io.StringIO(), Terminal(), None])
def test_what_is_not_wanted_or_has_no_place_is_not_shown(stderr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    with reporting(None if stderr is None else False) as report:
        steps(report)
    assert stderr is None or stderr.getvalue() == ""


def test_a_text_is_made_when_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Paper(Display):
        seconds = 10.0

        def draw(self, done: float, text: str) -> None:
            shown.append(text)

        end = draw

    made: list[str] = []
    monkeypatch.setattr(progress, "_display", lambda: Paper)
    with reporting() as report:
        for step in range(100):
            report(step / 100, lambda: made.append(f"{step}") or f"{step}")  # type: ignore[func-returns-value] # noqa: B023
    assert shown == made
    assert 8 <= len(shown) <= 11
    assert shown[-1] == "99"


def test_whoever_no_longer_looks_on_does_not_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    pipe = open(writing, "w", buffering=1)  # noqa: SIM115 - closed below
    monkeypatch.setattr(sys, "stderr", pipe)
    with reporting() as report:
        steps(report)
    with contextlib.suppress(BrokenPipeError):
        pipe.close()
