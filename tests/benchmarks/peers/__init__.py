"""Who is timed. Each peer is a file with a function ``problem -> Prepared``, and a row of the table below.

A peer's file imports its library when it is imported itself, so that a missing library is an ImportError of the row.
Each is given what suits it best: data in its own arrays beforehand, buffers bound once where it can bind them.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.cases import TOLERANCE, Problem, Result, difference, reference


class LeftOut(Exception):  # noqa: N818  (nothing is wrong)
    """A peer does not apply to a case; says why."""


class WrongResult(Exception):  # noqa: N818
    """A peer's loss or gradient is not the reference's."""


@dataclass(frozen=True)
class Prepared:
    """``call()`` is what is timed; ``read`` makes loss and gradient of what it returned."""

    call: Callable[[], Any]
    read: Callable[[Any], Result]
    schedule: str = ""
    """How it is computed, where that is a choice."""
    code_seconds: float | None = None
    """The part of the preparation that compiled the machine code or loaded it, where it is known."""


@dataclass(frozen=True)
class Peer:
    """A row: its name, its file and function in this package, and the distribution that it needs."""

    name: str
    module: str
    builder: str
    distribution: str
    ours: bool = False

    def load(self) -> Any:
        """The peer's module; raises :class:`LeftOut` if its library is not installed."""
        try:
            return importlib.import_module(f"{__name__}.{self.module}")
        except ModuleNotFoundError as error:
            if self.ours:
                raise
            raise LeftOut(f"{error.name} is not installed") from None

    def prepare(self, problem: Problem) -> tuple[Prepared, float]:
        """What to time, its result found right, and the seconds from the formula to the first result.

        Raises :class:`LeftOut` if the peer is not installed or does not apply, :class:`WrongResult` if loss or gradient
        differ from the reference.
        """
        builder: Callable[[Problem], Prepared] = getattr(self.load(), self.builder)
        started = time.perf_counter()
        prepared = builder(problem)
        returned = prepared.call()
        seconds = time.perf_counter() - started
        found = difference(prepared.read(returned), reference(problem))
        if not found <= TOLERANCE[problem.dtype]:
            raise WrongResult(f"differs by {found:.1e}, allowed {TOLERANCE[problem.dtype]:.0e}: not timed")
        return prepared, seconds


_TABLE = (
    Peer("symnn", "ours", "called", "numba", ours=True),
    Peer("bound", "ours", "bound", "numba", ours=True),
    Peer("NumPy", "by_hand", "buffered", "numpy"),
    Peer("JAX", "jax_jit", "jitted", "jax"),
    Peer("PyTorch", "pytorch", "eager", "torch"),
    Peer("torch.compile", "pytorch", "compiled", "torch"),
    Peer("PyTensor", "pytensor_numba", "compiled", "pytensor"),
    Peer("CasADi", "casadi_c", "compiled", "casadi"),
    Peer("heyoka", "heyoka_batch", "batch", "heyoka"),
)

PEERS: dict[str, Peer] = {peer.name: peer for peer in _TABLE}
"""Every peer by name; the first two are this project's own calls."""

PACKED_PARAMETERS = 1000
"""JAX and PyTensor take up to this many parameters as one vector, more of them as one array each: arguments cost a few
microseconds, slices and the joined gradient cost copies."""
