"""JSON from a stranger: one value for each name, and no numbers that JSON does not have."""

import json
from typing import Any


def parse_json(data: str | bytes) -> Any:
    """Parse a text that all readers of JSON (RFC 8259) take for the same.

    ValueError if it is no JSON, repeats a name in an object, or is nested too deeply.
    """
    text = data if isinstance(data, str) else data.decode("utf-8")
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name is repeated")
    return fields
