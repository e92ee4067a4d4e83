"""Progress bars for people."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from wmproof.training.loop import EpochRecord


class RichProgress:
    """One bar over all batches, with the latest accuracies beside it.

    Parameters
    ----------
    console : Console
        Where it is drawn, if that is a terminal; standard error keeps standard output for machines.
    title : str
        In front of the bar.
    """

    def __init__(self, console: Console, title: str = "training") -> None:
        self._title = title
        self._epochs = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,
            disable=not console.is_terminal,
        )

    def begin(self, epochs: int, steps_per_epoch: int, done_steps: int) -> None:
        """Draw the bar, from where an interrupted run ended."""
        self._epochs = epochs
        self._task = self._bar.add_task(
            self._title, total=epochs * steps_per_epoch, completed=done_steps, figures=""
        )
        self._bar.start()

    def step(self) -> None:
        """Advance by one batch."""
        self._bar.advance(self._task)

    def epoch(self, record: EpochRecord) -> None:
        """Show the figures of an epoch."""
        parts = [f"epoch {record.epoch}/{self._epochs}", f"loss {record.loss:.3f}"]
        if record.test_accuracy is not None:
            parts.append(f"test {record.test_accuracy:.2%}")
        if record.trigger_accuracy is not None:
            parts.append(f"triggers {record.trigger_accuracy:.2%}")
        self._bar.update(self._task, figures="  ".join(parts))

    def end(self) -> None:
        """Leave the bar as it is."""
        self._bar.stop()
