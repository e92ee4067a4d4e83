"""Strict parsing: exact lengths, known values, nothing trailing; no copy before it is checked."""

from enum import IntEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wmproof.errors import FormatError

_Member = TypeVar("_Member", bound=IntEnum)


class Reader:
    """Reads a byte string from front to back.

    `where` names the source in every error.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self._data = data
        self._where = where
        self._position = 0

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._position

    def error(self, what: str, *, remedy: str | None = None) -> FormatError:
        """Return an error about this source, to be raised."""
        return FormatError(what, where=self._where, remedy=remedy)

    def since(self, start: int) -> bytes:
        """Return the bytes from `start` to the present position."""
        return self._data[start : self._position]

    def take(self, length: int, field: str) -> bytes:
        """Read exactly `length` bytes."""
        left = len(self._data) - self._position
        if left < length:
            raise self.error(
                f"is cut short: {field} needs {length} bytes and {left} are left",
                remedy="Fetch the file again",
            )
        self._position += length
        return self._data[self._position - length : self._position]

    def integer(self, width: int, field: str) -> int:
        """Read an unsigned big-endian integer of `width` bytes."""
        return int.from_bytes(self.take(width, field), "big")

    def member(self, kind: type[_Member], width: int, field: str) -> _Member:
        """Read an integer that must be a member of an enumeration."""
        value = self.integer(width, field)
        try:
            return kind(value)
        except ValueError:
            raise self.error(f"has the unknown {field} {value}") from None

    def rows(self, count: int, width: int, field: str) -> NDArray[np.uint8]:
        """Read `count` rows of `width` bytes as a read-only array."""
        data = self.take(count * width, field)
        return np.frombuffer(data, dtype=np.uint8).reshape(count, width)

    def magic(self, expected: bytes, version: int, what: str, *, oldest: int | None = None) -> int:
        """Read the first bytes of a file and its version (2 bytes), `oldest` to `version`.

        Returns the version that was found.
        """
        start = self._position
        if self._data[start : start + len(expected)] != expected:
            raise self.error(f"is not a wmproof {what}", remedy="Check which file is meant")
        self._position = start + len(expected)
        found = self.integer(2, "version")
        first = version if oldest is None else oldest
        if not first <= found <= version:
            known = f"version {version}" if first == version else f"versions {first} to {version}"
            raise self.error(
                f"is a {what} of version {found}; this program reads {known}",
                remedy="Install a newer wmproof",
            )
        return found

    def end(self) -> None:
        """Require that nothing is left."""
        left = len(self._data) - self._position
        if left:
            raise self.error(f"has {left} bytes after its end", remedy="Fetch the file again")
