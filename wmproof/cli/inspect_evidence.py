"""What `wmproof inspect` says of claims, transcripts, log proofs, timestamps and bundles."""

from collections.abc import Callable
from typing import Any

from wmproof.errors import VerificationError
from wmproof.models.open_inference import transcript
from wmproof.publication.bundle import format as evidence
from wmproof.publication.log.checkpoint import parse_checkpoint
from wmproof.publication.log.note import encode_base64, parse_note
from wmproof.publication.log.tlog_proof import HEADER, parse_inclusion_proof
from wmproof.pverify import claim_file

# `timestamps.ots` has the whole of it, and needs an extra.
_OTS_MAGIC = b"\0OpenTimestamps\0"
_HASH_NAMES = {
    "2.16.840.1.101.3.4.2.1": "SHA-256",
    "2.16.840.1.101.3.4.2.2": "SHA-384",
    "2.16.840.1.101.3.4.2.3": "SHA-512",
    "1.3.14.3.2.26": "SHA-1",
}


def _describe_claim(data: bytes, where: str) -> dict[str, Any]:
    header, argument = claim_file.parse_claim(data, where)
    return {
        "file": "zero-knowledge claim",
        "model_sha256": header.model_digest.hex(),
        "verification_key_sha256": header.key_digest.hex(),
        "circuit_sha256": header.circuit_digest.hex(),
        "triggers": "all that the key hides" if header.triggers is None else header.triggers,
        "threshold": header.threshold,
        "triggers_an_instance": 1 << header.chunk_bits,
        "argument_bytes": len(argument),
    }


def _describe_transcript(data: bytes, where: str) -> dict[str, Any]:
    record = transcript.parse_transcript(data, where)
    attempts = record.attempts
    return {
        "file": "transcript of queries to an endpoint",
        "endpoint": record.endpoint,
        "model_name": record.model_name,
        "model_version": record.model_version or None,
        "verification_key_sha256": record.key_digest.hex(),
        "attempts": len(attempts),
        "answered": sum(item.status == 200 for item in attempts),
        "first_ms": attempts[0].sent_ms if attempts else None,
        "last_ms": attempts[-1].received_ms if attempts else None,
        "signer": record.signature.signer.hex() if record.signature else None,
        "transcript_sha256": record.digest.hex(),
    }


def _describe_bundle(data: bytes, where: str) -> dict[str, Any]:
    found = evidence.parse_bundle(data, where)
    return {
        "file": "evidence bundle",
        "model_sha256": found.model_digest.hex(),
        "public_key_sha256": found.public_key.digest.hex(),
        "pixels": found.pixels.name.lower(),
        "parts": [part.name for part in found.parts],
        "bundle_sha256": found.digest.hex(),
    }


def _describe_inclusion_proof(data: bytes, where: str) -> dict[str, Any]:
    proof = parse_inclusion_proof(data, where)
    note = parse_note(proof.checkpoint, where)
    checkpoint = parse_checkpoint(note.text, where)
    return {
        "file": "inclusion proof of a log",
        "index": proof.index,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": encode_base64(checkpoint.root),
        "signatures": [signature.name for signature in note.signatures],
    }


def describe_token(data: bytes, where: str) -> dict[str, Any]:
    """Describe an RFC 3161 response, with a token or with a refusal, or a bare token."""
    from wmproof.publication.timestamps.contents import read_token

    try:
        token = read_token(data, where)
    except VerificationError as error:
        return {"file": "RFC 3161 response without a token", "says": error.what}
    return {
        "file": "RFC 3161 timestamp",
        "verified": False,
        "imprint": token.digest.hex(),
        "imprint_algorithm": _HASH_NAMES.get(token.hash_algorithm, token.hash_algorithm),
        "time": token.gen_time.isoformat(),
        "accuracy_seconds": token.accuracy.total_seconds() if token.accuracy else None,
        "authority": token.authority,
        "serial": str(token.serial),
        "policy": token.policy,
        "to_verify": "wmproof timestamp verify FILE --token, with roots that you trust",
    }


def _describe_ots(data: bytes, where: str) -> dict[str, Any]:
    from wmproof.publication.timestamps.contents import read_ots

    stamp = read_ots(data, where)
    return {
        "file": "OpenTimestamps file",
        "verified": False,
        "file_sha256": stamp.digest.hex(),
        "blocks": list(stamp.blocks),
        "pending": list(stamp.pending),
        "to_verify": "wmproof timestamp verify FILE --ots, with block headers that you trust",
    }


def is_der_sequence(data: bytes) -> bool:
    """Whether one DER sequence fills the file, as in a TimeStampResp and a bare token."""
    if len(data) < 2 or data[0] != 0x30:
        return False
    if data[1] < 0x80:
        return len(data) == 2 + data[1]
    first = 2 + (data[1] & 0x7F)
    return len(data) == first + int.from_bytes(data[2:first], "big")


MAGICS: dict[bytes, Callable[[bytes, str], dict[str, Any]]] = {
    claim_file.MAGIC: _describe_claim,
    transcript.MAGIC: _describe_transcript,
    evidence.MAGIC: _describe_bundle,
    f"{HEADER}\n".encode(): _describe_inclusion_proof,
    _OTS_MAGIC: _describe_ots,
}
"""How each of these files begins, and what describes it."""
