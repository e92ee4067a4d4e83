"""The fields of a stranger's JSON, each of the type that it must have."""

from typing import Any

from wmproof._base.strict_json import parse_json
from wmproof.errors import InputError


def read_object(data: bytes, where: str) -> dict[str, Any]:
    """Parse a JSON object.

    InputError if the bytes are no JSON (RFC 8259), no object, nested too deeply, or repeat a
    name.
    """
    try:
        value = parse_json(data)
    except ValueError as error:
        raise InputError(f"answered with bytes that are no JSON ({error})", where=where) from None
    if not isinstance(value, dict):
        raise InputError("answered with JSON that is no object", where=where)
    return value


def text(fields: dict[str, Any], name: str, where: str) -> str:
    """Return a field that must be a string."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise InputError(f"answered without the text {name!r}", where=where)
    return value


def objects(fields: dict[str, Any], name: str, where: str) -> list[dict[str, Any]]:
    """Return a field that must be a list of objects."""
    value = fields.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InputError(f"answered without the list {name!r}", where=where)
    return value


def integers(fields: dict[str, Any], name: str, where: str) -> list[int]:
    """Return a field that must be a list of integers."""
    value = fields.get(name)
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise InputError(f"answered without the list of integers {name!r}", where=where)
    return value
