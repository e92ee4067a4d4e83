"""Writing a log: append entries, and publish them under a signed checkpoint.

An append is acknowledged when it is durable in the journal; a checkpoint then moves what the
journal holds into tiles. The tiles are safely on disk before the checkpoint that needs them, and
the checkpoint before the journal forgets. A crash at any moment leaves a state from which the
same entries lead to the same tiles and the same checkpoint.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from wmproof._base.files import make_folder, write_file, write_files
from wmproof._base.locks import LOCK_TIMEOUT, locked
from wmproof.errors import InputError, VerificationError
from wmproof.publication.log.checkpoint import Checkpoint, SignedCheckpoint
from wmproof.publication.log.cosignature import verify_cosignatures
from wmproof.publication.log.journal import Journal
from wmproof.publication.log.merkle import EMPTY_ROOT
from wmproof.publication.log.note import Note, NoteSignature, VerifierKey
from wmproof.publication.log.reader import CHECKPOINT, VERIFIER_KEY, LogReader, read_verifier_key
from wmproof.publication.log.signing import NoteSigner, sign_checkpoint
from wmproof.publication.log.tile_writer import extend_tiles, remove_partial_tiles

STATE = ".state"
JOURNAL = "journal"


class Log:
    """A log in a folder, to be written to; safe with many threads and processes.

    Parameters
    ----------
    folder : path
        Made by `create_log`.
    lock_timeout : float
        Seconds to wait for another process that writes to the log.

    Raises
    ------
    InputError
        There is no log.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, lock_timeout: float = LOCK_TIMEOUT
    ) -> None:
        self.folder = Path(folder)
        self._lock_timeout = lock_timeout
        self.log_key = read_verifier_key(self.folder)
        self._journal = Journal(self.folder / STATE / JOURNAL)
        self._mutex = threading.Lock()

    def append(self, entry: bytes) -> int:
        """Append one entry; return its index once it is durable.

        Raises
        ------
        InputError
            It is longer than 65535 bytes, or the system refuses; then nothing was appended.
        FormatError
            The journal is damaged.
        """
        return self.append_all([entry]).start

    def append_all(self, entries: Sequence[bytes]) -> range:
        """Append several entries at once, all or none; return their indices. Errors as `append`."""
        with self._exclusive():
            first = self._journal.append(list(entries)) if entries else self._journal.end
        return range(first, first + len(entries))

    def pending(self) -> list[tuple[int, bytes]]:
        """Return the entries that may be in no checkpoint yet, each with its index."""
        with self._exclusive():
            return list(enumerate(self._journal.entries, self._journal.base))

    @property
    def end(self) -> int:
        """Index of the next entry: the entries in the checkpoint and those that wait for one."""
        with self._exclusive():
            return self._journal.end

    def checkpoint(self, signer: NoteSigner) -> SignedCheckpoint:
        """Publish everything that was appended, and return the signed checkpoint.

        With nothing new, the present checkpoint stays as it is, with its cosignatures.

        Raises
        ------
        InputError
            The key is not this log's.
        VerificationError
            Check ``tiles``: the folder does not fit its own checkpoint; or ``rollback``: the
            checkpoint is older than the journal. Nothing is signed then.
        """
        if signer.verifier_key != self.log_key:
            raise InputError(
                f"is the log of {self.log_key.name} with another key", where=str(self.folder)
            )
        with self._exclusive():
            present = LogReader(self.folder, self.log_key)
            pending = self._pending(present.checkpoint)
            if not pending:
                return present.signed
            self._check_edge(present)
            return self._publish(present, pending, signer)

    def add_cosignatures(
        self, lines: Sequence[NoteSignature], witnesses: Sequence[VerifierKey]
    ) -> SignedCheckpoint:
        """Add cosignatures of the present checkpoint by known witnesses.

        Raises
        ------
        VerificationError
            Check ``cosignature``: one does not fit the present checkpoint.
        InputError
            None is by one of these witnesses.
        """
        with self._exclusive():
            signed = LogReader(self.folder, self.log_key).signed
            offered = Note(signed.note.text, tuple(lines))
            names = {item.witness for item in verify_cosignatures(offered, witnesses)}
            if not names:
                raise InputError("no cosignature is by one of the given witnesses")
            added = {line for witness in names for line in offered.by(witness)}
            replaced = {line for witness in names for line in signed.note.by(witness)}
            kept = [line for line in signed.note.signatures if line not in replaced]
            new = [line for line in lines if line in added]
            note = Note(signed.note.text, (*kept, *dict.fromkeys(new)))
            write_file(self.folder / CHECKPOINT, note.to_bytes(), overwrite=True)
            return SignedCheckpoint(signed.checkpoint, note)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        journal = self.folder / STATE / JOURNAL
        with self._mutex, locked(journal, timeout=self._lock_timeout):
            self._journal.refresh()
            yield

    def _pending(self, present: Checkpoint) -> list[bytes]:
        """Return what is in no checkpoint; a crash may have left published entries before it."""
        journal = self._journal
        if not journal.base <= present.size <= journal.end:
            raise VerificationError(
                "rollback",
                f"the {present} does not fit the journal from {journal.base} to {journal.end}",
                where=str(self.folder),
                remedy="A part of the folder is older than the rest: restore it whole",
                numbers={"size": present.size, "first": journal.base, "end": journal.end},
            )
        return journal.entries[present.size - journal.base :]

    def _check_edge(self, present: LogReader) -> None:
        """Compare the tiles that will be continued with what was signed."""
        root = present.root(present.size)
        if root != present.checkpoint.root:
            raise VerificationError(
                "tiles",
                f"the tiles give the root {root.hex()}, which is not that of the "
                f"{present.checkpoint}",
                where=str(self.folder),
                remedy="Restore the folder from a copy; nothing was signed",
            )

    def _publish(
        self, present: LogReader, pending: list[bytes], signer: NoteSigner
    ) -> SignedCheckpoint:
        old, size = present.checkpoint, present.size + len(pending)
        root = extend_tiles(present, pending)
        checkpoint = Checkpoint(old.origin, size, root)
        note = sign_checkpoint(checkpoint, signer)
        write_file(self.folder / CHECKPOINT, note.to_bytes(), overwrite=True)
        self._journal.restart(size)
        remove_partial_tiles(self.folder, old.size, size)
        return SignedCheckpoint(checkpoint, note)


