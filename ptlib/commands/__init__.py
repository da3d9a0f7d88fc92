"""Verbs of the command line that are long enough for a room of their own; :mod:`ptlib.cli` registers them."""
