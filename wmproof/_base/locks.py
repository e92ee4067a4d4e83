"""Locks on files that are replaced: one process at a time reads one, and writes it anew."""

import contextlib
import hashlib
import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path

from wmproof.errors import InputError

LOCK_TIMEOUT = 600.0


@contextlib.contextmanager
def locked(path: str | os.PathLike[str], *, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold a file's lock, so that two processes cannot update it at the same time.

    The lock is an empty hidden file beside it, which stays: were it removed, two processes could
    each hold one of that name. Only who may write to the folder may open it, so that nobody who may
    merely read there can keep a writer waiting.

    InputError if the lock cannot be made, another process holds it for longer than `timeout`, or
    the path is that of something else than a file, to which nothing could be written back.

    Parameters
    ----------
    path : path
        The file, which need not exist. Links are followed, so all its names share one lock.
    timeout : float
        Seconds after which waiting is given up.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the system has no locks: then a file is one
        from filelock import FileLock, Timeout  # a tenth of a second that most need not wait

    name = lock_name(path)
    if Path(path).exists() and not Path(path).is_file():
        raise InputError(
            "is a folder, a pipe or a device, and no file that can be written anew", where=str(path)
        )
    try:
        lock = FileLock(name, mode=_mode(name.parent))
        lock.acquire(timeout=timeout)
    except Timeout as error:
        raise InputError(
            f"is in use by {_holder(name)}" + (f", for {timeout:g} s now" if timeout else ""),
            where=str(path),
            remedy="Try again when that has ended, or wait longer where there is --lock-timeout",
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot be locked ({reason})",
            where=str(path),
            remedy=f"Let whoever runs this make and open {name.name} in that folder",
        ) from error
    try:
        yield
    finally:
        lock.release()


def lock_name(path: str | os.PathLike[str]) -> Path:
    """Where the lock of a file is; its own name may be as long as names can be."""
    try:
        target = Path(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError("is not a path that can be written", where=repr(str(path))) from error
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()
    return target.with_name(f".wmproof-{digest[:16]}.lock")


def _mode(folder: Path) -> int:
    """Who may write to the folder, and remove what others made there, may hold its locks."""
    mode = folder.stat().st_mode
    shared = 0 if mode & stat.S_ISVTX else mode & (stat.S_IWGRP | stat.S_IWOTH)
    return 0o600 | shared | shared << 1


def _holder(name: Path) -> str:
    """Name the process that holds a lock, as far as this system tells."""
    with contextlib.suppress(OSError, ValueError, IndexError, StopIteration, AttributeError):
        status = name.stat()
        file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        pid = next(int(one[4]) for one in locks if one[1] == "FLOCK" and one[5] == file)
        return f"process {pid} ({Path(f'/proc/{pid}/comm').read_text().strip()})"
    return f"another process, on this host or another (`lsof {name}` may tell)"
