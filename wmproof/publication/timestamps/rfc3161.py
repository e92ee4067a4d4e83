"""Verifying RFC 3161 timestamp tokens against certificates that the verifier chose."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import rfc3161_client
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client.errors import VerificationError as _Refused
from rfc3161_client.tsp import PKIStatus, TimeStampResponse, TimeStampTokenInfo
from rfc3161_client.verify import SHA256_OID, SHA384_OID, SHA512_OID

from wmproof.errors import FormatError, InputError, VerificationError, WmproofError

TOKEN_LIMIT = 1 << 16
DEFAULT_SKEW = timedelta(minutes=5)
_GRANTED = bytes.fromhex("3003020100")  # PKIStatusInfo { status granted }, DER


@dataclass(frozen=True)
class Timestamp:
    """What a verified token says.

    Parameters
    ----------
    gen_time : datetime
        When, in UTC, by the authority's clock.
    accuracy : timedelta or None
        How far off the authority says that it may be.
    authority : str
        Subject of the certificate that signed, RFC 4514.
    certificate_digest : bytes
        SHA-256 of that certificate.
    serial : int
        The token's number at the authority.
    policy : str
        OID of the policy it was issued under.
    digest : bytes
        SHA-256 of what is timestamped.
    nonce : int or None
        That of the request.
    """

    gen_time: datetime
    accuracy: timedelta | None
    authority: str
    certificate_digest: bytes
    serial: int
    policy: str
    digest: bytes
    nonce: int | None


def verify_token(
    token: bytes,
    digest: bytes,
    roots: Sequence[x509.Certificate],
    *,
    nonce: int | None = None,
    policy: str | None = None,
    now: datetime | None = None,
    skew: timedelta = DEFAULT_SKEW,
    where: str = "token",
) -> Timestamp:
    """Check a token (RFC 3161, section 2.2) and return what it says.

    Parameters
    ----------
    token : bytes
        A DER TimeStampResp, or the bare TimeStampToken; it carries the signer's certificate.
    digest : bytes, 32
        SHA-256 of the file.
    roots : sequence of x509.Certificate
        The only certificates that are trusted.
    nonce : int, optional
        That of one's own request; not checked if None.
    policy : str, optional
        OID to insist on.
    now : datetime, optional
        The verifier's time, aware; the system's by default.
    skew : timedelta
        How far ahead of `now` a token may be.

    Raises
    ------
    FormatError
        The token does not parse, is cut short or has something after its end.
    InputError
        No roots, or a digest that is none.
    VerificationError
        `timestamp-status`, `timestamp-digest`, `timestamp-nonce`, `timestamp-policy`,
        `timestamp-certificate-usage`, `timestamp-certificate-validity`, `timestamp-signature` or
        `timestamp-clock`.

    Notes
    -----
    Revocation is not looked up. The signing-certificate attribute (RFC 5816) is not compared: the
    signer is found by issuer and serial number.
    """
    if len(digest) != 32:
        raise InputError(f"a SHA-256 digest has 32 bytes, not {len(digest)}")
    if not roots:
        raise InputError("there is no trusted certificate", remedy="Give the authority's root")
    now = now or datetime.now(UTC)
    if now.tzinfo is None:
        raise InputError("the verifier's time is without a time zone")
    response, info = parse_token(token, where)
    try:
        _check_contents(info, digest, nonce, policy, where)
        certificate = signer_certificate(response, where)
        _check_certificate(certificate, info.gen_time, where)
        _check_signature(response, digest, roots, where)
        _check_clock(info.gen_time, now, skew, where)
        return _timestamp(info, certificate, digest)
    except WmproofError:
        raise
    except Exception as error:
        # Names and dates are decoded on access, and raise whatever they meet in hostile bytes.
        raise FormatError("has a field that cannot be decoded", where=where) from error


def _timestamp(info: TimeStampTokenInfo, certificate: x509.Certificate, digest: bytes) -> Timestamp:
    return Timestamp(
        gen_time=info.gen_time,
        accuracy=accuracy_of(info),
        authority=certificate.subject.rfc4514_string(),
        certificate_digest=certificate.fingerprint(SHA256()),
        serial=info.serial_number,
        policy=info.policy.dotted_string,
        digest=digest,
        nonce=info.nonce,
    )


def parse_token(token: bytes, where: str = "token") -> tuple[TimeStampResponse, TimeStampTokenInfo]:
    """Parse a response or a bare token; verify nothing.

    Raises
    ------
    FormatError
        It does not parse.
    VerificationError
        `timestamp-status`: the authority refused, and the token is not there.
    """
    if len(token) > TOKEN_LIMIT:
        raise FormatError(f"is longer than the {TOKEN_LIMIT} bytes that are read", where=where)
    try:
        response = rfc3161_client.decode_timestamp_response(_as_response(token))
        if response.status != PKIStatus.GRANTED:
            raise _refusal(response, where)
        info = response.tst_info
        if info.version != 1 or len(response.signed_data.signer_infos) != 1:
            raise ValueError
    except ValueError as error:
        raise FormatError(
            "is not an RFC 3161 timestamp: cut short, damaged, or another kind of file",
            where=where,
            remedy="Fetch the file again",
        ) from error
    return response, info


def _as_response(token: bytes) -> bytes:
    """Wrap a bare token, whose first field is an object identifier, in a response."""
    long_form = len(token) > 1 and token[1] >= 0x80
    first = 2 + (token[1] & 0x7F if long_form else 0)
    if token[first : first + 1] != b"\x06":
        return token
    content = _GRANTED + token
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    head = size if len(content) < 0x80 else bytes([0x80 | len(size)]) + size
    return b"\x30" + head + content


def _refusal(response: TimeStampResponse, where: str) -> VerificationError:
    try:
        status = PKIStatus(response.status).name.lower().replace("_", " ")
    except ValueError:
        status = "unknown"
    said = ", ".join("".join(c for c in text if c.isprintable()) for text in response.status_string)
    return VerificationError(
        "timestamp-status",
        f"the authority did not grant it ({status}{': ' + said[:200] if said else ''})",
        where=where,
        numbers={"status": response.status},
    )


def _check_contents(
    info: TimeStampTokenInfo, digest: bytes, nonce: int | None, policy: str | None, where: str
) -> None:
    algorithm = info.message_imprint.hash_algorithm.dotted_string
    found = info.message_imprint.message
    if algorithm != SHA256_OID or not hmac.compare_digest(found, digest):
        raise VerificationError(
            "timestamp-digest",
            "the token is for another file",
            where=where,
            numbers={"algorithm": algorithm, "token": found.hex(), "file": digest.hex()},
        )
    if nonce is not None and info.nonce != nonce:
        raise VerificationError(
            "timestamp-nonce",
            "the token does not answer this request: another nonce, or none",
            where=where,
            numbers={"token": str(info.nonce), "request": str(nonce)},
        )
    issued = info.policy.dotted_string
    if policy is not None and issued != policy:
        raise VerificationError(
            "timestamp-policy",
            f"the token was issued under the policy {issued}, not {policy}",
            where=where,
            numbers={"token": issued, "required": policy},
        )


def signer_certificate(response: TimeStampResponse, where: str) -> x509.Certificate:
    """Return the certificate of the one who signed, from those that the token carries.

    Raises
    ------
    FormatError
        It carries none, or several that fit.
    """
    (signer,) = response.signed_data.signer_infos
    named = signer.issuer, signer.serial_number
    carried = [x509.load_der_x509_certificate(c) for c in response.signed_data.certificates]
    matching = [c for c in carried if (c.issuer, c.serial_number) == named]
    if len(matching) != 1:
        raise FormatError("does not carry its signer's certificate, once", where=where)
    return matching[0]


def _check_certificate(certificate: x509.Certificate, when: datetime, where: str) -> None:
    """RFC 3161, section 2.3: the key is for timestamping alone, and says so critically."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        proper = usage.critical and list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        proper = False
    if not proper:
        raise VerificationError(
            "timestamp-certificate-usage",
            "the signer's certificate is not one for timestamping (critical extended key usage)",
            where=where,
        )
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= when <= last:
        raise VerificationError(
            "timestamp-certificate-validity",
            f"the token is of {when.isoformat()}, and its signer's certificate is valid from "
            f"{first.isoformat()} to {last.isoformat()}",
            where=where,
            numbers={
                "gen_time": when.isoformat(),
                "not_before": first.isoformat(),
                "not_after": last.isoformat(),
            },
        )


