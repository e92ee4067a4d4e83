"""Reading with a limit, and writing so that nothing half-written is ever left under its name."""

import codecs
import contextlib
import hashlib
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from wmproof.errors import InputError

# What may be allowed at most: the user's umask takes its bits away, as from any other file.
PUBLIC_MODE = 0o666
SECRET_MODE = 0o600

Source = str | os.PathLike[str] | bytes
"""A file by its path, or its content."""

_PART = 1 << 20
_BINARY = getattr(os, "O_BINARY", 0)


def read_file(path: str | os.PathLike[str], *, limit: int) -> bytes:
    """Read a whole file of at most `limit` bytes, a pipe until its end.

    InputError if the file is missing, is not readable, is a folder, or is longer than `limit`.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = read_open(file, limit)
    except OSError as error:
        raise InputError(_reason("cannot be read", error), where=str(path)) from error
    except ValueError as error:  # a zero byte
        raise InputError("is not a path", where=repr(str(path))) from error
    if data is None:
        raise InputError(f"is longer than the {limit} bytes that are read", where=str(path))
    return data


def hash_file(path: str | os.PathLike[str], name: str = "sha256") -> bytes:
    """Return a file's digest by a hash of this name, whatever its length.

    InputError if the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, name).digest()
    except OSError as error:
        raise InputError(_reason("cannot be read", error), where=str(path)) from error


def read_open(file: BinaryIO, limit: int) -> bytes | None:
    """Read an open file; None if it is longer than `limit`, which is seen before it is read.

    Room is taken for what the file has, not for what it might have.
    """
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        return None
    data = file.read(size + 1)
    if len(data) <= size:
        return data
    parts, room = [data], limit - len(data)  # of a pipe, a device, or a file that grows
    while room >= 0 and (part := file.read(min(room + 1, _PART))):
        parts.append(part)
        room -= len(part)
    return b"".join(parts) if room >= 0 else None


def read_source(source: Source, *, limit: int, name: str) -> tuple[bytes, str]:
    """Return a file's content and what errors call it: its path, or `name` where bytes were given.

    InputError as `read_file`, or if it is neither a path nor bytes.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), name
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"the {name} is of type {type(source).__name__}, not a path or bytes")
    return read_file(source, limit=limit), str(source)


def read_text(path: str | os.PathLike[str], *, limit: int) -> str:
    """Read UTF-8 text that people edit or mail: no byte order mark, no carriage returns at ends.

    InputError as `read_file`, or if the file is not UTF-8.
    """
    return decode_text(read_file(path, limit=limit), str(path))


def decode_text(data: bytes, where: str) -> str:
    """Decode what `read_text` reads; InputError names UTF-16, which Windows writes."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError("is UTF-16 text, not UTF-8", where=where, remedy="Save it as UTF-8")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text", where=where) from None


def write_file(
    path: str | os.PathLike[str], data: bytes, *, overwrite: bool = False, mode: int = PUBLIC_MODE
) -> None:
    """Write one file completely or not at all: temporary beside it, fsync, rename, fsync.

    A device or a pipe (`/dev/stdout`) is written to directly.

    InputError if the file exists and `overwrite` is false, or the system refuses (full disk, no
    permission).
    """
    write_files({Path(path): data}, overwrite=overwrite, modes={Path(path): mode})


def write_files(
    files: Mapping[Path, bytes], *, overwrite: bool = False, modes: Mapping[Path, int] | None = None
) -> None:
    """Write several files; none gets its name before the bytes of all are safely on disk.

    They get their names one after another, so the one that is useless without the others is last.

    InputError as `write_file`. Then no file of the set has been created or changed, except when the
    system fails between two renames.

    Parameters
    ----------
    files : Mapping[Path, bytes]
        What to write where, in the order in which the names are to appear.
    overwrite : bool
        Replace files that exist.
    modes : Mapping[Path, int], optional
        Permission bits, `PUBLIC_MODE` where absent.
    """
    modes = modes or {}
    staged: list[tuple[Path, Path]] = []
    with contextlib.ExitStack() as cleanup:
        for path, data in files.items():
            target = _target(path, overwrite=overwrite)
            if target is None:
                _write_to_device(path, data)
                continue
            temporary = _stage(target, data, modes.get(path, PUBLIC_MODE))
            cleanup.callback(_discard, temporary)
            staged.append((temporary, target))
        for temporary, target in staged:
            _publish(temporary, target, overwrite=overwrite)


