"""Checks of arguments whose type is easily mistaken: the error names the argument."""

from wmproof.errors import InputError


def require_type(value: object, kind: type, name: str, *, remedy: str | None = None) -> None:
    """Raise InputError unless `value` is a `kind`."""
    if not isinstance(value, kind):
        found = type(value).__name__
        raise InputError(f"{name} is of type {found}, not {kind.__name__}", remedy=remedy)
