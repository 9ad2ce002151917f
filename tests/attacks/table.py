"""Every attack by its name: so many tries, and what came of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial

from tests.attacks import cache, files, growth, kill, machine, processes, specs
from tests.attacks.outcome import Outcome

ATTACKS: Mapping[str, Callable[[int], Outcome]] = {
    **{name: partial(processes.attack, name) for name in processes.PROGRAMS},
    "data": files.data,
    "weights": files.weights,
    "cache": cache.cache,
    "guard": machine.guard,
    "threads": machine.threads,
    "seeds": machine.seeds,
    "batches": machine.batches,
    "specs": specs.attack,
    "growth": growth.attack,
    **({"kill": kill.kill} if hasattr(os, "fork") else {}),
}


def tried(name: str, tries: int) -> Outcome:
    """What came of so many tries of an attack; a program that ends otherwise than with its answer is a failure."""
    try:
        return ATTACKS[name](tries)
    except RuntimeError as error:
        return Outcome(tries, (str(error),))
