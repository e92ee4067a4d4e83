"""Making a bundle: what does not belong together is refused here already."""

from collections.abc import Iterable

from wmproof.errors import InputError, VerificationError
from wmproof.keys import PublicKey
from wmproof.publication.bundle.attestations import stamped_digest, subject_digests
from wmproof.publication.bundle.format import Bundle, Part, PartKind, Pixels, Subject
from wmproof.publication.log.checkpoint import parse_checkpoint
from wmproof.publication.log.entry import key_entry
from wmproof.publication.log.merkle import leaf_hash, verify_inclusion
from wmproof.publication.log.note import parse_note
from wmproof.publication.log.tlog_proof import parse_inclusion_proof
from wmproof.pverify.claim_file import parse_claim

Named = tuple[str, bytes]
"""The name of a file, for errors, and its content."""


def make_bundle(
    public_key: PublicKey,
    model_digest: bytes,
    *,
    pixels: Pixels = Pixels.RAW,
    claim: Named | None = None,
    inclusion_proofs: Iterable[Named] = (),
    timestamps: Iterable[Named] = (),
) -> Bundle:
    """Put evidence together. No signature is checked: that needs trust, which is the verifier's.

    Parameters
    ----------
    public_key : PublicKey
    model_digest : bytes
        SHA-256 of the model file, 32 bytes.
    pixels : Pixels
        What a float model takes.
    claim : (str, bytes), optional
        A claim file.
    inclusion_proofs : iterable of (str, bytes)
        Files .tlog-proof.
    timestamps : iterable of (str, bytes)
        RFC 3161 tokens and OpenTimestamps files, of the key's file, the model's, the claim's, or
        of a checkpoint in one of the proofs; which one is found out by the digest.

    Raises
    ------
    FormatError
        A file is not of its kind.
    VerificationError
        ``key`` or ``model``: the claim is about another one; ``inclusion``: a proof is of another
        key; ``timestamp-subject``: a timestamp is of none of these.
    InputError
        An OpenTimestamps file has nothing but promises.
    """
    parts = [Part(PartKind.PUBLIC_KEY, Subject.NONE, public_key.to_bytes())]
    if claim is not None:
        _check_claim(claim, public_key, model_digest)
        parts.append(Part(PartKind.CLAIM, Subject.NONE, claim[1]))
    for where, proof in inclusion_proofs:
        _check_inclusion(proof, public_key, where)
        parts.append(Part(PartKind.INCLUSION_PROOF, Subject.NONE, proof))
    without_stamps = Bundle(model_digest, pixels, tuple(sorted(set(parts))))
    subjects = {
        digest: subject
        for subject, digests in subject_digests(without_stamps).items()
        for digest in digests
    }
    parts += [_stamp(where, content, subjects) for where, content in timestamps]
    return Bundle(model_digest, pixels, tuple(sorted(set(parts))))


def _check_claim(claim: Named, key: PublicKey, model_digest: bytes) -> None:
    header, _ = parse_claim(claim[1], claim[0])
    for name, found, expected in (
        ("key", header.key_digest, key.verification_key.digest),
        ("model", header.model_digest, model_digest),
    ):
        if found != expected:
            raise VerificationError(
                name,
                f"the claim is about another {name}",
                where=claim[0],
                numbers={"claim": found.hex(), "bundle": expected.hex()},
            )


def _check_inclusion(proof: bytes, key: PublicKey, where: str) -> None:
    parsed = parse_inclusion_proof(proof, where)
    checkpoint = parse_checkpoint(parse_note(parsed.checkpoint, where).text, where)
    try:
        verify_inclusion(
            leaf_hash(key_entry(key)), parsed.index, checkpoint.size, checkpoint.root, parsed.path
        )
    except VerificationError as error:
        raise VerificationError(
            error.check,
            f"the proof does not show this key in the log ({error.what})",
            where=where,
            numbers=error.numbers,
        ) from None


def _stamp(where: str, content: bytes, subjects: dict[bytes, Subject]) -> Part:
    from wmproof.publication.timestamps import ots

    kind = PartKind.OPENTIMESTAMPS if content.startswith(ots.MAGIC) else PartKind.RFC3161
    digest = stamped_digest(kind, content, where)
    if digest not in subjects:
        raise VerificationError(
            "timestamp-subject",
            "the timestamp is of none of the bundle's things: neither the key's file, nor the "
            "model's, nor the claim's, nor a checkpoint",
            where=where,
            numbers={"timestamp": digest.hex()},
        )
    if kind is PartKind.OPENTIMESTAMPS and not ots.attestations(ots.parse_ots(content, where))[0]:
        raise InputError(
            "no block attests to it yet, only promises of calendars",
            where=where,
            remedy="Run `wmproof timestamp upgrade` some hours after stamping",
        )
    return Part(kind, subjects[digest], content)
