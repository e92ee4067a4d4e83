"""Verifying RFC 3161 timestamp tokens against certificates that the verifier chose."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import rfc3161_client
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client.errors import VerificationError as _Refused
from rfc3161_client.tsp import PKIStatus, TimeStampResponse, TimeStampTokenInfo
from rfc3161_client.verify import SHA256_OID, SHA384_OID, SHA512_OID

from wmproof.errors import FormatError, InputError, VerificationError, WmproofError
from wmproof.publication.timestamps.der import granted_response, names_signer, self_signed

TOKEN_LIMIT = 1 << 16
DEFAULT_SKEW = timedelta(minutes=5)
IMPRINTS = {SHA256_OID: "sha256", SHA384_OID: "sha384", SHA512_OID: "sha512"}

DigestOf = Callable[[str], bytes | None]
"""From the name of a hash to the digest of the file by it; None where only others are known."""


def sha256_only(digest: bytes) -> DigestOf:
    """Where of a file nothing but its SHA-256 is known."""
    if len(digest) != 32:
        raise InputError(f"a SHA-256 digest has 32 bytes, not {len(digest)}")
    return lambda name: digest if name == "sha256" else None


@dataclass(frozen=True)
class Timestamp:
    """What a verified token says."""

    gen_time: datetime
    """When, in UTC, by the authority's clock."""
    accuracy: timedelta | None
    """How far off the authority says that it may be."""
    authority: str
    """Subject of the certificate that signed, RFC 4514."""
    certificate_digest: bytes
    """SHA-256 of that certificate."""
    serial: int
    """The token's number at the authority."""
    policy: str
    """OID of the policy it was issued under."""
    digest: bytes
    """Of what is timestamped."""
    hash_name: str
    """The hash that gives it: sha256, sha384 or sha512."""
    nonce: int | None
    """That of the request."""


