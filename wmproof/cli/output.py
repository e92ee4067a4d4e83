"""What commands print: JSON for machines, tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from wmproof._base.text import one_line
from wmproof.core.checks import Check, Outcome, Verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_GAP = 2
_SIGNS = {
    Outcome.PASSED: ("✓", "[ok]", "green"),
    Outcome.FAILED: ("✗", "[fail]", "bold red"),
    Outcome.SKIPPED: ("○", "[--]", "yellow"),
    Outcome.MISSING: ("○", "[--]", "bold yellow"),
}
_VERDICTS = {
    Verdict.HOLDS: Outcome.PASSED,
    Verdict.INCOMPLETE: Outcome.MISSING,
    Verdict.REFUTED: Outcome.FAILED,
}


SCHEMA = 1
"""Version of output.schema.json, which says what each command prints."""


def print_json(fields: Mapping[str, Any]) -> None:
    """Print one JSON object on standard output, with the command that says it."""
    context = click.get_current_context(silent=True)
    command = context.command_path.removeprefix("wmproof ") if context else None
    named = {"schema": SCHEMA} | ({"command": command} if command else {})
    print(json.dumps(named | dict(fields), indent=2, allow_nan=False))


def console() -> Console:
    """Return the console of standard output."""
    from rich.console import Console

    class Terminal(Console):
        def render_str(self, text: str, **how: Any) -> Text:
            """Make every string harmless before it is printed, also those in tables."""
            return super().render_str("\n".join(map(one_line, text.split("\n"))), **how)

        def on_broken_pipe(self) -> None:
            """Leave it to `failures`: rich would exit with 1, which says that a claim fails."""
            raise BrokenPipeError

    return Terminal(highlight=False)


def warn(text: str) -> None:
    """Print one line on standard error."""
    print(one_line(text), file=sys.stderr)


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns under their heads; nothing in a cell is taken for markup."""
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(Column(head[0], overflow="fold"), *head[1:], box=None, padding=(0, 1))
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    console().print(table)


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
        rows.append(
            (_sign(item.outcome), Text(one_line(item.name), "bold"), Text(one_line(item.what)))
        )
    _print_columns(rows)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print names and values in two columns."""
    print_rows(fields.items())


def print_named(fields: Mapping[str, Any], as_json: bool) -> None:
    """Print fields: all in JSON, and for people those in which there is something, as words."""
    if as_json:
        print_json(fields)
    else:
        told = {name: value for name, value in fields.items() if value not in (None, [])}
        print_fields({name.replace("_", " "): as_text(value) for name, value in told.items()})


def print_rows(rows: Iterable[tuple[str, object]]) -> None:
    """Print pairs in two columns; a name may come twice."""
    from rich.text import Text

    _print_columns(
        [(Text(one_line(name), "dim"), Text(one_line(str(value)))) for name, value in rows]
    )


def print_headed(head: str | None, rows: Iterable[tuple[str, str]]) -> None:
    """Print pairs under a heading, after an empty line; nothing at all without pairs."""
    listed = list(rows)
    if listed:
        console().print(f"\n{head}:" if head else "")
        print_rows(listed)


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


def print_verdict(verdict: Verdict | bool, what: str) -> None:
    """Print the answer and why; True is for what holds, False for what does not."""
    from rich.text import Text

    if isinstance(verdict, bool):
        verdict = Verdict.HOLDS if verdict else Verdict.REFUTED
    mark = _sign(_VERDICTS[verdict])
    target = console()
    line = Text.assemble(mark, " ", (one_line(what), f"bold {mark.style}"))
    target.print(line, soft_wrap=not target.is_terminal)


def _sign(outcome: Outcome) -> Text:
    """A mark that the output's encoding has."""
    from rich.text import Text

    mark, plain, style = _SIGNS[outcome]
    try:
        mark.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        mark = plain
    return Text(mark, style)
