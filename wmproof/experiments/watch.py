"""Progress of a suite for people: one bar for the units, one for the training that runs."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from wmproof.experiments.runner import Watcher
from wmproof.training.loop import EpochRecord


class RichWatcher(Watcher):
    """Draws on a console, and follows the training of the current unit.

    A console on standard error keeps standard output for machines.
    """

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._units = self._bars.add_task("units", total=0)
        self._training = self._bars.add_task("", total=None, visible=False)

    def begin(self, units: int) -> None:
        """Draw the bar of the suite."""
        self._bars.update(self._units, total=units)
        self._bars.start()

    def unit(self, setting: str, name: str) -> _TrainingBar:
        """Name the unit that starts."""
        self._bars.reset(self._training, description=f"{setting}: {name}", visible=False)
        return _TrainingBar(self._bars, self._training)

    def done(self, name: str, seconds: float) -> None:
        """Advance by a unit."""
        self._bars.advance(self._units)

    def end(self) -> None:
        """Leave the bars as they are."""
        self._bars.stop()


class _TrainingBar:
    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def begin(self, epochs: int, steps_per_epoch: int, done_steps: int) -> None:
        total = epochs * steps_per_epoch
        self._bars.update(self._task, total=total, completed=done_steps, visible=True)

    def step(self) -> None:
        self._bars.advance(self._task)

    def epoch(self, record: EpochRecord) -> None:
        pass

    def end(self) -> None:
        self._bars.update(self._task, visible=False)
