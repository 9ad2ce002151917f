"""Loss and gradient of small and medium networks beside the peers: ``python -m tests.benchmarks`` (``make bench``).

Quote ratios: absolute times belong to the machine and the moment.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks import machine

QUICK = {"cases": "A,B,D", "dtypes": "float64", "seconds": 0.2, "startup": "ours"}
FULL = {"cases": "", "dtypes": "float64,float32", "seconds": 2.0, "startup": "all"}


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; whatever is not said is as ``--quick`` or a full run has it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--cases", help="names, with commas between them; all unless given")
    parser.add_argument("--peers", default="", help="names, with commas between them; all unless given")
    parser.add_argument("--dtypes", help="float64, float32 or both")
    parser.add_argument("--threads", type=int, default=1, help="how many each may use (1)")
    parser.add_argument("--seconds", type=float, help="about how long each case is timed (2)")
    parser.add_argument("--startup", choices=["all", "ours", "none"], help="whose cold and warm starts are timed")
    parser.add_argument("--against", metavar="REVISION", help="our own code of another revision instead of the peers'")
    parser.add_argument("--quick", action="store_true", help="three cases, one dtype, short")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="where the tables go (build/bench)")
    found = parser.parse_args(arguments)
    for name, value in (QUICK if found.quick else FULL).items():
        if getattr(found, name) is None:
            setattr(found, name, value)
    if found.threads < 1:
        parser.error(f"--threads: found {found.threads}, expected at least 1")
    return found


def chosen(given: str, names: Sequence[str], option: str) -> list[str]:
    """The names of a list with commas, in any case; all names if it is empty."""
    known = {name.lower(): name for name in names}
    wanted = [part.strip().lower() for part in given.split(",") if part.strip()]
    if unknown := [part for part in wanted if part not in known]:
        sys.exit(f"{option}: found {', '.join(unknown)}, expected some of {', '.join(names)}")
    return [known[part] for part in wanted] or list(names)


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """Measure, print and write; the exit status is 1 if anybody failed or was wrong."""
    found = options(arguments)
    if found.against:
        from tests.benchmarks import beside

        beside.main([found.against, "--cases", found.cases or beside.CASES, "--seconds", str(found.seconds)])
        return 0
    with tempfile.TemporaryDirectory() as caches:
        machine.prepare(found.threads, caches)
        from tests.benchmarks import measure, rendering
        from tests.benchmarks.cases import CASES, TOLERANCE
        from tests.benchmarks.peers import PEERS

        others = [name for name, peer in PEERS.items() if not peer.ours]
        selected = set(chosen(found.peers, others, "--peers"))
        peers = [peer for name, peer in PEERS.items() if peer.ours or name in selected]
        cases = [CASES[name] for name in chosen(found.cases, list(CASES), "--cases")]
        dtypes = chosen(found.dtypes, list(TOLERANCE), "--dtypes")
        run = measure.Run(machine.described(dict.fromkeys(p.distribution for p in peers)), found.threads)
        measure.measure_calls(run, cases, dtypes, peers, found.seconds, say)
        starting = [peer for peer in peers if found.startup == "all" or peer.ours]
        if found.startup != "none":
            measure.measure_startups(run, cases, dtypes, starting, say)
        report = rendering.markdown(run)
        print(report)
        stem = found.out / f"threads-{found.threads}"
        found.out.mkdir(parents=True, exist_ok=True)
        stem.with_suffix(".md").write_text(report, encoding="utf-8")
        stem.with_suffix(".json").write_text(json.dumps(asdict(run), indent=1, ensure_ascii=False), encoding="utf-8")
        rendering.figure(run, stem.with_suffix(".png"))
        say(f"written to {stem}.md, .png and .json")
    return int(any(note.failed for note in run.notes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda text: print(text, file=sys.stderr, flush=True)))
