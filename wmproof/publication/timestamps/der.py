"""A timestamp token's outer structure (RFC 3161, RFC 5652): what no library decodes for us.

Certificates and revocation lists in a token are sets that the signature does not cover. DER wants
their members in order, and `openssl ts`, like many authorities, writes them as they come. They are
put in order here before a strict decoder sees them; nothing signed is touched.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509

_SEQUENCE, _SET, _INTEGER, _OCTETS, _OID = 0x30, 0x31, 0x02, 0x04, 0x06
_TAGGED = (0xA0, 0xA1)  # certificates and revocation lists; signed attributes
_GRANTED = bytes.fromhex("3003020100")  # PKIStatusInfo { status granted }
_GRANTED_STATUS = (b"\0", b"\1")  # granted, granted with modifications
_ESS_V1 = bytes.fromhex("2a864886f70d010910020c")  # id-aa-signingCertificate, RFC 2634
_ESS_V2 = bytes.fromhex("2a864886f70d010910022f")  # id-aa-signingCertificateV2, RFC 5816
_HASHES = {
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}


@dataclass(frozen=True)
class Element:
    """One tag, length and value of a DER encoding."""

    tag: int
    content: bytes
    """The value."""
    encoding: bytes
    """All of it."""

    def members(self) -> list[Element]:
        """Read the value as a run of elements; `ValueError` if it is none."""
        found, rest = [], self.content
        while rest:
            element = _first(rest)
            found.append(element)
            rest = rest[len(element.encoding) :]
        return found


def _first(data: bytes) -> Element:
    if len(data) < 2:
        raise ValueError("the file is cut short")
    start, size = 2, data[1]
    if size == 0x80:
        raise ValueError("it is BER of indefinite length, and not DER")
    if size > 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    if start > 6 or len(data) < start + size:
        raise ValueError("the file is cut short")
    return Element(data[0], data[start : start + size], data[: start + size])


def _encode(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    head = bytes([size]) if size < 0x80 else bytes([0x80 | len(length)]) + length
    return bytes([tag]) + head + content


def _whole(data: bytes) -> Element:
    element = _first(data)
    if len(element.encoding) != len(data):
        raise ValueError("there are bytes after its end")
    if element.tag != _SEQUENCE:
        raise ValueError("it is another kind of file")
    return element


def granted_response(token: bytes) -> bytes:
    """Bring a response or a bare token into the form that a strict decoder reads.

    Returns a TimeStampResp that is granted, its certificates in order. A refusal is returned as it
    is.

    `token` is a TimeStampResp or a TimeStampToken. ValueError if it is neither; the message says
    why.
    """
    outer = _whole(token)
    members = outer.members()
    if not members:
        raise ValueError("it is another kind of file")
    if members[0].tag != _OID:
        status = members[0].members()
        if not status or status[0].tag != _INTEGER:
            raise ValueError("it is another kind of file")
        if status[0].content not in _GRANTED_STATUS:
            return token
        if len(members) != 2:
            raise ValueError("the response is granted and holds no token")
        outer = members[1]
    return _encode(_SEQUENCE, _GRANTED + _with_sets_in_order(outer))


def _signed_data(token: Element) -> list[Element]:
    parts = token.members()
    if len(parts) != 2 or parts[0].tag != _OID or parts[1].tag != 0xA0:
        raise ValueError("it is another kind of file")
    (signed,) = parts[1].members() or [Element(0, b"", b"")]
    return signed.members()


def _with_sets_in_order(token: Element) -> bytes:
    fields = b"".join(
        _encode(field.tag, b"".join(sorted(m.encoding for m in field.members())))
        if field.tag in _TAGGED
        else field.encoding
        for field in _signed_data(token)
    )
    kind = token.members()[0].encoding
    return _encode(_SEQUENCE, kind + _encode(0xA0, _encode(_SEQUENCE, fields)))


def names_signer(token: bytes, certificate: bytes) -> bool:
    """Tell whether the signed attributes name the signer's certificate (RFC 5816, ESSCertID).

    Without them anybody could exchange the certificate for another of the same key. As in OpenSSL,
    one of the two attributes must be there, and the first certificate of each must be the signer's.

    Parameters
    ----------
    token : bytes
        A TimeStampToken whose signature was verified.
    certificate : bytes
        The signer's, DER.
    """
    signers = [field for field in _signed_data(_whole(token)) if field.tag == _SET][-1]
    (signer,) = signers.members()
    attributes = [field for field in signer.members() if field.tag == 0xA0]
    named = []
    for attribute in attributes[0].members() if attributes else []:
        kind, values = attribute.members()
        if kind.content in (_ESS_V1, _ESS_V2):
            (value,) = values.members()
            first = value.members()[0].members()[0]
            named.append(_is_of(first, certificate, kind.content))
    return bool(named) and all(named)


def _is_of(identifier: Element, certificate: bytes, kind: bytes) -> bool:
    parts = identifier.members()
    name = "sha1" if kind == _ESS_V1 else "sha256"
    if kind == _ESS_V2 and parts[0].tag == _SEQUENCE:
        name = _HASHES.get(parts[0].members()[0].content, "")
        parts = parts[1:]
    if not name or parts[0].tag != _OCTETS:
        return False
    digest = hashlib.new(name, certificate, usedforsecurity=name != "sha1").digest()
    return parts[0].content == digest


def self_signed(certificate: x509.Certificate) -> bool:
    """Whether a certificate names itself as its issuer, as roots do."""
    return certificate.issuer == certificate.subject
