"""The signed manifest of OpenSSF's model-signing, with the digest of a watermark's public key.

An in-toto statement of the files' SHA-256 in a DSSE envelope in a Sigstore bundle, signed by an
elliptic-curve key; the predicate `https://model_signing/signature/v1.0` leaves room for fields of
others, which its verifiers ignore. Ours is `wmproof`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from wmproof._base.files import hash_file, read_file
from wmproof._base.strict_json import parse_json
from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.publication.announce.card import Announcement, read_announcement

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

MANIFEST_LIMIT = 2**26
_PEM_LIMIT = 2**16
_PREDICATE = "https://model_signing/signature/v1.0"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PAYLOAD = "application/vnd.in-toto+json"
_MEDIA = "application/vnd.dev.sigstore.bundle.v0.3+json"
_IGNORED = (".git", ".gitattributes", ".github", ".gitignore")


@dataclass(frozen=True)
class Manifest:
    """What a signed manifest says."""

    name: str
    """Of the model's folder; only for people."""
    files: dict[str, str]
    """SHA-256 of each file by its path in the folder, with slashes."""
    ignored: tuple[str, ...]
    """Paths in the folder that are not covered."""
    said: Announcement | None
    """About the watermark."""


def sign_manifest(
    folder: Path, said: Announcement, key: ec.EllipticCurvePrivateKey, *, ignored: tuple[str, ...]
) -> bytes:
    """Hash all files of a folder and sign that, with what is said about the watermark.

    InputError if the folder is empty, has symbolic links, or a file cannot be read.
    """
    skipped = (*_IGNORED, *ignored)
    files = hash_files(folder, skipped)
    if not files:
        raise InputError("has no files", where=str(folder))
    statement = {
        "_type": _STATEMENT,
        "subject": [{"name": folder.resolve().name, "digest": {"sha256": _root(files)}}],
        "predicateType": _PREDICATE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": list(skipped),
            },
            "resources": [
                {"name": name, "algorithm": "sha256", "digest": digest}
                for name, digest in files.items()
            ],
            "wmproof": said.to_dict(),
        },
    }
    payload = json.dumps(statement, indent=1).encode()
    signature = _sign(key, _pre_authentication(payload))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": _PAYLOAD,
        "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
    }
    material = {"publicKey": {"hint": _hint(key.public_key())}, "tlogEntries": []}
    bundle = {"mediaType": _MEDIA, "verificationMaterial": material, "dsseEnvelope": envelope}
    return json.dumps(bundle, indent=1).encode() + b"\n"


def verify_manifest(
    data: bytes, folder: Path | None, key: ec.EllipticCurvePublicKey, where: str = "manifest"
) -> Manifest:
    """Verify the signature and, where a folder is given, that its files are those of the manifest.

    Parameters
    ----------
    data : bytes
        The manifest's file; hostile.
    key : EllipticCurvePublicKey
        From a source that you trust.

    Raises
    ------
    FormatError
        The file is no such manifest.
    VerificationError
        ``signature`` or ``files``.
    """
    from cryptography.exceptions import InvalidSignature

    payload, signature = _open_envelope(data, where)
    try:
        _verify(key, signature, _pre_authentication(payload))
    except InvalidSignature:
        raise VerificationError(
            "signature", "the manifest is not signed by this key", where=where
        ) from None
    found = _parse_statement(payload, where)
    if folder is not None:
        _compare(found, hash_files(folder, found.ignored))
    return found


def read_manifest(data: bytes, where: str = "manifest") -> Manifest:
    """Return what a manifest says; nothing is verified. FormatError if it is none."""
    return _parse_statement(_open_envelope(data, where)[0], where)


