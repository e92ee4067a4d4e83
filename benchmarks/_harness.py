"""What the argument's benchmarks share: timing, memory, and yardsticks measured in the same run."""

import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """Least time of a call, after one call that is not counted (it may compile)."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def first_seconds(function: Callable[[], object]) -> float:
    """Time of one call as it comes: with compilation, or loading of what was compiled."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def copy_seconds(size: int) -> float:
    """Time to copy `size` bytes in memory: the yardstick for what only moves data."""
    source = np.ones(size, np.uint8)
    target = np.empty_like(source)
    return seconds(lambda: np.copyto(target, source))


def peak_megabytes() -> float:
    """Largest resident size of this process so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def report(name: str, figures: dict[str, Any]) -> None:
    """Print one JSON object."""
    rounded = {k: round(v, 6) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps({"benchmark": name, **rounded, "peak_megabytes": peak_megabytes()}, indent=2))
