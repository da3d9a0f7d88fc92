"""Timings, never part of the tests: ``./run.sh bench``."""
