"""``python -m ptlib``."""

from ptlib.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