def verify_token(
    token: bytes,
    digest: bytes | DigestOf,
    roots: Sequence[x509.Certificate],
    *,
    intermediates: Sequence[x509.Certificate] = (),
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
        A DER TimeStampResp, or the bare TimeStampToken.
    digest : bytes or callable
        SHA-256 of the file, 32 bytes; or a function from sha256, sha384 or sha512 to its digest.
    roots : sequence of x509.Certificate
        The only certificates that are trusted.
    intermediates : sequence of x509.Certificate
        What the token may fail to carry between its signer and a root, the signer's own included.
        They are not trusted.
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
        `timestamp-certificate`, `timestamp-certificate-usage`, `timestamp-certificate-validity`,
        `timestamp-signature` or `timestamp-clock`.

    Notes
    -----
    Revocation is not looked up.
    """
    digest_of = sha256_only(digest) if isinstance(digest, bytes) else digest
    if not roots:
        raise InputError("there is no trusted certificate", remedy="Give the authority's root")
    now = now or datetime.now(UTC)
    if now.tzinfo is None:
        raise InputError("the verifier's time is without a time zone")
    response, info = parse_token(token, where)
    try:
        _check_contents(info, digest_of, nonce, policy, where)
        certificate = signer_certificate(response, where, intermediates)
        _check_certificate(certificate, info.gen_time, where)
        _check_signature(response, certificate, roots, intermediates, where)
        _check_clock(info.gen_time, now, skew, where)
        return _timestamp(info, certificate)
    except WmproofError:
        raise
    except Exception as error:
        # Names and dates are decoded on access, and raise whatever they meet in hostile bytes.
        raise FormatError("has a field that cannot be decoded", where=where) from error


def _timestamp(info: TimeStampTokenInfo, certificate: x509.Certificate) -> Timestamp:
    return Timestamp(
        gen_time=info.gen_time,
        accuracy=accuracy_of(info),
        authority=certificate.subject.rfc4514_string(),
        certificate_digest=certificate.fingerprint(SHA256()),
        serial=info.serial_number,
        policy=info.policy.dotted_string,
        digest=info.message_imprint.message,
        hash_name=IMPRINTS[info.message_imprint.hash_algorithm.dotted_string],
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
        canonical = granted_response(token)
    except ValueError as error:
        raise _unreadable(str(error), where) from error
    try:
        response = rfc3161_client.decode_timestamp_response(canonical)
    except ValueError as error:
        raise _unreadable("a field of it is not encoded as DER demands", where) from error
    if response.status != PKIStatus.GRANTED:
        raise _refusal(response, where)
    try:
        info, signers = response.tst_info, response.signed_data.signer_infos
    except ValueError as error:
        raise _unreadable("what it signs is no TSTInfo", where) from error
    if info.version != 1 or len(signers) != 1:
        raise FormatError(
            f"is a timestamp of version {info.version} with {len(signers)} signers; "
            "version 1 and one signer are read",
            where=where,
        )
    return response, info


def _unreadable(why: str, where: str) -> FormatError:
    return FormatError(
        f"is not an RFC 3161 timestamp: {why}", where=where, remedy="Fetch the file again"
    )


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
    info: TimeStampTokenInfo, digest_of: DigestOf, nonce: int | None, policy: str | None, where: str
) -> None:
    algorithm = info.message_imprint.hash_algorithm.dotted_string
    found, name = info.message_imprint.message, IMPRINTS.get(algorithm)
    digest = None if name is None else digest_of(name)
    if digest is None:
        raise VerificationError(
            "timestamp-digest",
            f"the token states a digest by {name or algorithm}, which cannot be compared here",
            where=where,
            remedy="Ask the authority for a timestamp with SHA-256",
            numbers={"algorithm": algorithm},
        )
    if not hmac.compare_digest(found, digest):
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


def signer_certificate(
    response: TimeStampResponse, where: str, given: Sequence[x509.Certificate] = ()
) -> x509.Certificate:
    """Return the certificate of the one who signed: the token's, or one of those given.

    Raises
    ------
    VerificationError
        `timestamp-certificate`: it is in neither, or several fit.
    """
    (signer,) = response.signed_data.signer_infos
    named = signer.issuer, signer.serial_number
    carried = [x509.load_der_x509_certificate(c) for c in response.signed_data.certificates]
    matching = {c for c in (*carried, *given) if (c.issuer, c.serial_number) == named}
    if len(matching) != 1:
        few = not matching
        raise VerificationError(
            "timestamp-certificate",
            f"the token does not carry its signer's certificate, {named[0].rfc4514_string()} "
            f"serial {named[1]}"
            if few
            else "several certificates fit the token's signer",
            where=where,
            remedy="Give the signer's certificate among the intermediates (--intermediates)"
            if few
            else "Give one certificate of that issuer and serial number",
        )
    return matching.pop()


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
    response: TimeStampResponse,
    certificate: x509.Certificate,
    roots: Sequence[x509.Certificate],
    intermediates: Sequence[x509.Certificate],
    where: str,
) -> None:
    used = {oid.dotted_string for oid in response.signed_data.digest_algorithms}
    if not used <= set(IMPRINTS):
        raise VerificationError(
            "timestamp-signature", "the signature uses a hash other than SHA-2", where=where
        )
    # The library's store trusts whatever names itself as its issuer, so no other such certificate
    # than the roots goes there; what the token carries never does.
    between = [c for c in intermediates if not self_signed(c) and c not in roots]
    carried = bool(response.signed_data.certificates)
    if not carried and certificate not in roots and certificate not in between:
        raise _unsigned("local issuer", certificate, where)
    builder = rfc3161_client.VerifierBuilder(
        roots=list(roots), intermediates=between, tsa_certificate=None if carried else certificate
    )
    try:
        builder.build().verify(response, response.tst_info.message_imprint.message)
    except (_Refused, ValueError) as error:
        raise _unsigned(str(error), certificate, where) from error
    if not names_signer(response.time_stamp_token(), certificate.public_bytes(Encoding.DER)):
        raise VerificationError(
            "timestamp-signature",
            "the signature does not name the certificate that made it (ESSCertID, RFC 5816)",
            where=where,
        )


def _unsigned(reason: str, certificate: x509.Certificate, where: str) -> VerificationError:
    """Say which end of the chain is missing: OpenSSL's words tell them apart."""
    if "local issuer" in reason:
        return VerificationError(
            "timestamp-signature",
            f"no trusted root was reached from the signer's issuer, "
            f"{certificate.issuer.rfc4514_string()}",
            where=where,
            remedy="Give the authority's root, from a source that you trust (--tsa-roots), and "
            "certificates between that and the signer (--intermediates)",
        )
    return VerificationError(
        "timestamp-signature",
        "the signature does not lead to a trusted certificate, or is none",
        where=where,
        remedy="Give the root of the authority that issued it, from a source that you trust",
    )


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
        seconds=given.seconds or 0, milliseconds=given.millis or 0, microseconds=given.micros or 0
    )
