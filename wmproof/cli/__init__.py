"""The command line, a thin layer over the Python API: 0 holds, 1 does not hold, 2 bad input."""

from wmproof.cli.app import main

__all__ = ["main"]
