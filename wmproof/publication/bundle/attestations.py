"""Who attests that something was there, and when: the timestamps of a bundle."""

import hashlib
from dataclasses import dataclass
from typing import Any

from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.publication.bundle.format import Bundle, Part, PartKind, Subject
from wmproof.publication.bundle.moments import Moment, around
from wmproof.publication.bundle.trust import Trust
from wmproof.publication.log.tlog_proof import parse_inclusion_proof


@dataclass(frozen=True)
class Attestation:
    """Somebody who is trusted says that something was there."""

    subject: Subject
    moment: Moment
    """It was there by then, and perhaps long before."""
    by: str
    """Who says so."""
    log: str | None = None
    """The log in which everyone could see it then; without one it is only known to have existed."""

    @property
    def public(self) -> bool:
        """Whether everyone could see it, and not only that it existed."""
        return self.log is not None

    @property
    def what(self) -> str:
        """In words."""
        verb = "published" if self.public else "existed"
        return f"{self.subject.name.lower()} {verb}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it."""
        return {
            "what": self.what,
            "earliest": self.moment.earliest.isoformat(),
            "latest": self.moment.latest.isoformat(),
            "by": self.by,
            "public": self.public,
        }


@dataclass(frozen=True)
class NotShown:
    """What the evidence does not show."""

    part: str
    """Stable across versions, for machines."""
    why: str
    """In one sentence, without a final full stop."""


def subject_digests(bundle: Bundle) -> dict[Subject, tuple[bytes, ...]]:
    """Return the SHA-256 digests of all that a timestamp in a bundle can be of."""
    proofs = bundle.of_kind(PartKind.INCLUSION_PROOF)
    checkpoints = [parse_inclusion_proof(p.content, p.name).checkpoint for p in proofs]
    claim = [] if bundle.claim is None else [bundle.claim]
    return {
        Subject.KEY: (bundle.public_key.digest,),
        Subject.MODEL: (bundle.model_digest,),
        Subject.CHECKPOINT: tuple(hashlib.sha256(c).digest() for c in checkpoints),
        Subject.CLAIM: tuple(hashlib.sha256(c).digest() for c in claim),
    }


def stamped_digest(kind: PartKind, content: bytes, where: str) -> bytes:
    """Return the digest that a timestamp is of; nothing is verified.

    Raises
    ------
    FormatError
        It is no timestamp of this kind.
    """
    if kind is PartKind.RFC3161:
        from wmproof.publication.timestamps.rfc3161 import parse_token

        return parse_token(content, where)[1].message_imprint.message
    from wmproof.publication.timestamps.ots import parse_ots

    digest: bytes = parse_ots(content, where).file_digest
    return digest


def verify_stamp(
    part: Part, digests: tuple[bytes, ...], trust: Trust, where: str
) -> Attestation | NotShown:
    """Check one timestamp against the verifier's roots or block headers.

    Parameters
    ----------
    part : Part
    digests : tuple of bytes
        Of what it may be of; one must fit.
    trust : Trust
    where : str
        Names the part in errors.

    Returns
    -------
    Attestation or NotShown
        The latter where the verifier has nothing to check it with.

    Raises
    ------
    FormatError
        It does not parse.
    VerificationError
        As `timestamps.rfc3161.verify_token` and `timestamps.ots.verify_ots`.
    """
    by_authority = part.kind is PartKind.RFC3161
    if by_authority and not trust.tsa_roots:
        return NotShown(part.name, "no root of a timestamp authority was given")
    if not by_authority and not trust.block_headers:
        return NotShown(part.name, "no block headers were given")
    found = stamped_digest(part.kind, part.content, where)
    digest = found if found in digests else digests[0]
    if by_authority:
        return _verify_token(part, digest, trust, where)
    return _verify_ots(part, digest, trust, where)


def _verify_token(part: Part, digest: bytes, trust: Trust, where: str) -> Attestation:
    from wmproof.publication.timestamps.rfc3161 import verify_token

    stamp = verify_token(
        part.content,
        digest,
        trust.tsa_roots,
        intermediates=trust.tsa_intermediates,
        now=trust.now,
        where=where,
    )
    moment = around(stamp.gen_time, stamp.accuracy)
    return Attestation(part.subject, moment, f"the timestamp authority {stamp.authority}")


def _verify_ots(part: Part, digest: bytes, trust: Trust, where: str) -> Attestation | NotShown:
    from wmproof.publication.timestamps.block_headers import MAINNET_DIFFICULTY
    from wmproof.publication.timestamps.ots import BLOCK_SKEW, verify_ots

    least = MAINNET_DIFFICULTY if trust.minimum_difficulty is None else trust.minimum_difficulty
    try:
        stamp = verify_ots(
            part.content,
            digest,
            trust.block_headers,
            minimum_difficulty=least,
            now=trust.now,
            where=where,
        )
    except (FormatError, VerificationError):
        raise
    except InputError as error:  # a header that the verifier does not have
        return NotShown(part.name, error.what)
    moment = around(stamp.block_time, BLOCK_SKEW)
    return Attestation(part.subject, moment, f"block {stamp.block_height} of Bitcoin")
