"""Tried and survived: ``python -m tests.attacks [NAME …] [--tries N]``; exit status 1 unless all was survived."""

from __future__ import annotations

import argparse
import sys

from tests.attacks.table import ATTACKS, tried


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ATTACKS)}; all unless given")
    parser.add_argument("--tries", type=int, default=50, help="how often each is tried (50)")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - ATTACKS.keys():
        parser.error(f"found {', '.join(sorted(unknown))}, expected some of {', '.join(ATTACKS)}")
    failed = False
    for name in chosen.names or ATTACKS:
        outcome = tried(name, chosen.tries)
        print(f"{name:8}{outcome}", *outcome.failures, sep="\n  ", flush=True)
        failed |= bool(outcome.failures)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
