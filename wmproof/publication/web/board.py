"""What the pages and the API show of a log."""

import contextlib
import functools
import threading
from pathlib import Path

from wmproof.core.checks import Check
from wmproof.core.policy import Policy
from wmproof.core.triggers import name_coins
from wmproof.errors import InputError, WmproofError
from wmproof.keys import PublicKey
from wmproof.keys.check import examine_public_key
from wmproof.publication.log.cosignature import Cosignature, verify_cosignatures
from wmproof.publication.log.entry import digest_entry, entry_digest
from wmproof.publication.log.published import load_published, published_path
from wmproof.publication.log.reader import CHECKPOINT, LogReader
from wmproof.publication.web.leaf_index import LeafIndex
from wmproof.publication.web.schemas import (
    CheckModel,
    CosignatureModel,
    EntriesModel,
    EntryModel,
    KeyDetailsModel,
    KeyModel,
    LogModel,
)
from wmproof.publication.web.settings import Settings
from wmproof.report.key_sheet import public_key_sheet

_SHEETS, _DETAILS = 32, 1024


class NotFoundError(InputError):
    """There is no such thing in the log."""


class Board:
    """A log for readers; safe with many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._mutex = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._leaves = LeafIndex()
        self._log = self.reader()
        self._sheets = functools.lru_cache(maxsize=_SHEETS)(self._draw_sheet)
        self._details = functools.lru_cache(maxsize=_DETAILS)(self._read_details)
        # Keys are large: readers of many at once wait here, and not in memory.
        self._one_key = threading.Lock()

    @property
    def folder(self) -> Path:
        """The log's folder."""
        return self._settings.folder

    def reader(self) -> LogReader:
        """Return the log at its present checkpoint, whose signature is verified once.

        WmproofError if the checkpoint is not the log's, or cannot be read.
        """
        with self._mutex:
            seen = self._identity()
            if seen is None or self._seen != seen:
                self._log = LogReader(self.folder, self._settings.log_key)
                self._leaves.follow(self._log)
                self._seen = seen
            return self._log

    def cosignatures(self) -> tuple[Cosignature, ...]:
        """Return those of the witnesses that this server knows."""
        return verify_cosignatures(self.reader().signed.note, self._settings.witnesses)

    def head(self) -> LogModel:
        """Return the present checkpoint."""
        log = self.reader()
        origin, size, root = log.checkpoint.text.splitlines()[:3]
        return LogModel(
            origin=origin,
            size=int(size),
            root=root,
            log_key=str(log.log_key),
            cosignatures=[
                CosignatureModel(witness=c.witness.name, timestamp=c.timestamp)
                for c in self.cosignatures()
            ],
            checkpoint=log.checkpoint_bytes.decode(),
        )

    def entries(self, start: int, limit: int) -> EntriesModel:
        """Return entries `start` to `start + limit` - 1, as far as there are any."""
        log = self.reader()
        end = min(log.size, start + limit)
        found = log.entries(start, end) if start < end else iter(())
        listed = [self._entry(index, entry) for index, entry in enumerate(found, start)]
        return EntriesModel(size=log.size, entries=listed)

    def index(self, digest: bytes) -> int | None:
        """Return the first index of a key, or None."""
        log = self.reader()
        with self._mutex:
            return self._leaves.find(log, digest_entry(digest))

    def require_index(self, digest: bytes) -> int:
        """Return the first index of a key; NotFoundError if it is not in the log."""
        index = self.index(digest)
        if index is None:
            raise NotFoundError("no key with this digest is in the log")
        return index

    def proof(self, digest: bytes) -> bytes:
        """Return the .tlog-proof of a key; NotFoundError if it is not in the log."""
        return self.reader().prove_inclusion(self.require_index(digest)).to_bytes()

    def key(self, digest: bytes) -> KeyModel:
        """Return what is known of a key; NotFoundError if it is not in the log."""
        index = self.require_index(digest)
        details = self._examine(digest)
        return KeyModel(
            index=index, digest=digest.hex(), published=details is not None, details=details
        )

    def file(self, digest: bytes) -> Path:
        """Return where a logged key is, once checked; NotFoundError if only its digest is here."""
        if self.key(digest).details is None:
            raise NotFoundError("only the digest of this key is here, not the key")
        return published_path(self.folder, digest)

    def contact_sheet(self, digest: bytes) -> bytes:
        """Return the opened triggers of a key as PNG; NotFoundError as `file`."""
        self.file(digest)
        with self._one_key:
            return self._sheets(digest)

    def _examine(self, digest: bytes) -> KeyDetailsModel | None:
        """Return what a published key says; it is read once, and when its file changes."""
        with self._one_key:
            try:
                status = published_path(self.folder, digest).stat()
            except OSError:
                return None
            with contextlib.suppress(NotFoundError):
                return self._details(digest, status.st_ino, status.st_mtime_ns)
        return None

    def _draw_sheet(self, digest: bytes) -> bytes:
        return public_key_sheet(self._published(digest))

    def _read_details(self, digest: bytes, _inode: int, _changed: int) -> KeyDetailsModel:
        return _details(self._published(digest), self._settings.policy)

    def _published(self, digest: bytes) -> PublicKey:
        key = load_published(self.folder, digest)
        if key is None:
            raise NotFoundError("the key is gone")
        return key

    def _identity(self) -> tuple[int, int] | None:
        """Return what changes with every new checkpoint, or None if there is none to be read."""
        try:
            status = (self.folder / CHECKPOINT).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _entry(self, index: int, entry: bytes) -> EntryModel:
        digest = entry_digest(entry)
        published = digest is not None and published_path(self.folder, digest).exists()
        return EntryModel(index=index, digest=digest.hex() if digest else None, published=published)


def _details(key: PublicKey, policy: Policy) -> KeyDetailsModel:
    report = examine_public_key(key, policy)
    vk = key.verification_key
    return KeyDetailsModel(
        key_id=vk.key_id.hex(),
        labels=vk.label_mode.name.lower(),
        shape=list(vk.image_shape),
        classes=vk.classes,
        coins=name_coins(vk.group),
        triggers=len(vk),
        opened=len(key.opened) // vk.group,
        hidden=report.soundness.hidden,
        security=report.security,
        threshold=report.threshold if report.holds else None,
        strength_bits=report.strength_bits if report.holds else None,
        signer=key.signature.signer.hex() if key.signature else None,
        bytes=len(key.to_bytes()),
        holds=report.holds,
        checks=[_check(item) for item in report.checks],
    )


def _check(item: Check) -> CheckModel:
    return CheckModel(check=item.name, outcome=item.outcome.value, what=item.what)


def explain(error: WmproofError) -> str:
    """Say what failed and what to do, without the server's own paths."""
    return f"{error.what}. {error.remedy}" if error.remedy else error.what
