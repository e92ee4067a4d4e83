"""That a bundle's key is in a log, and since when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from wmproof.errors import VerificationError
from wmproof.keys import PublicKey
from wmproof.publication.bundle.format import Part
from wmproof.publication.bundle.moments import Moment, around
from wmproof.publication.bundle.trust import Trust
from wmproof.publication.log.checkpoint import SignedCheckpoint, open_checkpoint
from wmproof.publication.log.entry import key_entry
from wmproof.publication.log.note import Note, VerifierKey, parse_note
from wmproof.publication.log.tlog_proof import parse_consistency_proof, parse_inclusion_proof
from wmproof.publication.log.verifier import LoggedReport, check_growth, verify_logged


@dataclass(frozen=True)
class Logged:
    """The key is in a log that the verifier knows."""

    log_key: VerifierKey
    report: LoggedReport
    signed: SignedCheckpoint
    quorum: int
    """How many witnesses the verifier asked for."""
    moment: Moment | None
    """When as many witnesses as are asked for had seen it; None without witnesses, since a log does
    not say the time."""
    grown: bool
    """Whether a fresh checkpoint shows that the log still has it."""

    @property
    def log(self) -> str:
        """The log's origin with its key, which together name it."""
        return f"{self.report.checkpoint.origin} {self.log_key}"

    @property
    def by(self) -> str:
        """Log and witnesses, in words."""
        names = ", ".join(item.witness.name for item in self.report.cosignatures)
        log = f"the log {self.report.checkpoint.origin}, entry {self.report.index}"
        return f"{log}, witnessed by {names}" if names else log


def verify_log_part(part: Part, key: PublicKey, trust: Trust, where: str) -> Logged:
    """Check an inclusion proof against the logs and witnesses that a verifier knows.

    Raises
    ------
    FormatError
        It does not parse.
    VerificationError
        As `log.verifier.verify_logged`; ``rollback`` or ``fork`` if the log of today does not
        continue the bundle's checkpoint.
    InputError
        The quorum is larger than the number of witnesses.
    """
    checkpoint = parse_inclusion_proof(part.content, where).checkpoint
    log_key = _key_of(parse_note(checkpoint, where), trust.log_keys)
    origin = trust.origins.get(log_key.name)
    report = verify_logged(
        part.content,
        key_entry(key),
        log_key,
        origin=origin,
        witnesses=trust.witnesses,
        quorum=trust.quorum,
        where=where,
    )
    signed = open_checkpoint(checkpoint, log_key, origin=origin, where=where)
    fresh = [_grown(data, signed, log_key, origin) for data in trust.log_now]
    moment = _witnessed(report, trust.needed)
    return Logged(log_key, report, signed, trust.needed, moment, any(fresh))


def _key_of(note: Note, keys: Iterable[VerifierKey]) -> VerifierKey:
    """Return the key that claims to have signed, or any: its check will fail and say so."""
    known = list(keys)
    return next((key for key in known if note.by(key)), known[0])


def _witnessed(report: LoggedReport, needed: int) -> Moment | None:
    """Return when a quorum had seen it: unless all of them lie, one of them truly had by then."""
    if not needed:
        return None
    times = sorted(item.timestamp for item in report.cosignatures)
    try:
        return around(datetime.fromtimestamp(times[needed - 1], UTC), None)
    except (ValueError, OverflowError, OSError):
        raise VerificationError(
            "cosignature", "a witness gives a time that no calendar has"
        ) from None


def _grown(data: bytes, signed: SignedCheckpoint, log_key: VerifierKey, origin: str | None) -> bool:
    """Compare with a fresh checkpoint or consistency proof; False if it says nothing about this."""
    where = "the log as it is now"
    proof = parse_consistency_proof(data, where) if data.startswith(b"old ") else None
    note = proof.checkpoint if proof else data
    if not parse_note(note, where).by(log_key):
        return False
    fresh = open_checkpoint(note, log_key, origin=origin, where=where).checkpoint
    held = signed.checkpoint
    if fresh.size > held.size and (proof is None or proof.old_size != held.size):
        return False
    check_growth(held, fresh, proof.path if proof else ())
    return True
