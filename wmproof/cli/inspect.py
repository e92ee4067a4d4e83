"""`wmproof inspect`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from wmproof._files import read_file
from wmproof.cli.options import FILE, json_option
from wmproof.cli.output import print_fields, print_json
from wmproof.errors import FormatError
from wmproof.keys import (
    VerificationKey,
    batch,
    encryption,
    parse_marking_key_header,
    parse_public_key,
    parse_verification_key,
    public_key,
    verification_key,
)
from wmproof.keys.files import FILE_LIMIT
from wmproof.models.open_inference import transcript
from wmproof.publication.bundle import format as evidence
from wmproof.pverify import claim_file
from wmproof.triggers import format_shape


@click.command()
@click.argument("file", type=FILE)
@json_option
def inspect(file: Path, as_json: bool) -> None:
    """Say what a file is and what is in it. Nothing is verified, and no secret is needed."""
    data = read_file(file, limit=FILE_LIMIT)
    fields = _describe(data, str(file))
    if as_json:
        print_json(fields)
    else:
        print_fields({name.replace("_", " "): value for name, value in fields.items()})


def _describe(data: bytes, where: str) -> dict[str, Any]:
    for magic, describe in _KINDS.items():
        if data.startswith(magic):
            return describe(data, where)
    if where.lower().endswith(".onnx"):
        return _describe_model(data, where)
    raise FormatError(
        "is none of wmproof's files",
        where=where,
        remedy="It reads marking keys, verification keys, public keys, openings, claims, "
        "transcripts, bundles and ONNX models",
    )


def _describe_marking_key(data: bytes, where: str) -> dict[str, Any]:
    header = parse_marking_key_header(data, where)
    return {
        "file": "marking key (secret, encrypted)",
        "verification_key_sha256": header.key_digest.hex(),
        "passphrase_cost": header.cost.name.lower(),
        "bytes": len(data),
    }


def _describe_verification_key(data: bytes, where: str) -> dict[str, Any]:
    return {"file": "verification key", **_key_fields(parse_verification_key(data, where))}


def _key_fields(key: VerificationKey) -> dict[str, Any]:
    return {
        "kind": key.kind.name.lower(),
        "labels": key.label_mode.name.lower(),
        "key_id": key.key_id.hex(),
        "shape": format_shape(key.image_shape),
        "classes": key.classes,
        "triggers": len(key),
        "batches": key.batches,
        "verification_key_sha256": key.digest.hex(),
    }


def _describe_public_key(data: bytes, where: str) -> dict[str, Any]:
    key = parse_public_key(data, where)
    return {
        "file": "public key",
        **_key_fields(key.verification_key),
        "opened": len(key.opened),
        "hidden": len(key.verification_key) - len(key.opened),
        "security": key.verification_key.security,
        "signer": key.signature.signer.hex() if key.signature else None,
        "sha256": key.digest.hex(),
    }


def _describe_opening(data: bytes, where: str) -> dict[str, Any]:
    header = batch.parse_batch_header(data, where)
    return {
        "file": "opening of a batch",
        "batch": header.batch,
        "verification_key_sha256": header.key_digest.hex(),
        "bytes": len(data),
    }


def _describe_model(data: bytes, where: str) -> dict[str, Any]:
    from wmproof.models import OnnxClassifier

    model = OnnxClassifier(data, where)
    return {
        "file": "ONNX model",
        "shape": format_shape(model.input_shape),
        "classes": model.classes,
        "sha256": model.digest.hex(),
    }


def _describe_claim(data: bytes, where: str) -> dict[str, Any]:
    header, argument = claim_file.parse_claim(data, where)
    return {
        "file": "zero-knowledge claim",
        "model_sha256": header.model_digest.hex(),
        "verification_key_sha256": header.key_digest.hex(),
        "circuit_sha256": header.circuit_digest.hex(),
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
        "sha256": record.digest.hex(),
    }


def _describe_bundle(data: bytes, where: str) -> dict[str, Any]:
    found = evidence.parse_bundle(data, where)
    return {
        "file": "evidence bundle",
        "model_sha256": found.model_digest.hex(),
        "public_key_sha256": found.public_key.digest.hex(),
        "pixels": found.pixels.name.lower(),
        "parts": ", ".join(part.name for part in found.parts),
        "sha256": found.digest.hex(),
    }


_KINDS: dict[bytes, Callable[[bytes, str], dict[str, Any]]] = {
    encryption.MAGIC: _describe_marking_key,
    verification_key.MAGIC: _describe_verification_key,
    public_key.MAGIC: _describe_public_key,
    batch.MAGIC: _describe_opening,
    claim_file.MAGIC: _describe_claim,
    transcript.MAGIC: _describe_transcript,
    evidence.MAGIC: _describe_bundle,
}
