"""What commands print: JSON for machines, tables for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from wmproof.checks import Check, Outcome

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_SIGNS = {
    Outcome.PASSED: ("✓", "green"),
    Outcome.FAILED: ("✗", "bold red"),
    Outcome.SKIPPED: ("○", "yellow"),
}


def print_json(fields: Mapping[str, Any]) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(fields, indent=2, allow_nan=False))


def checks_as_json(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Return checks as JSON knows them."""
    return [
        {
            "check": item.name,
            "outcome": str(item.outcome),
            "what": item.what,
            "numbers": dict(item.numbers),
        }
        for item in checks
    ]


def console() -> Console:
    """Return the console of standard output."""
    from rich.console import Console

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to `failures`: rich would exit with 1, which says that a claim fails."""
            raise BrokenPipeError

    return Terminal(highlight=False)


def _columns(count: int) -> Table:
    """Return a grid whose last column folds, so that a digest is never cut short."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for _ in range(count - 1):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def print_checks(checks: Iterable[Check]) -> None:
    """Print one line a check."""
    from rich.text import Text

    table = _columns(3)
    for item in checks:
        sign, style = _SIGNS[item.outcome]
        table.add_row(Text(sign, style), Text(item.name, "bold"), Text(item.what))
    console().print(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print names and values in two columns."""
    print_rows(fields.items())


def print_rows(rows: Iterable[tuple[str, object]]) -> None:
    """Print pairs in two columns; a name may come twice."""
    from rich.text import Text

    table = _columns(2)
    for name, value in rows:
        table.add_row(Text(name, "dim"), Text(str(value)))
    console().print(table)


def print_verdict(holds: bool, what: str) -> None:
    """Print the answer."""
    from rich.text import Text

    mark, style = ("✓ ", "bold green") if holds else ("✗ ", "bold red")
    console().print(Text(mark + what, style))
