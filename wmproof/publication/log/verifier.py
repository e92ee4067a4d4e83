"""What anybody can check offline: that a key is in a log, and that a log only grew.

Trust enters by arguments only: the log's key, its origin, the witnesses' keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wmproof.core.shown import Report
from wmproof.errors import InputError, VerificationError
from wmproof.publication.log.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from wmproof.publication.log.cosignature import Cosignature, verify_cosignatures
from wmproof.publication.log.merkle import leaf_hash, verify_consistency, verify_inclusion
from wmproof.publication.log.note import VerifierKey
from wmproof.publication.log.tlog_proof import parse_consistency_proof, parse_inclusion_proof


@dataclass(frozen=True)
class LoggedReport(Report):
    """An entry is in a log."""

    index: int
    checkpoint: Checkpoint
    """That includes it."""
    cosignatures: tuple[Cosignature, ...]
    """Of the witnesses that were given, earliest first."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it; the root is in base64, as in the checkpoint."""
        witnesses = [item.to_dict() for item in self.cosignatures]
        return {"index": self.index, **self.checkpoint.to_dict(), "cosignatures": witnesses}


def verify_logged(
    proof: bytes,
    entry: bytes,
    log_key: VerifierKey,
    *,
    origin: str | None = None,
    witnesses: Sequence[VerifierKey] = (),
    quorum: int | None = None,
    where: str = "inclusion proof",
) -> LoggedReport:
    """Check that an entry is in a log, as c2sp.org/tlog-proof says.

    Parameters
    ----------
    proof : bytes
        A .tlog-proof file; hostile.
    entry : bytes
        See `entry.key_entry`.
    log_key : VerifierKey
        Trusted.
    origin : str, optional
        The log's, if it is not the name of its key.
    witnesses : sequence of VerifierKey
        Trusted.
    quorum : int, optional
        How many of them must have cosigned; all if not given.
    where : str
        Names the proof in errors.

    Raises
    ------
    FormatError
        The file is no proof.
    VerificationError
        Check ``log-signature``, ``origin``, ``cosignature``, ``quorum`` or ``inclusion``.
    InputError
        The quorum is larger than the number of witnesses.
    """
    parsed = parse_inclusion_proof(proof, where)
    signed = open_checkpoint(parsed.checkpoint, log_key, origin=origin, where=where)
    cosignatures = require_quorum(signed, witnesses, quorum, where)
    checkpoint = signed.checkpoint
    path = (parsed.index, checkpoint.size, checkpoint.root, parsed.path)
    verify_inclusion(leaf_hash(entry), *path)
    return LoggedReport(parsed.index, checkpoint, cosignatures)


def verify_growth(
    proof: bytes,
    old: SignedCheckpoint,
    log_key: VerifierKey,
    *,
    origin: str | None = None,
    where: str = "consistency proof",
) -> SignedCheckpoint:
    """Check that a log only grew since a checkpoint that the verifier holds; return the new one.

    Parameters
    ----------
    proof : bytes
        A consistency proof; hostile.
    old : SignedCheckpoint
        Verified before, with the same key.
    log_key, origin, where
        As `verify_logged`.

    Raises
    ------
    FormatError
        The file is no proof.
    VerificationError
        Check ``log-signature`` or ``origin``; ``rollback``: the new checkpoint is smaller; or
        ``fork``: it does not continue the old one. The last two name both checkpoints.
    """
    parsed = parse_consistency_proof(proof, where)
    signed = open_checkpoint(parsed.checkpoint, log_key, origin=origin, where=where)
    if parsed.old_size != old.checkpoint.size:
        raise VerificationError(
            "proof",
            f"is a proof from size {parsed.old_size}, and {old.checkpoint} is held",
            where=where,
            numbers={"from": parsed.old_size, "held": old.checkpoint.size},
        )
    check_growth(old.checkpoint, signed.checkpoint, parsed.path)
    return signed


def check_growth(old: Checkpoint, new: Checkpoint, path: Sequence[bytes]) -> None:
    """Check a consistency proof between two checkpoints of one log; errors as `verify_growth`."""
    numbers: dict[str, int | float | str] = {
        "old_size": old.size,
        "old_root": old.root.hex(),
        "new_size": new.size,
        "new_root": new.root.hex(),
    }
    if new.size < old.size:
        raise VerificationError(
            "rollback",
            f"the log {old.origin} was rolled back: it showed a {old}, and now a {new}",
            remedy="Keep both: they are evidence against the log",
            numbers=numbers,
        )
    try:
        verify_consistency(old.size, old.root, new.size, new.root, path)
    except VerificationError as error:
        raise VerificationError(
            "fork",
            f"nothing shows that the log {old.origin} only grew from a {old} to a {new} "
            f"({error.what})",
            remedy="Get the proof again; if there is none, the log forked, and both checkpoints "
            "are evidence",
            numbers=numbers,
        ) from error


def require_quorum(
    signed: SignedCheckpoint, witnesses: Sequence[VerifierKey], quorum: int | None, where: str
) -> tuple[Cosignature, ...]:
    """Return the cosignatures of known witnesses, earliest first, if they are enough.

    Raises
    ------
    VerificationError
        Check ``cosignature`` or ``quorum``.
    InputError
        The quorum is larger than the number of witnesses.
    """
    known = len(set(witnesses))
    needed = known if quorum is None else quorum
    if not 0 <= needed <= known:
        raise InputError(f"{needed} of {known} witnesses cannot be asked for")
    found = verify_cosignatures(signed.note, witnesses)
    if len(found) < needed:
        raise VerificationError(
            "quorum",
            f"{len(found)} of the {known} known witnesses have cosigned, and {needed} must",
            where=where,
            numbers={"cosigned": len(found), "known": known, "needed": needed},
        )
    return tuple(sorted(found, key=lambda item: item.timestamp))
