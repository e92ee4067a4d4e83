"""How reports show themselves: to machines as a dictionary, in a notebook as a table."""

import html
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from wmproof._base.text import one_line

_COLOURS = {"passed": "#1a7f37", "failed": "#c53030", "skipped": "#9a6700", "missing": "#9a6700"}


class Report(ABC):
    """What was found, in figures."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return all of it as `json.dumps` takes it; digests are hexadecimal SHA-256."""

    def _repr_html_(self) -> str:
        return as_table(self.to_dict())


def as_table(fields: Mapping[str, Any]) -> str:
    """Return fields as an HTML table, and checks as one row each. All text is escaped."""
    rows = (
        _check_rows(value) if name == "checks" else _row(name.replace("_", " "), _text(value))
        for name, value in fields.items()
    )
    return f'<table style="text-align:left">{"".join(rows)}</table>'


def _check_rows(checks: Iterable[Mapping[str, Any]]) -> str:
    return "".join(
        _row(item["check"], f"{item['outcome']}: {item['what']}", _COLOURS.get(item["outcome"], ""))
        for item in checks
    )


def _row(name: str, value: str, colour: str = "inherit") -> str:
    cell = f'<td style="text-align:left;color:{colour}">{html.escape(one_line(value))}</td>'
    return f'<tr><th style="text-align:left">{html.escape(one_line(name))}</th>{cell}</tr>'


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)