def _check_signature(
    response: TimeStampResponse, digest: bytes, roots: Sequence[x509.Certificate], where: str
) -> None:
    sound = {SHA256_OID, SHA384_OID, SHA512_OID}
    used = {oid.dotted_string for oid in response.signed_data.digest_algorithms}
    if not used <= sound:
        raise VerificationError(
            "timestamp-signature", "the signature uses a hash other than SHA-2", where=where
        )
    try:
        rfc3161_client.VerifierBuilder(roots=list(roots)).build().verify(response, digest)
    except (_Refused, ValueError) as error:
        raise VerificationError(
            "timestamp-signature",
            "the signature does not lead to a trusted certificate, or is none",
            where=where,
            remedy="Give the root of the authority that issued it, from a source that you trust",
        ) from error


def _check_clock(when: datetime, now: datetime, skew: timedelta, where: str) -> None:
    ahead = (when - now).total_seconds()
    if ahead > skew.total_seconds():
        raise VerificationError(
            "timestamp-clock",
            f"the token is of {when.isoformat()}, {ahead:.0f} seconds in the future; "
            f"{skew.total_seconds():.0f} are allowed",
            where=where,
            remedy="Check this machine's clock; if it is right, the authority's is not",
            numbers={
                "gen_time": when.isoformat(),
                "now": now.isoformat(),
                "ahead_seconds": ahead,
                "allowed_seconds": skew.total_seconds(),
            },
        )


def accuracy_of(info: TimeStampTokenInfo) -> timedelta | None:
    """Return how far off the authority says that its clock may be; None if it does not say."""
    given = info.accuracy
    if given is None:
        return None
    return timedelta(
        seconds=given.seconds or 0,
        milliseconds=given.millis or 0,
        microseconds=given.micros or 0,
    )
