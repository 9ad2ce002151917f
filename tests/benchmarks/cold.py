"""Processor seconds of ``symnn train``, whole processes: ``python -m tests.benchmarks.cold [WIDTH …]``.

A row is a network on digits of another width, trained by the command in three processes: with an empty cache, with one
that has seen other widths alone (what all networks share, such as the function that runs an epoch, is there), and with
one that has seen this width. Beside them are processes that import what the command has imported, and do nothing. All
is user and system time of whole processes as the operating system counts it. The exit status is 1 where the medians
beyond the imports are above the limits.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

COLD, WARM = 1.5, 0.5
"""Seconds beyond the imports, with code to compile and without."""
FIRST = 24
WIDTHS = 13, 31, 37, 43, 52
SPEC = Path(__file__).parents[2] / "examples" / "digits.yaml"
COMMAND = """
import sys
from symnn.__main__ import main
main()
"""
LISTED = """
import atexit, pathlib, sys
from symnn.__main__ import main
def write(place=pathlib.Path(sys.argv.pop(1))):
    place.write_text("\\n".join(n for n, module in sys.modules.items() if getattr(module, "__spec__", None)))
atexit.register(write)
main()
"""
"""The same, and a file with the names of what the process has imported, in the order in which that began."""
IMPORT = """
import gc, importlib, sys
import symnn.cli
gc.set_threshold(100_000, 50)  # as the command has it
for name in open(sys.argv[1]).read().split():
    try:
        importlib.import_module(name)
    except ImportError:  # what some module has put there itself
        pass
"""


def seconds(program: str, *arguments: str, cache: Path) -> float:
    """The processor time of one Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", program, *arguments]
    variables = os.environ | {"SYMNN_CACHE_DIR": str(cache)}
    done = subprocess.run(command, env=variables, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def row(folder: Path, width: int) -> tuple[float, ...]:
    """Imports with and without a compiler, and training with an empty cache, with a new width, and warm."""
    spec, compiler, without = folder / f"{width}.yaml", folder / "compiler", folder / "without"
    spec.write_text(SPEC.read_text().replace("dense: 32", f"dense: {width}"))
    shared, empty = folder / "shared", folder / f"empty {width}"

    def train(cache: Path, program: str = COMMAND, *before: str) -> float:
        with tempfile.TemporaryDirectory(dir=folder) as out:
            return seconds(program, *before, "train", str(spec), "--out", f"{out}/run", cache=cache)

    if not without.exists():
        train(shared, LISTED, str(compiler))
        train(shared, LISTED, str(without))
    imports = [seconds(IMPORT, str(modules), cache=folder) for modules in (compiler, without)]
    return (*imports, train(empty), train(shared), train(shared))


def main(*widths: int) -> int:
    """Print the table."""
    print("| width | imports, s | without the compiler, s | empty cache, s | new width, s | warm, s |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        row(Path(name), FIRST)
        rows = []
        for width in widths or WIDTHS:
            rows.append(row(Path(name), width))
            print(f"| {width} | {' | '.join(f'{taken:.2f}' for taken in rows[-1])} |", flush=True)
    compiler, without, empty, new, warm = medians = [median(column) for column in zip(*rows)]
    print(f"| median | {' | '.join(f'{taken:.2f}' for taken in medians)} |\n")
    print(f"Beyond the imports: {empty - compiler:.2f} s with an empty cache, {new - compiler:.2f} s for a new width,")
    print(f"{warm - without:.2f} s warm; at most {COLD:g} s with code to compile and {WARM:g} s without are expected.")
    return int(max(empty, new) - compiler > COLD or warm - without > WARM)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
