"""The command ``symnn``, also as ``python -m symnn``.

The command line is imported here and not above, because that takes a tenth of a second, in which Ctrl-C is no fault.
"""

import signal
import sys

INTERRUPTED_STATUS = 128 + signal.SIGINT
"""The exit status that a shell gives a command which Ctrl-C has ended."""


def main() -> None:
    """Run the command line; Ctrl-C ends it without a word."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        # An exception would be printed and forgotten where it meets a callback, of which imports make many.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from symnn.cli import main

        signal.signal(signal.SIGINT, handler)
        main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED_STATUS)


if __name__ == "__main__":
    main()