@contextlib.contextmanager
def reserved(
    path: str | os.PathLike[str], size: int, *, overwrite: bool = False
) -> Iterator[Callable[[bytes], None]]:
    """Take room on the disk before the data may be there; gives the function that writes it.

    Until then a file of random bytes takes as much room under a temporary name. Of a device or a
    pipe only the permission is looked at. The data that is written must be `size` bytes long.

    InputError as `write_file`, here or when the data is written.
    """
    target = _target(Path(path), overwrite=overwrite)
    if target is None:
        if not os.access(path, os.W_OK):
            raise InputError("cannot be written (no permission)", where=str(path))
        yield lambda data: _write_to_device(Path(path), data)
        return
    temporary = _stage(target, secrets.token_bytes(size), PUBLIC_MODE)

    def write(data: bytes) -> None:
        if len(data) != size:
            raise ValueError(f"{len(data)} bytes do not fill the {size} that were reserved")
        try:
            _fill(os.open(temporary, os.O_WRONLY | _BINARY), data)
        except OSError as error:
            raise InputError(_reason("cannot be written", error), where=str(target)) from error
        _publish(temporary, target, overwrite=overwrite)

    try:
        yield write
    finally:
        _discard(temporary)


def check_target(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Raise InputError where `write_file` would refuse the name or the folder; leave nothing."""
    target = _target(Path(path), overwrite=overwrite)
    if target is None:
        return
    if not target.parent.is_dir():
        raise InputError("is in a folder that does not exist", where=str(path))
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise InputError(_reason("cannot be written", error), where=str(path)) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, so that a loss of power does not undo it.

    InputError if the system refuses.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        path.mkdir(exist_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise InputError(_reason("cannot be made", error), where=str(path)) from error


def _reason(what: str, error: OSError) -> str:
    return f"{what} ({error.strerror or type(error).__name__})"


def _target(path: Path, *, overwrite: bool) -> Path | None:
    """Resolve links, so that they survive; None is a device, which must not be renamed over."""
    try:
        target = path.resolve()
        mode = path.stat().st_mode  # not of the target: a pipe has no name
    except FileNotFoundError:
        return target
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError("is not a path that can be written", where=repr(str(path))) from error
    if stat.S_ISDIR(mode):
        raise InputError("is a folder, not a file", where=str(path))
    if not stat.S_ISREG(mode):
        return None
    if not overwrite:
        raise _exists(path)
    return target


def _exists(path: Path) -> InputError:
    return InputError(
        "exists already",
        where=str(path),
        remedy="Choose another name, or replace it: --force, or overwrite=True in Python",
    )


def _write_to_device(path: Path, data: bytes) -> None:
    try:
        with path.open("wb") as file:
            file.write(data)
    except OSError as error:
        raise InputError(_reason("cannot be written", error), where=str(path)) from error


def _stage(target: Path, data: bytes, mode: int) -> Path:
    # Its own name, not the target's and more: a target's name may be as long as names can be.
    temporary = target.parent / f".wmproof-{secrets.token_hex(8)}"
    made = False
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, mode)
        made = True
        _fill(descriptor, data)
    except BaseException as error:
        if made:
            _discard(temporary)
        if isinstance(error, OSError):
            raise InputError(
                _reason("cannot be written", error),
                where=str(target),
                remedy="Nothing was changed; free some space or choose another place",
            ) from error
        raise
    return temporary


def _fill(descriptor: int, data: bytes) -> None:
    """Write all of `data` to disk and close the file."""
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(temporary: Path) -> None:
    """Remove a file that is in nobody's way if it cannot be removed."""
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def _publish(temporary: Path, target: Path, *, overwrite: bool) -> None:
    try:
        if overwrite:
            temporary.replace(target)
        else:
            _rename_to_new(temporary, target)
        _sync_folder(target.parent)
    except FileExistsError as error:
        raise _exists(target) from error
    except OSError as error:
        raise InputError(_reason("cannot be written", error), where=str(target)) from error


def _rename_to_new(temporary: Path, target: Path) -> None:
    """Rename without ever replacing: unlike a rename, a hard link fails where the name is taken."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError(target) from None
        temporary.rename(target)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # pragma: no cover
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
