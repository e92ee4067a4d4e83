"""Does the units of a plan, one after the other, and skips those that are done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wmproof.experiments.plan import Plan
from wmproof.experiments.store import Store, held, open_folder

if TYPE_CHECKING:
    from wmproof.experiments.bench import Bench, Means
    from wmproof.experiments.unit import Unit
    from wmproof.training.loop import Progress


class Watcher:
    """Who watches a suite; this one looks away."""

    def begin(self, units: int) -> None:
        """Take note of how many units there are in all."""

    def unit(self, setting: str, name: str) -> Progress | None:
        """Take note of a unit that starts, and give what watches its training."""
        return None

    def done(self, name: str, seconds: float) -> None:
        """Take note of a unit that is finished, now or before."""

    def end(self) -> None:
        """Take note of the end, also by an error."""


UNWATCHED = Watcher()


@contextmanager
def begun(plans: Sequence[Plan], folder: Path, preset: str, watcher: Watcher) -> Iterator[None]:
    """Hold the folder of a run while it is watched."""
    open_folder(folder, preset)
    with held(folder):
        try:
            watcher.begin(sum(len(plan.units) for plan in plans))
            yield
        finally:
            watcher.end()


def run(
    plans: Sequence[Plan], folder: Path, preset: str, means: Means, watcher: Watcher = UNWATCHED
) -> None:
    """Finish all units of these plans in this process.

    Parameters
    ----------
    plans : Sequence of Plan
    folder : Path
        Of the results; a run that was interrupted there goes on, and ends like one that was not.
    preset : str
        Its name, by which the folder is recognised.
    means : Means
    watcher : Watcher, optional

    Raises
    ------
    InputError
        The folder is another experiment's or in use, a data set is missing, or the disk is full.
    TrainingInterruptedError
        Ctrl-C within a training; all that is finished stays.
    """
    with begun(plans, folder, preset, watcher):
        for plan in plans:
            _run_plan(plan, folder, means, watcher)


def _run_plan(plan: Plan, folder: Path, means: Means, watcher: Watcher) -> None:
    from wmproof.experiments.bench import Bench

    store = Store(folder / plan.setting.name)
    marks = plan.fingerprints()
    bench = Bench(plan.setting, store, marks, means)
    for unit in plan.units:
        found = store.read(unit.name, marks[unit.name])
        if found is None:
            bench.progress = watcher.unit(plan.setting.name, unit.name)
            seconds = finish(unit, bench, marks[unit.name])
        else:
            seconds = found["seconds"]
        watcher.done(unit.name, seconds)


def finish(unit: Unit, bench: Bench, mark: str) -> float:
    """Do one unit and record it; give the seconds that it took."""
    from wmproof.experiments.tasks import task

    start = time.monotonic()
    outcome = task(unit.task)(unit, bench)
    seconds = time.monotonic() - start
    bench.store.write(unit.name, mark, outcome.results, seconds=seconds, model=outcome.model)
    return seconds


def finish_named(plan: Plan, name: str, folder: Path, means: Means) -> float:
    """Do one unit of a plan, all that it needs being done, unless it is; give its seconds."""
    from wmproof.experiments.bench import Bench

    store, marks = Store(folder / plan.setting.name), plan.fingerprints()
    found = store.read(name, marks[name])
    if found is not None:
        return float(found["seconds"])
    (unit,) = (one for one in plan.units if one.name == name)
    return finish(unit, Bench(plan.setting, store, marks, means), marks[name])
