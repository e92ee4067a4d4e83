"""The journal: entries that are durable and have their index, but are in no checkpoint yet.

Each append is one frame, synchronised before it is acknowledged. A frame and its header have
hashes that chain them to the frames before, so that a write that a crash cut short, which nobody
was told of, is told apart from damage.
"""

import hashlib
import os
from pathlib import Path

from wmproof._base.files import write_file
from wmproof._base.reader import Reader
from wmproof.errors import FormatError, InputError
from wmproof.publication.log.tiles import encode_bundle, parse_bundle

MAGIC = b"wmpf-lj\0"
VERSION = 1
_HASH_BYTES = 32
_HEADER_BYTES = len(MAGIC) + 2 + 8
_COUNTS_BYTES = 4 + 4
_CHECK_BYTES = 8
_FRAME_BYTES = _COUNTS_BYTES + _CHECK_BYTES
_FRAME_LIMIT = 2**28


class Journal:
    """The journal of a log; the caller holds the log's lock.

    Attributes
    ----------
    base : int
        Index of its first entry.
    entries : list of bytes
        All of them, in order.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.base = 0
        self.entries: list[bytes] = []
        self._inode = -1
        self._header = b""
        self._length = 0
        self._chain = b""

    @property
    def end(self) -> int:
        """Index of the next entry."""
        return self.base + len(self.entries)

    def refresh(self) -> None:
        """Read what other processes have appended.

        Raises
        ------
        InputError
            It cannot be read.
        FormatError
            It is damaged in a way in which no crash damages it.
        """
        try:
            with self._path.open("rb") as file:
                # File systems reuse inode numbers, but a journal that was begun anew never has the
                # same first entry. A shorter journal was restored from a copy.
                header, status = file.read(_HEADER_BYTES), os.fstat(file.fileno())
                known = (self._inode, self._header) == (status.st_ino, header)
                if not known or status.st_size < self._length:
                    self._start(header)
                self._inode = status.st_ino
                file.seek(self._length)
                data = file.read()
        except OSError as error:
            raise InputError(
                f"cannot be read ({error.strerror})",
                where=str(self._path),
                remedy="Restore the log's folder from a copy",
            ) from error
        self._read_frames(data)

    def append(self, entries: list[bytes]) -> int:
        """Make entries durable and return the index of the first.

        InputError if an entry is too long, or the system refuses; then nothing was
        appended.
        """
        payload = encode_bundle(entries)
        if len(payload) > _FRAME_LIMIT:
            raise InputError(f"more than {_FRAME_LIMIT} bytes cannot be appended at once")
        counts = len(entries).to_bytes(4, "big") + len(payload).to_bytes(4, "big")
        body = counts + self._header_check(counts) + payload
        chain = hashlib.sha256(self._chain + body).digest()
        first = self.end
        self._write(body + chain)
        self._length += len(body) + _HASH_BYTES
        self._chain = chain
        self.entries += entries
        return first

    def restart(self, base: int) -> None:
        """Begin again, empty, with the entry number `base`: all before it are in the checkpoint."""
        header = MAGIC + VERSION.to_bytes(2, "big") + base.to_bytes(8, "big")
        write_file(self._path, header, overwrite=True)
        self.refresh()

    def _start(self, header: bytes) -> None:
        reader = Reader(header, str(self._path))
        reader.magic(MAGIC, VERSION, "journal of a log")
        self.base = reader.integer(8, "first index")
        self.entries = []
        self._header = header
        self._length = _HEADER_BYTES
        self._chain = hashlib.sha256(header).digest()

    def _read_frames(self, data: bytes) -> None:
        """Take in whole frames; what follows the last is a write that a crash cut."""
        start = 0
        while len(data) - start >= _FRAME_BYTES:
            counts = data[start : start + _COUNTS_BYTES]
            if data[start + _COUNTS_BYTES : start + _FRAME_BYTES] != self._header_check(counts):
                raise self._damaged()
            count, length = int.from_bytes(counts[:4], "big"), int.from_bytes(counts[4:], "big")
            end = start + _FRAME_BYTES + length
            if len(data) < end + _HASH_BYTES:
                return
            chain = hashlib.sha256(self._chain + data[start:end]).digest()
            if chain != data[end : end + _HASH_BYTES]:
                raise self._damaged()
            where = str(self._path)
            self.entries += parse_bundle(data[start + _FRAME_BYTES : end], count, where)
            start = end + _HASH_BYTES
            self._length += _FRAME_BYTES + length + _HASH_BYTES
            self._chain = chain

    def _header_check(self, counts: bytes) -> bytes:
        """Without it a length that was damaged would make all that follows look cut short."""
        return hashlib.sha256(self._chain + counts).digest()[:_CHECK_BYTES]

    def _write(self, frame: bytes) -> None:
        """Write after the last whole frame, over what a crash may have left there."""
        try:
            descriptor = os.open(self._path, os.O_WRONLY)
            try:
                if os.fstat(descriptor).st_size != self._length:
                    os.ftruncate(descriptor, self._length)
                _write_at(descriptor, frame, self._length)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, self._length)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            self._header = b""
            raise InputError(
                f"cannot be written ({error.strerror})",
                where=str(self._path),
                remedy="Nothing was appended; free some space",
            ) from error

    def _damaged(self) -> FormatError:
        return FormatError(
            f"is damaged after byte {self._length}: a frame does not have its hash",
            where=str(self._path),
            remedy="Restore it from a copy. If the machine lost power while it was appending, "
            f"cut the file to {self._length} bytes: nobody was told of what follows",
        )


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
