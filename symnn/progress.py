"""How far a run is: a bar on a terminal, one in a notebook, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from time import perf_counter
from typing import ClassVar, TypeAlias

Report: TypeAlias = Callable[[float, Callable[[], str]], None]
"""``report(done, text)``: how far it is, from 0 to 1, and what gives a text if it is to be shown now."""


@contextmanager
def reporting(shown: bool | None = None) -> Iterator[Report]:
    """What a run calls as often as it likes; it shows itself on standard error, if at all, now and then.

    shown: False shows nothing. What takes less than a moment shows nothing either, and pays for nothing.

    >>> with reporting() as report:
    ...     for step in range(10):
    ...         report(step / 10, lambda: f"step {step} of 10")
    """
    display = None if shown is False else _display()
    if display is None:
        yield lambda done, text: None
        return
    teller = _Teller(display)
    try:
        yield teller.tell
    finally:
        teller.end()


class Display(ABC):
    """A place where progress is shown, made when there is something to show."""

    seconds: ClassVar[float]
    """The least time between two drawings."""

    @abstractmethod
    def draw(self, done: float, text: str) -> None:
        """Show how far it is."""

    @abstractmethod
    def end(self, done: float, text: str) -> None:
        """Show how far it came."""


class _Teller:
    """Draws when it is told something, unless it did so a moment ago."""

    def __init__(self, display: type[Display]) -> None:
        self._class = display
        self._display: Display | None = None
        self._last: tuple[float, Callable[[], str]] = (0.0, str)
        self._next = perf_counter() + display.seconds

    def tell(self, done: float, text: Callable[[], str]) -> None:
        self._last = done, text
        if perf_counter() >= self._next:
            self._display = self._display or self._class()
            try:
                self._display.draw(done, text())
            except BrokenPipeError:  # nobody looks on any more, which is no reason to end the run
                self._next = inf
                return
            self._next = perf_counter() + self._class.seconds

    def end(self) -> None:
        if self._display is not None:
            done, text = self._last
            self._display.end(done, text())


class Bar(Display):
    """A bar on a terminal.

    Rich would redraw from a thread of its own, and be told of every step under a lock: 10 µs, which is as long as a
    step of a small network takes.
    """

    seconds = 0.1

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        # 80 columns hold the longest text of a training, the bar and the time.
        columns = TextColumn("{task.description}", markup=False), BarColumn(bar_width=10), TimeRemainingColumn()
        self._bar = Progress(*columns, console=Console(stderr=True), auto_refresh=False)
        self._task = self._bar.add_task("", total=1.0)
        self._bar.start()

    def draw(self, done: float, text: str) -> None:
        """Draw the bar in the place of the one before."""
        self._bar.update(self._task, completed=done, description=text, refresh=True)

    def end(self, done: float, text: str) -> None:
        """Leave the bar as it is at the end."""
        self._bar.update(self._task, completed=done, description=text)
        self._bar.stop()


class Lines(Display):
    """Lines in a file or a pipe."""

    seconds = 5.0

    def __init__(self) -> None:
        self._started = perf_counter() - self.seconds

    def draw(self, done: float, text: str) -> None:
        """Write a line, with the time that is left if it goes on like this."""
        left = (perf_counter() - self._started) * (1 / done - 1) if done else 0.0
        print(f"{text}  {done:.0%}" + (f", {left:,.0f} s left" if left else ""), file=sys.stderr, flush=True)

    def end(self, done: float, text: str) -> None:
        """Whoever ran it says how it ended."""


class Notebook(Display):
    """A bar below the cell of a notebook: that of HTML, which needs no widgets."""

    seconds = 0.25

    def __init__(self) -> None:
        from IPython.display import display

        self._handle = display({"text/plain": ""}, raw=True, display_id=True)

    def draw(self, done: float, text: str) -> None:
        """Put the bar in the place of the one before."""
        from html import escape

        bar = f'<progress value="{done:.4f}" max="1"></progress> <code>{escape(text)}</code>'
        self._handle.update({"text/plain": f"{text}  {done:.0%}", "text/html": bar}, raw=True)

    end = draw


def _display() -> type[Display] | None:
    """What fits where standard error goes."""
    if _in_notebook():
        return Notebook
    if sys.stderr is None:  # a Windows program without a console
        return None
    return Bar if sys.stderr.isatty() else Lines


def _in_notebook() -> bool:
    """Whether there is an IPython that has a kernel, as those of notebooks do and those of terminals do not."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")
