"""Threads that each work on their own images, so that nobody waits for anybody.

Parallel kernels and a parallel BLAS meet at a barrier after each layer, which costs more than the
work as soon as other programs want the cores too. Here a block of images stays on one thread:
kernels release the interpreter lock, and BLAS is held to one thread meanwhile.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

_Item = TypeVar("_Item")


def worker_count() -> int:
    """Number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(worker_count(), thread_name_prefix="wmproof-circuit")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def for_each(work: Callable[[_Item], None], items: Iterable[_Item]) -> None:
    """Call `work` on every item, on all cores; the first exception is raised again."""
    with _controller().limit(limits=1, user_api="blas"):
        for _ in _pool().map(work, items):
            pass


class Workspace(threading.local):
    """Buffers that a thread uses again: touching fresh memory costs as much as the products."""

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[np.uint8]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """An array with arbitrary content, valid until this thread asks for `name` again."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if name not in self._buffers or self._buffers[name].nbytes < size:
            self._buffers[name] = np.empty(size, np.uint8)
        view: NDArray[Any] = self._buffers[name][:size].view(dtype).reshape(shape)
        return view
