"""``python -m symnn`` is the command ``symnn``."""

from symnn.cli import main

if __name__ == "__main__":
    main()
