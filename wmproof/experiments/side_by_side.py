"""Does units of a plan side by side, in processes of this machine that live as long as the run."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from wmproof._base.threads import thread_count
from wmproof.experiments.plan import Plan
from wmproof.experiments.runner import UNWATCHED, Watcher, begun, finish_named
from wmproof.training.loop import TrainingInterruptedError

if TYPE_CHECKING:
    from wmproof.experiments.bench import Means

Named = tuple[int, str]


def run_side_by_side(
    plans: Sequence[Plan],
    folder: Path,
    preset: str,
    means: Means,
    watcher: Watcher = UNWATCHED,
    *,
    jobs: int,
) -> None:
    """Finish all units of these plans, several at a time; they share the processors and the GPU.

    A unit starts when those that it needs are done, first those on which the longest chains wait.

    Parameters
    ----------
    plans, folder, preset, means, watcher
        As `wmproof.experiments.runner.run`.
    jobs : int
        How many at a time, at least 1. Each has its share of the threads.

    Raises
    ------
    InputError, TrainingInterruptedError
        As `run`. What was running then ends, and a training leaves its checkpoint.
    """
    threads = max(1, thread_count() // jobs)
    with begun(plans, folder, preset, watcher):
        pool = ProcessPoolExecutor(
            jobs, mp_context=get_context("spawn"), initializer=_begin, initargs=(threads,)
        )
        try:
            for name, seconds in _finished(pool, plans, folder, means, jobs):
                watcher.done(name, seconds)
        except KeyboardInterrupt:
            raise TrainingInterruptedError(
                "interrupted; finished units stay, and trainings that ran are saved",
                where=str(folder),
                remedy="Repeat the same command to go on from there",
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _finished(
    pool: ProcessPoolExecutor, plans: Sequence[Plan], folder: Path, means: Means, jobs: int
) -> Iterator[tuple[str, float]]:
    waiting, height = _graph(plans)
    running: dict[Future[float], Named] = {}
    while waiting or running:
        ready = sorted((one for one in waiting if not waiting[one]), key=lambda one: -height[one])
        for number, name in ready[: jobs - len(running)]:
            del waiting[number, name]
            work = pool.submit(_finish, plans[number], name, folder.absolute(), means)
            running[work] = number, name
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            one = running.pop(future)
            yield one[1], future.result()
            for needs in waiting.values():
                needs.discard(one)


def _graph(plans: Sequence[Plan]) -> tuple[dict[Named, set[Named]], dict[Named, int]]:
    """Return what each unit waits for, and how long the longest chain is that waits for it."""
    waiting: dict[Named, set[Named]] = {}
    height: dict[Named, int] = {}
    for number, plan in enumerate(plans):
        for unit in plan.units:
            waiting[number, unit.name] = {(number, name) for name in unit.needs}
        for unit in reversed(plan.units):
            own = height.setdefault((number, unit.name), 0)
            for name in unit.needs:
                height[number, name] = max(height.get((number, name), 0), own + 1)
    return waiting, height


class _Asked:
    """Whether Ctrl-C, which reaches all processes, found this one between two units."""

    by_now = False

    @classmethod
    def remember(cls, number: int, frame: object) -> None:
        cls.by_now = True


def _begin(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, _Asked.remember)


def _finish(plan: Plan, name: str, folder: Path, means: Means) -> float:
    """Do one unit, which Ctrl-C ends as it does in a process of its own."""
    between = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if _Asked.by_now:
            raise KeyboardInterrupt
        return finish_named(plan, name, folder, means)
    finally:
        signal.signal(signal.SIGINT, between)
