"""Bars for work that takes a while."""

from wmproof._base.progress import progress_bars

__all__ = ["progress_bars"]
