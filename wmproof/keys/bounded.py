"""Bounded public verification (section 4.1 of the paper): each batch of a key is revealed once."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from wmproof._base.files import SECRET_MODE, check_target, read_file, reserved, write_file
from wmproof._base.locks import LOCK_TIMEOUT, locked
from wmproof.errors import InputError
from wmproof.keys.batch import BatchOpening
from wmproof.keys.encryption import (
    decrypt_marking_key,
    encrypt_marking_key,
    parse_marking_key_header,
)
from wmproof.keys.files import FILE_LIMIT, load_marking_key
from wmproof.keys.marking_key import MarkingKey


def reveal(
    key_path: str | os.PathLike[str],
    output: str | os.PathLike[str] | Callable[[int], str | os.PathLike[str]],
    passphrase: str,
    *,
    signing_seed: bytes | None = None,
    overwrite: bool = False,
    lock_timeout: float = LOCK_TIMEOUT,
) -> BatchOpening:
    """Open the next batch of a bounded key, once, and remember it.

    The key file records the batch as spent, and that is safely on disk, before the opening is
    written; its name and its room on the disk are taken before that. If writing the opening fails
    all the same, the batch stays spent; `reveal_again` writes it.

    Parameters
    ----------
    key_path : path
        The marking key's file; replaced.
    output : path or callable
        Where the opening goes, or a function from the number of the batch to that.
    passphrase : str
        Of the marking key.
    signing_seed : bytes, optional
        Signs the opening instead of the seed in the marking key.
    overwrite : bool
        Replace an existing file at `output`.
    lock_timeout : float
        Seconds to wait for another process that works in the key's folder.

    Returns
    -------
    BatchOpening
        As written.

    Raises
    ------
    InputError
        The key has no batch left, or a file cannot be read or written.
    """
    key_path = Path(key_path)
    with contextlib.ExitStack() as room:
        with locked(key_path, timeout=lock_timeout):
            stored = read_file(key_path, limit=FILE_LIMIT)
            cost = parse_marking_key_header(stored, str(key_path)).cost
            key = decrypt_marking_key(stored, passphrase, str(key_path)).after_reveal()
            opening = _opening(key, key.revealed, signing_seed)
            target = _free_target(output, key.revealed, key_path, overwrite=overwrite)
            updated = encrypt_marking_key(key, passphrase, cost=cost)
            data = opening.to_bytes()
            write = room.enter_context(reserved(target, len(data), overwrite=overwrite))
            with _again(opening.batch, lambda: read_file(key_path, limit=FILE_LIMIT) != stored):
                write_file(key_path, updated, overwrite=True, mode=SECRET_MODE)
        # The reader of a pipe may take its time: nobody else waits for it.
        with _again(opening.batch, lambda: True):
            write(data)
    return opening


def reveal_again(
    key_path: str | os.PathLike[str],
    batch: int,
    output: str | os.PathLike[str],
    passphrase: str,
    *,
    signing_seed: bytes | None = None,
    overwrite: bool = False,
) -> BatchOpening:
    """Write the opening of a batch that has been revealed before; never a fresh one.

    Parameters
    ----------
    batch : int
        Counted from 1.
    key_path, output, passphrase, signing_seed, overwrite
        As `reveal`. The key file is not changed.

    Returns
    -------
    BatchOpening
        As written.

    Raises
    ------
    InputError
        The batch is still secret or does not exist, or a file cannot be read or written.
    """
    key = load_marking_key(key_path, passphrase)
    opening = _opening(key, batch, signing_seed)
    target = _free_target(output, batch, Path(key_path), overwrite=overwrite)
    write_file(target, opening.to_bytes(), overwrite=overwrite)
    return opening


def _opening(key: MarkingKey, batch: int, signing_seed: bytes | None) -> BatchOpening:
    opening = key.batch_opening(batch)
    seed = key.signing_seed if signing_seed is None else signing_seed
    return opening if seed is None else opening.signed(seed)


def _free_target(
    output: str | os.PathLike[str] | Callable[[int], str | os.PathLike[str]],
    batch: int,
    key_path: Path,
    *,
    overwrite: bool,
) -> Path:
    """Find out that a name is taken before a batch is spent on it."""
    target = Path(output(batch) if callable(output) else output)
    if target.resolve() == key_path.resolve():
        raise InputError("is the marking key itself", where=str(target))
    check_target(target, overwrite=overwrite)
    return target


@contextlib.contextmanager
def _again(batch: int, is_spent: Callable[[], bool]) -> Iterator[None]:
    """Say how to go on where a failure comes after the batch was spent."""
    try:
        yield
    except InputError as error:
        if not is_spent():
            raise
        raise InputError(
            error.what,
            where=error.where,
            remedy=f"Batch {batch} is recorded as revealed; write its opening again with "
            f"reveal --again {batch}",
        ) from error
