"""A witness: it cosigns a checkpoint only if the log grew from the last one that it cosigned."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from wmproof._base.files import make_folder, read_file, write_file
from wmproof._base.locks import LOCK_TIMEOUT, locked
from wmproof.errors import InputError, VerificationError
from wmproof.publication.log.checkpoint import SignedCheckpoint, open_checkpoint
from wmproof.publication.log.cosignature import verify_cosignatures
from wmproof.publication.log.note import NOTE_LIMIT, Note, NoteSignature, VerifierKey
from wmproof.publication.log.signing import NoteSigner, cosign
from wmproof.publication.log.tlog_proof import parse_consistency_proof
from wmproof.publication.log.verifier import check_growth


class Witness:
    """A witness with its own folder: one checkpoint a log, the last that it cosigned.

    Parameters
    ----------
    folder : path
        Made if it does not exist. A witness that loses it can be made to cosign a fork.
    signer : NoteSigner
        Of a kind that cosigns.
    clock : callable
        Returns POSIX seconds.
    lock_timeout : float
        Seconds to wait for another process that cosigns the same log here.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        signer: NoteSigner,
        *,
        clock: Callable[[], float] = time.time,
        lock_timeout: float = LOCK_TIMEOUT,
    ) -> None:
        self._folder = Path(folder)
        self._signer = signer
        self._clock = clock
        self._lock_timeout = lock_timeout

    def last(self, log_key: VerifierKey, *, origin: str | None = None) -> SignedCheckpoint | None:
        """Return the last checkpoint of a log that was cosigned, or None.

        Raises
        ------
        FormatError, VerificationError
            The witness's own folder was tampered with.
        """
        path = self._path(log_key.name if origin is None else origin)
        if not path.exists():
            return None
        data = read_file(path, limit=NOTE_LIMIT)
        signed = open_checkpoint(data, log_key, origin=origin, where=str(path))
        if not verify_cosignatures(signed.note, [self._signer.verifier_key]):
            raise VerificationError(
                "cosignature",
                "the last checkpoint was not cosigned by this witness",
                where=str(path),
                remedy="Restore the witness's folder",
            )
        return signed

    def add_checkpoint(
        self, request: bytes, log_key: VerifierKey, *, origin: str | None = None
    ) -> NoteSignature:
        """Verify that a log only grew, remember its checkpoint durably, and cosign it.

        Parameters
        ----------
        request : bytes
            A consistency proof from the last checkpoint that was cosigned, or from size 0 the
            first time; hostile. This is the add-checkpoint request of c2sp.org/tlog-witness.
        log_key : VerifierKey
            The log's, as this witness trusts it.
        origin : str, optional
            If it is not the name of the key.

        Raises
        ------
        FormatError
            The request does not parse.
        VerificationError
            Check ``log-signature`` or ``origin``; ``rollback`` or ``fork``, which name both
            checkpoints; ``proof``: it starts from another size than the last checkpoint; or
            ``clock``: the time is before the last cosignature.
        """
        parsed = parse_consistency_proof(request, "request")
        new = open_checkpoint(parsed.checkpoint, log_key, origin=origin, where="request")
        path = self._path(new.checkpoint.origin)
        make_folder(path.parent)
        with locked(path, timeout=self._lock_timeout):
            last = self.last(log_key, origin=origin)
            self._check(last, new, parsed.old_size, parsed.path)
            line = cosign(new.note.text, self._signer, self._time(last))
            kept = Note(new.note.text, (*new.note.by(log_key), line))
            write_file(path, kept.to_bytes(), overwrite=True)
        return line

    def _path(self, origin: str) -> Path:
        return self._folder / hashlib.sha256(origin.encode()).hexdigest() / "checkpoint"

    def _check(
        self,
        last: SignedCheckpoint | None,
        new: SignedCheckpoint,
        old_size: int,
        path: tuple[bytes, ...],
    ) -> None:
        held = 0 if last is None else last.checkpoint.size
        if last is not None and new.checkpoint.size < held:
            check_growth(last.checkpoint, new.checkpoint, path)
        if old_size != held:
            raise VerificationError(
                "proof",
                f"the request starts from size {old_size}, and the last cosigned size is {held}",
                remedy=f"Make the request again, from size {held}",
                numbers={"from": old_size, "held": held},
            )
        if last is not None:
            check_growth(last.checkpoint, new.checkpoint, path)
        elif path:
            raise VerificationError("proof", "a proof from size 0 must be empty")

    def _time(self, last: SignedCheckpoint | None) -> int:
        now = int(self._clock())
        if last is not None:
            key = self._signer.verifier_key
            before = max(c.timestamp for c in verify_cosignatures(last.note, [key]))
            if now < before:
                raise VerificationError(
                    "clock",
                    f"the clock says {now}, and the last cosignature was made at {before}",
                    remedy="Set the witness's clock. If it was right now and ran ahead then, wait "
                    "until that time, or begin a witness under another name with a new key and a "
                    "new --state: a cosignature cannot be taken back",
                    numbers={"now": now, "last": before},
                )
        if now <= 0:
            raise InputError(f"the clock says {now}")
        return now
