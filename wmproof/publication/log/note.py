"""Signed notes (c2sp.org/signed-note): parsing, keys, and the verification of signatures.

A note is malformed here exactly if it is for Go's `golang.org/x/mod/sumdb/note`. Lines by unknown
keys are ignored; a line by a known key must be spelled in the one canonical way.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum

from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.keys.signature import PUBLIC_BYTES, Signature, check_signature
from wmproof.publication.log import ml_dsa

NOTE_LIMIT = 2**20
VKEY_LIMIT = 4096
_MOST_SIGNATURES = 100
_LONGEST_NAME = 255
_SIGNATURE_START = "— "
_KEY_ID_BYTES = 4
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


class SignatureKind(IntEnum):
    """What a key signs: the note's text, or a cosignature of a checkpoint."""

    ED25519 = 1
    COSIGNATURE = 4
    ML_DSA_COSIGNATURE = 6

    @property
    def algorithm(self) -> str:
        """What the key is called."""
        return "ML-DSA-44" if self is SignatureKind.ML_DSA_COSIGNATURE else "Ed25519"

    @property
    def public_bytes(self) -> int:
        """Length of a public key."""
        return ml_dsa.PUBLIC_BYTES if self is SignatureKind.ML_DSA_COSIGNATURE else PUBLIC_BYTES

    @property
    def cosigns(self) -> bool:
        """Whether it is a witness's."""
        return self is not SignatureKind.ED25519


@dataclass(frozen=True)
class VerifierKey:
    """The public key of a log or a witness, with its name; `str()` gives the vkey.

    Raises
    ------
    InputError
        The name cannot be one, or is too long for ML-DSA-44, or the key has another length.
    """

    name: str
    """Printable, without spaces and plus signs."""
    kind: SignatureKind
    public: bytes
    """Ed25519, 32 bytes, or ML-DSA-44, 1312 bytes."""

    def __post_init__(self) -> None:
        if not (is_key_name(self.name) and self.name.isprintable()):
            raise InputError(f"{self.name!r} cannot be the name of a key")
        kind = self.kind
        if len(self.public) != kind.public_bytes:
            raise InputError(f"an {kind.algorithm} public key has {kind.public_bytes} bytes")
        if kind is SignatureKind.ML_DSA_COSIGNATURE and len(self.name.encode()) > _LONGEST_NAME:
            raise InputError(f"the name of an ML-DSA-44 key has at most {_LONGEST_NAME} bytes")

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name || newline || kind || public key)."""
        text = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(text).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        encoded = encode_base64(bytes([self.kind]) + self.public)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Return whether a signature fits; InputError if ML-DSA-44 cannot be verified here."""
        if self.kind is SignatureKind.ML_DSA_COSIGNATURE:
            return ml_dsa.verifies(self.public, message, signature)
        try:
            check_signature(Signature(self.public, signature), b"", message)
        except VerificationError:
            return False
        return True


@dataclass(frozen=True)
class NoteSignature:
    """One signature line."""

    name: str
    key_id: bytes
    """4 bytes."""
    value: bytes
    """What follows the key id; its form depends on the kind of key."""
    spelled: str | None = None
    """The base64, where it is not the canonical one."""

    def line(self) -> str:
        """Return the line with its newline."""
        encoded = self.spelled or encode_base64(self.key_id + self.value)
        return f"{_SIGNATURE_START}{self.name} {encoded}\n"


@dataclass(frozen=True)
class Note:
    """A text with signatures, which nobody has verified yet."""

    text: str
    """Ends in a newline."""
    signatures: tuple[NoteSignature, ...]

    def to_bytes(self) -> bytes:
        """Return the one encoding."""
        return (self.text + "\n" + "".join(s.line() for s in self.signatures)).encode()

    def by(self, key: VerifierKey) -> tuple[NoteSignature, ...]:
        """Return the signatures that claim to be by a key, by its name and id.

        Raises
        ------
        FormatError
            One is not in canonical base64.
        """
        found = tuple(s for s in self.signatures if (s.name, s.key_id) == (key.name, key.key_id))
        if any(signature.spelled for signature in found):
            raise FormatError(f"a signature of {key.name} is not in canonical base64")
        return found


def parse_note(data: bytes, where: str = "note") -> Note:
    """Parse exactly one signed note; FormatError if the bytes are none."""
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
    base64_like = _BASE64.fullmatch(encoded) and len(encoded) % 4 == 0
    if not line.startswith(_SIGNATURE_START) or not is_key_name(name) or not base64_like:
        raise FormatError(f"has a malformed signature line: {line[:80]!r}", where=where)
    value = base64.b64decode(encoded)
    if len(value) <= _KEY_ID_BYTES:
        raise FormatError("has a signature that is too short", where=where)
    spelled = None if encode_base64(value) == encoded else encoded
    return NoteSignature(name, value[:_KEY_ID_BYTES], value[_KEY_ID_BYTES:], spelled)


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
    if not data or data[0] not in list(SignatureKind):
        raise FormatError(
            "holds no key of a kind that is known: Ed25519 of a log (1) or a witness (4), or "
            "ML-DSA-44 of a witness (6)",
            where=where,
        )
    try:
        key = VerifierKey(name, SignatureKind(data[0]), data[1:])
    except InputError as error:
        raise FormatError(error.what, where=where) from None
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
    if key.kind.cosigns:
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
        if not key.verifies(note.text.encode(), signature.value):
            marked = note.text.startswith("\ufeff")
            raise VerificationError(
                "log-signature",
                f"the signature of {key.name} does not fit the text",
                where=where,
                remedy="The file begins with a byte order mark: an editor put it there. Remove it"
                if marked
                else None,
            )


def is_key_name(name: str) -> bool:
    """Return whether a text can be the name of a key."""
    return bool(name) and not any(c.isspace() or c == "+" for c in name)


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


def refuse_carriage_returns(data: bytes, where: str) -> None:
    """Name what mail and editors do to a text whose every byte is signed."""
    if b"\r\n" in data:
        raise FormatError(
            "has line ends of Windows (CRLF), which mail or an editor put there",
            where=where,
            remedy="Get the file as it was written, or convert it: dos2unix FILE",
        )


def _decode(data: bytes, where: str) -> str:
    if len(data) > NOTE_LIMIT:
        raise FormatError(f"is longer than {NOTE_LIMIT} bytes", where=where)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise FormatError("is not UTF-8 text", where=where) from None
    refuse_carriage_returns(data, where)
    if any(c < " " and c != "\n" for c in text):
        raise FormatError("has control characters", where=where)
    if not text.endswith("\n"):
        raise FormatError("does not end in a newline", where=where)
    return text
