"""Bars for work that takes a while: on a terminal's standard error, or in a notebook."""

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

Report = Callable[[str, float], None]
"""Takes a phase's name and the share of it that is done, 0 to 1."""

_PAUSE = 0.1


def progress_bars(*, quiet: bool = False) -> AbstractContextManager[Report]:
    """A bar for each phase; gives what `prove_claim` and others take as `progress`.

    With `quiet` nothing is drawn; nor is it where neither a terminal nor a notebook shows it.

    Examples
    --------
    >>> with progress_bars() as progress:  # doctest: +SKIP
    ...     claim = prove_claim("model.onnx", key, public, progress=progress)
    """
    return _notebook_bars() if in_notebook() and not quiet else _terminal_bars(quiet=quiet)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    found: Any = sys.modules.get("IPython")
    shell = found.get_ipython() if found is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


@contextmanager
def _terminal_bars(*, quiet: bool) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:24}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    terminal = Console(stderr=True)
    disable = quiet or not terminal.is_terminal
    with Progress(*columns, console=terminal, disable=disable) as bars:
        tasks: dict[str, Any] = {}

        def report(phase: str, done: float) -> None:
            if phase not in tasks:
                for task in tasks.values():
                    bars.update(task, completed=1)
                tasks[phase] = bars.add_task(phase, total=1)
            bars.update(tasks[phase], completed=done)

        yield report
        for task in tasks.values():
            bars.update(task, completed=1)


@contextmanager
def _notebook_bars() -> Iterator[Report]:
    """Bars of HTML, which every notebook shows without widgets."""
    import IPython.display

    shown_as: Any = IPython.display
    phases: dict[str, float] = {}
    handle = shown_as.display(shown_as.HTML(_drawn(phases)), display_id=True)
    shown = 0.0

    def report(phase: str, done: float) -> None:
        nonlocal shown
        new = phase not in phases
        if new:
            phases.update(dict.fromkeys(phases, 1.0))
        phases[phase] = done
        if new or time.monotonic() - shown > _PAUSE:
            shown = time.monotonic()
            handle.update(shown_as.HTML(_drawn(phases)))

    yield report
    handle.update(shown_as.HTML(_drawn(dict.fromkeys(phases, 1.0))))


def _drawn(phases: dict[str, float]) -> str:
    return "".join(
        f'<div><progress value="{done:.3f}"></progress> {html.escape(phase)}</div>'
        for phase, done in phases.items()
    )
