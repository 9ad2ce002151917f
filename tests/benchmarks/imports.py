"""What importing costs: ``python -m tests.benchmarks.imports``.

A row is a process of its own: milliseconds of ``import symnn``, and of everything that its public names need, both
beyond NumPy, Numba and SymPy, which are there already. The exit status is 1 where the least of ``import symnn`` is more
than :data:`LIMIT`.
"""

from __future__ import annotations

import subprocess
import sys

LIMIT = 250.0
PROCESSES = 5
PROGRAM = """
import time
import numpy, numba, sympy
begun = time.perf_counter()
import symnn
imported = time.perf_counter()
for name in symnn.__all__:
    getattr(symnn, name)
print(1e3 * (imported - begun), 1e3 * (time.perf_counter() - begun))
"""


def measured() -> tuple[float, float]:
    """Milliseconds of one process: the name alone, all that is in it."""
    printed = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout
    alone, everything = map(float, printed.split())
    return alone, everything


def main() -> int:
    """Print the table."""
    rows = [measured() for _ in range(PROCESSES)]
    print("| import symnn, ms | and all its names, ms |")
    print("| --- | --- |")
    for alone, everything in rows:
        print(f"| {alone:.2f} | {everything:.0f} |")
    least = min(alone for alone, _ in rows)
    print(f"\nThe least is {least:.2f} ms; at most {LIMIT:g} are expected.")
    return int(least > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
