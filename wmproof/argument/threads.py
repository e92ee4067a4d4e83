"""Running one Numba kernel over ranges of its data on all cores.

Kernels are compiled with ``nogil=True`` and take ``(start, stop)`` as their first two arguments.
A thread pool and explicit ranges compile several times faster than Numba's own parallel loops,
work from any thread, and keep each kernel a plain sequential function.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

S = TypeVar("S")
T = TypeVar("T")


def thread_count() -> int:
    """Number of threads: WMPROOF_THREADS if set, else the CPUs this process may use."""
    limit = os.environ.get("WMPROOF_THREADS")
    return max(1, int(limit)) if limit else len(os.sched_getaffinity(0))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="wmproof")


def over_ranges(
    kernel: Callable[..., T], size: int, *args: Any, grain: int = 4096, align: int = 1
) -> list[T]:
    """Call ``kernel(start, stop, *args)`` on ranges that cover [0, size); return their results.

    Parameters
    ----------
    kernel : Callable
        A nogil kernel; ranges never overlap, so it may write to its range of shared outputs.
    size : int
        Number of items.
    grain : int
        Least number of items worth a thread of its own.
    align : int
        Range borders are multiples of it.
    """
    threads = min(thread_count(), max(1, size // grain))
    if threads == 1:
        return [kernel(0, size, *args)]
    step = -(-size // threads)
    step += -step % align
    ranges = [(start, min(start + step, size)) for start in range(0, size, step)]
    futures = [_pool(thread_count()).submit(kernel, lo, hi, *args) for lo, hi in ranges]
    return [future.result() for future in futures]


def one_ahead(work: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """``map(work, items)``, working on the next item while the caller uses a result.

    Work on an item begins when the caller has asked for the result before: it may then overwrite
    the one before that. With one thread, nothing is done ahead.
    """
    if thread_count() == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(1) as ahead:
        pending: Future[T] | None = None
        for item in items:
            begun = ahead.submit(work, item)
            if pending is not None:
                yield pending.result()
            pending = begun
        if pending is not None:
            yield pending.result()
