"""What commands print: JSON for machines, tables for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wmproof.checks import Check, Outcome

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_GAP = 2
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


def printable(text: str) -> str:
    """Return text without what a terminal would obey: names in foreign files are hostile."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def as_text(value: object) -> str:
    """Return a value as people read it: words for nothing, true and false; lists with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def print_checks(checks: Iterable[Check]) -> None:
    """Print one line a check."""
    from rich.text import Text

    rows = []
    for item in checks:
        sign, style = _SIGNS[item.outcome]
        rows.append((Text(sign, style), Text(item.name, "bold"), Text(printable(item.what))))
    _print_columns(rows)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print names and values in two columns."""
    print_rows(fields.items())


def print_rows(rows: Iterable[tuple[str, object]]) -> None:
    """Print pairs in two columns; a name may come twice."""
    from rich.text import Text

    _print_columns(
        [(Text(printable(name), "dim"), Text(printable(str(value)))) for name, value in rows]
    )


def _print_columns(rows: Sequence[tuple[Text, ...]]) -> None:
    """Print rows, the last column wrapped between words.

    A row with a longer word (a digest or a key, which somebody will copy) stays in one piece, and
    so does every row that no terminal shows.
    """
    from rich.table import Table
    from rich.text import Text

    target = console()
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)][:-1]
    room = target.width - sum(widths) - _GAP * len(widths)
    for *head, last in rows:
        longest = max((len(word) for word in last.plain.split()), default=0)
        if target.is_terminal and longest <= room:
            table = Table.grid(padding=(0, _GAP))
            for width in widths:
                table.add_column(width=width, no_wrap=True)
            table.add_row(*head, last)
            target.print(table)
        else:
            for cell, width in zip(head, widths, strict=True):
                cell.pad_right(width + _GAP - cell.cell_len)
            target.print(Text.assemble(*head, last), soft_wrap=True)


def print_verdict(holds: bool, what: str) -> None:
    """Print the answer."""
    from rich.text import Text

    mark, style = ("✓ ", "bold green") if holds else ("✗ ", "bold red")
    target = console()
    target.print(Text(mark + printable(what), style), soft_wrap=not target.is_terminal)