def create_log(folder: str | os.PathLike[str], signer: NoteSigner) -> Log:
    """Make an empty log with its first checkpoint.

    Parameters
    ----------
    folder : path
        Made if it does not exist; must be empty otherwise, or have what an interrupted call left
        there, which is then replaced.
    signer : NoteSigner
        Of the kind ED25519; its name is the log's origin.

    Raises
    ------
    InputError
        The folder is not empty or cannot be made, or the key is a witness's.
    """
    folder = Path(folder)
    _require_free(folder)
    make_folder(folder)
    key = signer.verifier_key
    note = sign_checkpoint(Checkpoint(signer.name, 0, EMPTY_ROOT), signer)
    with locked(folder / CHECKPOINT):
        _require_free(folder)  # another process may have been here
        make_folder(folder / STATE)
        Journal(folder / STATE / JOURNAL).restart(0)
        files = {folder / VERIFIER_KEY: f"{key}\n".encode(), folder / CHECKPOINT: note.to_bytes()}
        write_files(files, overwrite=True)
    return Log(folder)


def _require_free(folder: Path) -> None:
    try:
        taken = folder.exists() and not _is_begun(folder)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(folder)) from error
    if taken:
        raise InputError("is not empty", where=str(folder), remedy="Choose another folder")


def _is_begun(folder: Path) -> bool:
    """Whether a folder has nothing but what `create_log` writes before the checkpoint, its last."""
    if not all(_is_own(item, {STATE, VERIFIER_KEY}) for item in folder.iterdir()):
        return False
    state = folder / STATE
    if not state.exists():
        return True
    if not all(_is_own(item, {JOURNAL}) for item in state.iterdir()):
        return False
    journal = Journal(state / JOURNAL)
    if (state / JOURNAL).exists():
        journal.refresh()
    return journal.end == 0  # somebody may have appended already


def _is_own(item: Path, names: set[str]) -> bool:
    return item.name in names or item.name.startswith(".wmproof-")
