"""Numba's compiler with a cache that cannot fail a command.

Numba refuses to define a function where it finds no folder to write to, unpickles whatever lies in
its cache, and finds machine code through an index that is written before the code is, so that a
killed process leaves an entry for the code of another signature or of an older source. Here a
kernel without a usable cache is compiled anew; there is no index but a file for each signature; and
machine code is loaded only if the digest stored before it is that of the code, the signature and
the source, and only from a folder that nobody else can write to. The source is that of the kernels
which are called, too, and the constants: machine code contains both. The digest notices damage, not
malice: who may write there could as well replace Python's own files.
"""

import contextlib
import hashlib
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from numba.core import caching as _untyped_caching
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic

caching: Any = _untyped_caching
_DIGEST_BYTES = 32
KERNELS: set[Any] = set()
"""All functions that are kept once they are compiled."""


def njit(*, cache: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` with these options; with `cache`, what it compiles is kept where possible."""

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**options)(function)
        if cache:
            # RuntimeError: there is no folder that can be written to.
            with contextlib.suppress(RuntimeError, OSError):
                dispatcher._cache = _Cache(function)
            KERNELS.add(dispatcher)
        return dispatcher

    return decorate


class _Cache(caching.FunctionCache):  # type: ignore[misc]
    """Numba's cache of one function, where every failure is a miss."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        if not _is_ours(Path(self.cache_path)):
            self.disable()
        locator = self._impl.locator
        self._cache_file = _CheckedFiles(
            cache_path=self.cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=(locator.get_source_stamp(), _built_in(function, set())),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # unpickling raises nearly anything
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)


class _CheckedFiles(caching.IndexDataCacheFile):  # type: ignore[misc]
    """Files of machine code, one a signature, that begin with the digest of it and of the rest."""

    def load(self, key: Any) -> Any:
        """Return what was saved under this key, None if that is missing or damaged."""
        stored = self._path(key).read_bytes()
        digest, data = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        if self._digest(key, data) != digest:
            return None
        return pickle.loads(data)  # noqa: S301 - machine code, of which the folder's owner is trusted

    def save(self, key: Any, data: Any) -> None:
        """Write a file at once: processes that compile the same at the same time write the same."""
        dumped = self._dump(data)
        with self._open_for_write(str(self._path(key))) as file:
            file.write(self._digest(key, dumped) + dumped)

    def _path(self, key: Any) -> Path:
        name = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return Path(self._cache_path) / f"{self._index_name.removesuffix('.nbi')}.{name}.nbc"

    def _digest(self, key: Any, data: bytes) -> bytes:
        about = repr((self._version, self._source_stamp, key)).encode()
        return hashlib.sha256(len(about).to_bytes(8, "big") + about + data).digest()


def _built_in(function: Any, seen: set[Any]) -> list[Any]:
    """State of the kernels that a function calls and of its constants, from whichever files."""
    found: list[Any] = []
    names = sorted(_names(function.__code__))
    modules = [v for v in map(function.__globals__.get, names) if isinstance(v, ModuleType)]
    for name in names:
        for scope in (function.__globals__, *map(vars, modules)):
            value = scope.get(name)
            source = _source(value, function)
            if source is not None and value not in seen:
                seen.add(value)
                file = Path(source.__code__.co_filename).stat()
                found.append((name, file.st_mtime_ns, file.st_size, _built_in(source, seen)))
            elif isinstance(value, (int, float, tuple, np.generic)):
                found.append((name, repr(value)))
            elif isinstance(value, np.ndarray):
                found.append((name, str(value.dtype), value.shape, value.tobytes()))
    return found


def _source(value: Any, user: Any) -> Any:
    """The Python function of a kernel, of an intrinsic, or of what that calls in its file."""
    if isinstance(value, Dispatcher):
        return value.py_func
    if isinstance(value, _Intrinsic):
        return value._defn
    if isinstance(value, FunctionType) and value.__globals__ is user.__globals__:
        return value
    return None


def _names(code: CodeType) -> set[str]:
    inner = (part for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*(_names(part) for part in inner))


def _is_ours(folder: Path) -> bool:
    """Whether only this user and root can write there, as far as the system knows owners."""
    if not hasattr(os, "geteuid"):
        return True
    status = folder.stat()
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & stat.S_IWOTH:
        return False
    return not status.st_mode & stat.S_IWGRP or _is_private(status.st_gid)


def _is_private(group: int) -> bool:
    """Whether a group is root's, or this user's own: of the same name, and without other members.

    Where each user has such a group, the usual umask lets it write.
    """
    import grp
    import pwd

    try:
        name, entry = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(group)
    except KeyError:  # nobody says who is in it
        return False
    return entry.gr_name in (name, "root") and set(entry.gr_mem) <= {name, "root"}
