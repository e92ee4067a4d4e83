"""Numba's compilation, watched: it is announced, and kept out of the times that are reported."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

_EVENT = "numba:compile"
# Part of all kernels after which the rest is foretold.
_SAMPLE = 1 / 4


class Compilation:
    """Counts the seconds that this process compiles kernels while the block runs.

    `announce` is told when the first kernel is compiled (they are kept on disk, so none is on most
    runs), how long the rest takes once that can be measured, and how long all of it took.

    Attributes
    ----------
    seconds : float
        Wall time, of kernels that others call counted once.
    kernels : int
        How many were compiled.
    """

    def __init__(self, announce: Callable[[str], None] | None = None) -> None:
        self.seconds = 0.0
        self.kernels = 0
        self._announce = announce or (lambda _: None)
        self._depth = 0
        self._since = 0.0
        self._compiled: set[Any] = set()
        self._measured = False
        self._listener: Any = None

    def __enter__(self) -> Compilation:
        try:
            from numba.core import event
        except ImportError:  # without the extra `prove` nothing is compiled
            return self
        watched = self

        class Listener(event.Listener):
            def on_start(self, event: Any) -> None:
                watched._begin()

            def on_end(self, event: Any) -> None:
                watched._end(event.data.get("dispatcher"))

        self._listener = Listener()
        event.register(_EVENT, self._listener)  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *_: object) -> None:
        if self._listener is not None:
            from numba.core import event

            event.unregister(_EVENT, self._listener)  # type: ignore[no-untyped-call]
        if self._measured:
            self._announce(f"the kernels took {self.seconds:.0f} s to compile")

    def _begin(self) -> None:
        # The compiler holds one lock, so depths of several threads do not mix.
        if self._depth == 0:
            self._since = time.monotonic()
            if self.kernels == 0:
                self._announce("compiling the prover's kernels, once on this machine")
        self._depth += 1

    def _end(self, dispatcher: Any) -> None:
        self._depth -= 1
        self._compiled.add(dispatcher)
        if self._depth == 0:
            self.seconds += time.monotonic() - self._since
            self.kernels += 1
            self._measure()

    def _measure(self) -> None:
        """Say how long the rest takes: as long for each kernel as those that are done took.

        That is the most, for no claim needs all of them.
        """
        from wmproof._base.jit import KERNELS

        done = len(self._compiled & KERNELS)
        if not self._measured and done >= max(1, len(KERNELS) * _SAMPLE):
            self._measured = True
            every = len(KERNELS)
            left = self.seconds * (every / done - 1)
            counted = f"{done} of {every} kernels"
            self._announce(f"at most about {left:.0f} s more, by the first {counted}")


def announced(*, quiet: bool = False) -> Compilation:
    """Return a watcher that says on standard error what takes so long, and how long."""
    return Compilation(None if quiet else lambda text: print(text, file=sys.stderr))
