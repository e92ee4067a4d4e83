"""Names of classes for contact sheets."""

from pathlib import Path

from wmproof._base.files import read_text
from wmproof.errors import InputError

_NAMES_LIMIT = 2**24


def read_class_names(path: Path | None, classes: int) -> list[str] | None:
    """Read the names of the classes, one a line.

    InputError if the file is not UTF-8 text of as many lines as there are classes.
    """
    if path is None:
        return None
    names = read_text(path, limit=_NAMES_LIMIT).splitlines()
    if len(names) != classes:
        raise InputError(f"has {len(names)} names for {classes} classes", where=str(path))
    return names
