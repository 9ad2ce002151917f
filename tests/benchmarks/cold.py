"""Processor seconds of ``symnn train`` beyond its imports: ``python -m tests.benchmarks.cold [WIDTH …]``.

A row is a network on digits of a width that the cache has not seen, in a process of its own, and then in another one.
What all networks share, the function that runs an epoch, is in the cache before. The exit status is 1 where the
shortest of the rows is above the limits.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLD, WARM = 1.5, 0.5
"""Seconds."""
FIRST = 24
WIDTHS = 31, 37, 43, 52
SPEC = Path(__file__).parents[2] / "examples" / "digits.yaml"
MODULES = "modules"


def seconds(directory: Path, width: int) -> float:
    """Of one process, beyond the imports of the modules that are listed in the directory."""
    spec = directory / f"{width}.yaml"
    spec.write_text(SPEC.read_text().replace("dense: 32", f"dense: {width}"))
    command = [sys.executable, "-m", "tests.benchmarks.cold", str(directory), str(spec)]
    variables = os.environ | {"SYMNN_CACHE_DIR": str(directory / "cache")}
    done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def train(directory: Path, spec: str) -> None:
    """Import what the list says, train, leave the list of what has been imported, print the seconds."""
    listed = directory / MODULES
    for name in listed.read_text().split() if listed.exists() else ():
        importlib.import_module(name)
    from symnn.cli import app

    begun = time.process_time()
    app(["train", spec], standalone_mode=False)
    taken = time.process_time() - begun
    found = [name for name, module in sys.modules.items() if getattr(module, "__spec__", None) is not None]
    listed.write_text("\n".join(name for name in found if importlib.util.find_spec(name) is not None))
    print(taken)


def main(*widths: int) -> int:
    """Print the table."""
    rows = []
    print("| width | cold, s | warm, s |")
    print("| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        seconds(Path(name), FIRST)
        for width in widths or WIDTHS:
            rows.append((seconds(Path(name), width), seconds(Path(name), width)))
            print(f"| {width} | {rows[-1][0]:.2f} | {rows[-1][1]:.2f} |", flush=True)
    cold, warm = map(min, zip(*rows))
    print(f"\nThe shortest take {cold:.2f} s and {warm:.2f} s; at most {COLD:g} s and {WARM:g} s are expected.")
    return int(cold > COLD or warm > WARM)


if __name__ == "__main__":
    first, *rest = sys.argv[1:] or ("",)
    if rest and not first.isdecimal():
        train(Path(first), *rest)
    else:
        sys.exit(main(*map(int, sys.argv[1:])))
