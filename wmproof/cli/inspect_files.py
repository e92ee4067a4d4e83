"""What `wmproof inspect` says of keys, openings, circuits and models."""

import hashlib
from collections.abc import Callable
from typing import Any

from wmproof.core.triggers import format_shape
from wmproof.errors import FormatError, InputError
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

CIRCUIT_MAGIC = b"WMPROOF-CIRCUIT\n"  # of circuit.format, which is not needed for other files


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
        "group": key.group,
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
        "public_key_sha256": key.digest.hex(),
    }


def _describe_opening(data: bytes, where: str) -> dict[str, Any]:
    header = batch.parse_batch_header(data, where)
    return {
        "file": "opening of a batch",
        "batch": header.batch,
        "verification_key_sha256": header.key_digest.hex(),
        "bytes": len(data),
    }


def describe_model(data: bytes, path: str) -> dict[str, Any]:
    """Describe an ONNX file, with the files of weights that it names."""
    from wmproof.models.file import read_model_file
    from wmproof.models.onnx_file import OnnxClassifier, open_session

    file = read_model_file(path, data)
    session = open_session(file)
    fields: dict[str, Any] = {
        "file": "ONNX model",
        "inputs": [f"{i.name}: {i.type} {i.shape}" for i in session.get_inputs()],
        "outputs": [f"{o.name}: {o.type} {o.shape}" for o in session.get_outputs()],
        "weights_in": sorted(file.weights) or None,
        "model_sha256": file.digest.hex(),
    }
    try:
        model = OnnxClassifier(file)
    except InputError as error:
        return fields | {"as_a_classifier": str(error)}
    return fields | {"shape": format_shape(model.input_shape), "classes": model.classes}


def _describe_circuit(data: bytes, where: str) -> dict[str, Any]:
    from wmproof.circuit.format import decode

    try:
        circuit = decode(data)
    except FormatError as error:
        raise FormatError(error.what, where=where, remedy=error.remedy) from None
    return {
        "file": "integer circuit",
        "shape": format_shape(circuit.input_shape),
        "classes": circuit.classes,
        "weights": circuit.weights(),
        "lookups_an_image": circuit.lookups(),
        "circuit_sha256": hashlib.sha256(data).hexdigest(),
    }


MAGICS: dict[bytes, Callable[[bytes, str], dict[str, Any]]] = {
    encryption.MAGIC: _describe_marking_key,
    verification_key.MAGIC: _describe_verification_key,
    public_key.MAGIC: _describe_public_key,
    batch.MAGIC: _describe_opening,
    CIRCUIT_MAGIC: _describe_circuit,
}
"""How each of these files begins, and what describes it."""