def load_private_key(path: Path, passphrase: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """Read a private key of the curve P-256, P-384 or P-521 from PEM.

    FormatError if the file holds no such key, or its passphrase is another.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = read_file(path, limit=_PEM_LIMIT)
    try:
        key = load_pem_private_key(data, passphrase if b"ENCRYPTED" in data else None)
    except Exception as error:  # the library's parsers raise several unrelated types
        raise FormatError(
            "is no private key in PEM that this passphrase opens", where=str(path)
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _no_curve(path)
    _digest_for(key.curve, str(path))
    return key


def load_key(path: Path) -> ec.EllipticCurvePublicKey:
    """Read a public key of one of these curves from PEM; errors as `load_private_key`."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(read_file(path, limit=_PEM_LIMIT))
    except Exception as error:  # as above
        raise FormatError("is no public key in PEM", where=str(path)) from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _no_curve(path)
    _digest_for(key.curve, str(path))
    return key


def hash_files(folder: Path, ignored: tuple[str, ...]) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder, in the order of their paths.

    InputError if it is no folder, has symbolic links, or a file cannot be read.
    """
    if not folder.is_dir():
        raise InputError("is not a folder", where=str(folder))
    skipped = [PurePosixPath(name) for name in ignored]
    found = {}
    for path in folder.rglob("*"):
        name = PurePosixPath(path.relative_to(folder).as_posix())
        if any(name == skip or skip in name.parents for skip in skipped):
            continue
        if path.is_symlink():
            raise InputError("is a symbolic link, which a manifest cannot cover", where=str(path))
        if path.is_file():
            found[name] = hash_file(path).hex()
    return {str(name): found[name] for name in sorted(found)}


def _root(files: dict[str, str]) -> str:
    return hashlib.sha256(b"".join(map(bytes.fromhex, files.values()))).hexdigest()


def _open_envelope(data: bytes, where: str) -> tuple[bytes, bytes]:
    try:
        envelope = parse_json(data)["dsseEnvelope"]
        (signature,) = envelope["signatures"]
        if envelope["payloadType"] != _PAYLOAD:
            raise ValueError(envelope["payloadType"])
        parts = envelope["payload"], signature["sig"]
        return base64.b64decode(parts[0], validate=True), base64.b64decode(parts[1], validate=True)
    except (ValueError, KeyError, TypeError) as error:
        raise _no_manifest(where) from error


def _parse_statement(payload: bytes, where: str) -> Manifest:
    try:
        statement: dict[str, Any] = parse_json(payload)
        if (statement["_type"], statement["predicateType"]) != (_STATEMENT, _PREDICATE):
            raise ValueError("another predicate")
        (subject,) = statement["subject"]
        predicate = statement["predicate"]
        serialization = predicate["serialization"]
        if (serialization["method"], serialization["hash_type"]) != ("files", "sha256"):
            raise ValueError("another serialization")
        files = {str(item["name"]): str(item["digest"]) for item in predicate["resources"]}
        if len(files) != len(predicate["resources"]) or _root(files) != subject["digest"]["sha256"]:
            raise ValueError("the digests do not fit each other")
        ignored = tuple(map(str, serialization.get("ignore_paths", ())))
        name, said = str(subject["name"]), predicate.get("wmproof")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_manifest(where) from error
    return Manifest(name, files, ignored, None if said is None else read_announcement(said, where))


def _compare(said: Manifest, found: dict[str, str]) -> None:
    names = said.files.keys() | found.keys()
    different = sorted(name for name in names if said.files.get(name) != found.get(name))
    if different:
        raise VerificationError(
            "files",
            f"{len(different)} of {len(names)} files are not those of the manifest, "
            f"such as {different[0]}",
            numbers={"different": len(different), "files": len(names)},
        )


def _pre_authentication(payload: bytes) -> bytes:
    """PAE of the DSSE specification: what is signed."""
    return b" ".join(
        (b"DSSEv1", b"%d" % len(_PAYLOAD), _PAYLOAD.encode(), b"%d" % len(payload), payload)
    )


def _hint(key: ec.EllipticCurvePublicKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


def _digest_for(curve: ec.EllipticCurve, where: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    kinds: dict[str, Any] = {
        "secp256r1": hashes.SHA256,
        "secp384r1": hashes.SHA384,
        "secp521r1": hashes.SHA512,
    }
    if curve.name not in kinds:
        raise FormatError(
            f"is a key on the curve {curve.name}, which these signatures do not use",
            where=where,
            remedy=_REMEDY,
        )
    return kinds[curve.name]()


def _sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec

    return key.sign(data, ec.ECDSA(_digest_for(key.curve, "signing key")))


def _verify(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    key.verify(signature, data, ec.ECDSA(_digest_for(key.curve, "key")))


_REMEDY = "Make one: openssl ecparam -name prime256v1 -genkey -noout -out key.pem"


def _no_curve(path: Path) -> FormatError:
    return FormatError(
        "is not a key of an elliptic curve for ECDSA", where=str(path), remedy=_REMEDY
    )


def _no_manifest(where: str) -> FormatError:
    return FormatError(
        "is no signed manifest of OpenSSF's model-signing, version 1, over files",
        where=where,
        remedy="wmproof announce manifest FOLDER --public-key KEY.pvk --sign-with EC.pem",
    )
