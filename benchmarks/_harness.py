"""What the layer benchmarks share: timing, peak memory, and one JSON object on standard output."""

from __future__ import annotations

import json
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from wmproof.argument.threads import thread_count

Figures = dict[str, float | int | str]


def seconds(run: Callable[[], object], repeats: int = 5) -> float:
    """Least time of some runs, after one that compiles and warms."""
    run()
    return min(first_seconds(run) for _ in range(repeats))


def first_seconds(run: Callable[[], object]) -> float:
    """Time of one run as it comes, compilation or cache loading included."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def peak_bytes() -> int:
    """Most memory that this process has held at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def copy_bandwidth(size: int = 1 << 28) -> float:
    """Bytes a second that one thread reads and writes while copying a large array."""
    source, target = np.ones(size, np.uint8), np.ones(size, np.uint8)
    return 2 * size / seconds(lambda: np.copyto(target, source))


def report(name: str, figures: dict[str, Figures]) -> None:
    """Print everything measured, with the machine it was measured on."""
    result: dict[str, Any] = {
        "benchmark": name,
        "machine": {
            "processor": platform.machine(),
            "threads": thread_count(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "figures": figures,
        "peak_bytes": peak_bytes(),
    }
    print(json.dumps(result, indent=2))
