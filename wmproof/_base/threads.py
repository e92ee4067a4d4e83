"""Work on all cores: one kernel over ranges of its data, or one function over many items.

Kernels are compiled with ``nogil=True`` and take ``(start, stop)`` as their first two arguments.
A thread pool and explicit ranges compile several times faster than Numba's own parallel loops,
work from any thread, and keep each kernel a plain sequential function.

Parallel kernels and a parallel BLAS meet at a barrier after each layer, which costs more than the
work as soon as other programs want the cores too. `for_each` therefore keeps an item, such as a
block of images, on one thread, and holds BLAS to one thread meanwhile.
"""

import math
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from wmproof.errors import InputError

S = TypeVar("S")
T = TypeVar("T")


THREADS_VARIABLE = "WMPROOF_THREADS"
_MOST_THREADS = 4096
_RANGES = 4  # for each thread, so that none waits long for the last one
_LINE = 64


def thread_count() -> int:
    """Number of threads: WMPROOF_THREADS if set, else the CPUs this process may use.

    InputError if WMPROOF_THREADS is not a number from 1 to 4096.
    """
    limit = os.environ.get(THREADS_VARIABLE, "").strip()
    if not limit:
        return _usable_cpus()
    if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= _MOST_THREADS:
        raise InputError(
            f"is {limit!r}, not a number of threads from 1 to {_MOST_THREADS}",
            where=THREADS_VARIABLE,
            remedy="Set it to a number, or unset it to use all processors",
        )
    return int(limit)


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # not every system lets a process be bound to some of them


@cache
def _pool(threads: int, name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix=f"wmproof-{name}")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


class _OneBlasThread:
    """How many blocks of code, of all threads, want BLAS on one thread now."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Nobody wants it."""
        self._lock, self._inside, self._limit = threading.Lock(), 0, ExitStack()

    def hold(self) -> None:
        """Nobody enters or leaves while this process is forked."""
        self._lock.acquire()

    def go_on(self) -> None:
        """It was forked."""
        self._lock.release()

    def begin_in_child(self) -> None:
        """BLAS has its threads again, and nobody leaves a block that the parent entered."""
        self._limit.close()
        self.begin()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """BLAS on one thread: where other programs want the cores too, its own ones only wait."""
        lock = self._lock
        with lock:
            if not self._inside:
                self._limit.enter_context(_controller().limit(limits=1, user_api="blas"))
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                if self._lock is lock:  # else this process was forked from inside of the block
                    self._inside -= 1
                    if not self._inside:
                        self._limit.close()


one_blas_thread = _OneBlasThread()

if hasattr(os, "register_at_fork"):
    # A forked child inherits pools and locks, but no thread that would work or let go of them.
    os.register_at_fork(after_in_child=_pool.cache_clear)
    os.register_at_fork(
        before=one_blas_thread.hold,
        after_in_parent=one_blas_thread.go_on,
        after_in_child=one_blas_thread.begin_in_child,
    )


def for_each(work: Callable[[S], None], items: Iterable[S]) -> None:
    """Call `work` on every item, on all cores.

    The first exception is raised again, when no item is worked on any more.
    """
    pool = _pool(thread_count(), "items")
    futures: list[Future[None]] = []
    with one_blas_thread():
        try:
            futures.extend(pool.submit(work, item) for item in items)
            for future in futures:
                future.result()
        finally:
            _end(futures)


def _end(futures: Sequence[Future[None]]) -> list[BaseException]:
    """Cancel what has not begun, wait for the others, and return what they raised."""
    begun = [future for future in futures if not future.cancel()]
    return [error for future in begun if (error := future.exception())]


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

    This thread works, too, and whoever is done takes the next range: where another program has a
    core, the others do more. A thread that has not begun when no range is left is not waited for,
    so that kernels may call this again. After an exception no range is begun; it is raised again
    when none is worked on any more, so that nobody writes to what the caller then gives away.
    """
    most = size // grain
    threads = min(thread_count(), most) if most > 1 else 1
    if threads == 1:
        return [kernel(0, size, *args)]
    step = -(-size // min(most, _RANGES * threads))
    step += -step % align
    ranges = [(start, min(start + step, size)) for start in range(0, size, step)]
    results: list[Any] = [None] * len(ranges)
    left = iter(enumerate(ranges))  # whose next item is taken in one step

    def work() -> None:
        try:
            for i, (start, stop) in left:
                results[i] = kernel(start, stop, *args)
        except BaseException:
            deque(left, 0)
            raise

    pool = _pool(thread_count(), "ranges")
    others: list[Future[None]] = []
    try:
        others.extend(pool.submit(work) for _ in range(min(threads, len(ranges)) - 1))
        work()
    finally:
        errors = _end(others)
    if errors:
        raise errors[0]
    return results


class Workspace(threading.local):
    """Buffers that a thread uses again: touching fresh memory costs as much as the products."""

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[np.uint8]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """An array with arbitrary content, valid until this thread asks for `name` again.

        It begins where a line of the cache does: else a vector would be read from two.
        """
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if name not in self._buffers or self._buffers[name].nbytes < size:
            buffer = np.empty(size + _LINE, np.uint8)
            self._buffers[name] = buffer[-buffer.ctypes.data % _LINE :]
        view: NDArray[Any] = self._buffers[name][:size].view(dtype).reshape(shape)
        return view
