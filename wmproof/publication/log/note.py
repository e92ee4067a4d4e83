"""Signed notes (c2sp.org/signed-note): parsing, and the verification of Ed25519 signatures."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from enum import IntEnum

from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.keys.signature import PUBLIC_BYTES, Signature, check_signature

NOTE_LIMIT = 2**20
_MOST_SIGNATURES = 100
_SIGNATURE_START = "— "
_KEY_ID_BYTES = 4


class SignatureKind(IntEnum):
    """What a key signs: the note's text, or a cosignature of a checkpoint."""

    ED25519 = 1
    COSIGNATURE = 4


@dataclass(frozen=True)
class VerifierKey:
    """The public key of a log or a witness, with its name; `str()` gives the vkey.

    Parameters
    ----------
    name : str
        Printable, without spaces and plus signs.
    kind : SignatureKind
    public : bytes
        Ed25519, 32 bytes.

    Raises
    ------
    InputError
        The name cannot be one, or the key has another length.
    """

    name: str
    kind: SignatureKind
    public: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise InputError(f"{self.name!r} cannot be the name of a key")
        if len(self.public) != PUBLIC_BYTES:
            raise InputError(f"an Ed25519 public key has {PUBLIC_BYTES} bytes")

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name || newline || kind || public key)."""
        text = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(text).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        encoded = encode_base64(bytes([self.kind]) + self.public)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


@dataclass(frozen=True)
class NoteSignature:
    """One signature line.

    Parameters
    ----------
    name : str
    key_id : bytes
        4 bytes.
    value : bytes
        What follows the key id; its form depends on the kind of key.
    """

    name: str
    key_id: bytes
    value: bytes

    def line(self) -> str:
        """Return the line with its newline."""
        return f"{_SIGNATURE_START}{self.name} {encode_base64(self.key_id + self.value)}\n"


@dataclass(frozen=True)
class Note:
    """A text with signatures, which nobody has verified yet.

    Parameters
    ----------
    text : str
        Ends in a newline.
    signatures : tuple of NoteSignature
    """

    text: str
    signatures: tuple[NoteSignature, ...]

    def to_bytes(self) -> bytes:
        """Return the one encoding."""
        return (self.text + "\n" + "".join(s.line() for s in self.signatures)).encode()

    def by(self, key: VerifierKey) -> tuple[NoteSignature, ...]:
        """Return the signatures that claim to be by a key, by its name and id."""
        return tuple(s for s in self.signatures if (s.name, s.key_id) == (key.name, key.key_id))


def parse_note(data: bytes, where: str = "note") -> Note:
    """Parse exactly one signed note.

    Raises
    ------
    FormatError
        The bytes are not the canonical encoding of any signed note.
    """
    text, mark, signatures = _decode(data, where).rpartition("\n\n")
    if not mark or not signatures:
        raise FormatError("is a note without signatures", where=where)
    lines = signatures.removesuffix("\n").split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise FormatError(f"has more than {_MOST_SIGNATURES} signatures", where=where)
    return Note(text + "\n", tuple(parse_signature_line(line, where) for line in lines))


def parse_signature_line(line: str, where: str = "signature") -> NoteSignature:
    """Parse a signature line without its newline; FormatError if it is none."""
    name, _, encoded = line.removeprefix(_SIGNATURE_START).partition(" ")
    if not line.startswith(_SIGNATURE_START) or not is_key_name(name):
        raise FormatError(f"has a malformed signature line: {line[:80]!r}", where=where)
    value = decode_base64(encoded, where)
    if len(value) <= _KEY_ID_BYTES:
        raise FormatError("has a signature that is too short", where=where)
    return NoteSignature(name, value[:_KEY_ID_BYTES], value[_KEY_ID_BYTES:])


def parse_verifier_key(text: str, where: str = "verifier key") -> VerifierKey:
    """Parse a vkey: ``name+hex(key id)+base64(kind || public key)``.

    Raises
    ------
    FormatError
        The text is none, its key id does not fit, or its kind of signature is unknown.
    """
    name, _, rest = text.partition("+")
    key_id, mark, encoded = rest.partition("+")
    if not mark or not is_key_name(name):
        raise FormatError("is not of the form NAME+KEYID+KEY", where=where)
    data = decode_base64(encoded, where)
    if len(data) != 1 + PUBLIC_BYTES or data[0] not in list(SignatureKind):
        raise FormatError("holds no Ed25519 key of a log or a witness", where=where)
    key = VerifierKey(name, SignatureKind(data[0]), data[1:])
    if key_id != key.key_id.hex():
        raise FormatError("has a key id that does not fit its key", where=where)
    return key


def verify_note(note: Note, key: VerifierKey, where: str = "note") -> None:
    """Check that a note is signed by a key of the kind ED25519.

    Raises
    ------
    VerificationError
        Check ``log-signature``: no signature is by this key, or one that claims to be is wrong.
    InputError
        The key is a witness's.
    """
    if key.kind is not SignatureKind.ED25519:
        raise InputError(f"the key of {key.name} is a witness's and not a log's")
    found = note.by(key)
    if not found:
        raise VerificationError(
            "log-signature",
            f"is not signed by {key.name} with the key {key.key_id.hex()}",
            where=where,
            remedy="Check that the log's key is the right one",
        )
    for signature in found:
        if not verifies(key, note.text.encode(), signature.value):
            raise VerificationError(
                "log-signature", f"the signature of {key.name} does not fit the text", where=where
            )


def verifies(key: VerifierKey, message: bytes, signature: bytes) -> bool:
    """Return whether an Ed25519 signature fits."""
    try:
        check_signature(Signature(key.public, signature), b"", message)
    except VerificationError:
        return False
    return True


def is_key_name(name: str) -> bool:
    """Return whether a text can be the name of a key."""
    return bool(name) and name.isprintable() and not any(c.isspace() or c == "+" for c in name)


def encode_base64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return base64.b64encode(data).decode()


def decode_base64(text: str, where: str) -> bytes:
    """Decode standard base64, of which every byte string has one spelling; else FormatError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = None
    if data is None or encode_base64(data) != text:
        raise FormatError(f"has text that is not canonical base64: {text[:80]!r}", where=where)
    return data


def _decode(data: bytes, where: str) -> str:
    if len(data) > NOTE_LIMIT:
        raise FormatError(f"is longer than {NOTE_LIMIT} bytes", where=where)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise FormatError("is not UTF-8 text", where=where) from None
    if any(c < " " and c != "\n" for c in text):
        raise FormatError("has control characters", where=where)
    if not text.endswith("\n"):
        raise FormatError("does not end in a newline", where=where)
    return text
