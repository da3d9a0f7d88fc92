"""``./run.sh bench [SUITE ...]``: times this project against its peers and its own parts, and writes RESULTS.md."""

from __future__ import annotations

import argparse
import importlib

from tests.bench import results


def main() -> None:
    """Runs the suites that are named, or all of them."""
    parser = argparse.ArgumentParser(prog="./run.sh bench", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"some of {', '.join(results.ORDER)}; none runs all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of each process; on shared cores one is often faster than two")
    parser.add_argument("--only", nargs="+", help="shapes, or shapes/lengths, of the suites cells and techniques")
    options = parser.parse_args()
    if unknown := sorted(set(options.suites) - set(results.ORDER)):
        parser.error(f"no suite {unknown[0]!r}; there are {', '.join(results.ORDER)}")
    given = {name: getattr(options, name) for name in ("device", "dtype", "rounds", "threads", "only")}
    for suite in options.suites or results.ORDER:
        importlib.import_module(f"tests.bench.{suite}").run(results.home(), **given)
        results.write()


if __name__ == "__main__":
    main()
