"""Reading with a limit, and writing so that nothing half-written is ever left under its name."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from wmproof.errors import InputError

PUBLIC_MODE = 0o644
SECRET_MODE = 0o600


def read_file(path: str | os.PathLike[str], *, limit: int) -> bytes:
    """Read a whole file of at most `limit` bytes.

    Raises
    ------
    InputError
        The file is missing, is not readable, is a folder, or is longer than `limit`.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise InputError(_reason("cannot be read", error), where=str(path)) from error
    except ValueError as error:  # a zero byte
        raise InputError("is not a path", where=repr(str(path))) from error
    if len(data) > limit:
        raise InputError(f"is longer than the {limit} bytes that are read", where=str(path))
    return data


def write_file(
    path: str | os.PathLike[str],
    data: bytes,
    *,
    overwrite: bool = False,
    mode: int = PUBLIC_MODE,
) -> None:
    """Write one file completely or not at all: temporary beside it, fsync, rename, fsync.

    A device or a pipe (`/dev/stdout`) is written to directly.

    Raises
    ------
    InputError
        The file exists and `overwrite` is false, or the system refuses (full disk, no permission).
    """
    write_files({Path(path): data}, overwrite=overwrite, modes={Path(path): mode})


def write_files(
    files: Mapping[Path, bytes],
    *,
    overwrite: bool = False,
    modes: Mapping[Path, int] | None = None,
) -> None:
    """Write several files; none gets its name before the bytes of all are safely on disk.

    Parameters
    ----------
    files : Mapping[Path, bytes]
        What to write where, in the order in which the names are to appear.
    overwrite : bool
        Replace files that exist.
    modes : Mapping[Path, int], optional
        Permission bits, `PUBLIC_MODE` where absent.

    Raises
    ------
    InputError
        As `write_file`. Then no file of the set has been created or changed, except when the
        system fails between two renames.
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
            cleanup.callback(temporary.unlink, missing_ok=True)
            staged.append((temporary, target))
        for temporary, target in staged:
            _publish(temporary, target, overwrite=overwrite)


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

    Raises
    ------
    InputError
        The system refuses.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        path.mkdir(exist_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise InputError(_reason("cannot be made", error), where=str(path)) from error


@contextlib.contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the folder of `path` exclusively, so that two processes cannot update the same file.

    Only where the system has `flock`; elsewhere it does nothing.

    Raises
    ------
    InputError
        The folder cannot be opened.
    """
    try:
        import fcntl
    except ImportError:  # pragma: no cover
        yield
        return
    folder = Path(path).resolve().parent
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(_reason("cannot be opened", error), where=str(folder)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _reason(what: str, error: OSError) -> str:
    return f"{what} ({error.strerror or type(error).__name__})"


def _target(path: Path, *, overwrite: bool) -> Path | None:
    """Resolve links, so that they survive; None is a device, which must not be renamed over."""
    try:
        target = path.resolve()
        mode = target.stat().st_mode
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
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            temporary.chmod(mode)
            os.fsync(file.fileno())
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(
                _reason("cannot be written", error),
                where=str(target),
                remedy="Nothing was changed; free some space or choose another place",
            ) from error
        raise
    return temporary


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
