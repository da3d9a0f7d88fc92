"""Timings against peers and yardsticks, never part of the tests: ``./run.sh bench``; results in ``RESULTS.md``."""
