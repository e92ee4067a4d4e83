"""What a timestamp says before anybody has checked it: for people who look at a file."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from wmproof.errors import FormatError, VerificationError
from wmproof.publication.timestamps.ots import attestations, parse_ots
from wmproof.publication.timestamps.rfc3161 import accuracy_of, parse_token, signer_certificate


@dataclass(frozen=True)
class TokenContents:
    """What an RFC 3161 token says (section 2.4.2). Anybody can write such a file."""

    gen_time: datetime
    """When, in UTC."""
    accuracy: timedelta | None
    """How far off that may be; None if it does not say."""
    authority: str | None
    """Subject of the certificate that it names as its signer's, RFC 4514; None if it carries
    none."""
    serial: int
    """The token's number at the authority."""
    policy: str
    """OID of the policy."""
    hash_algorithm: str
    """OID of the hash function of `digest`."""
    digest: bytes
    """Of what is timestamped."""


@dataclass(frozen=True)
class OtsContents:
    """What an OpenTimestamps file says. Anybody can write such a file."""

    digest: bytes
    """SHA-256 of what is timestamped."""
    blocks: tuple[int, ...]
    """Heights of the Bitcoin blocks that are said to attest."""
    pending: tuple[str, ...]
    """Calendars that promised to bring a block; they prove nothing."""


def read_token(token: bytes, where: str = "token") -> TokenContents:
    """Read a TimeStampResp or a bare TimeStampToken, and verify nothing.

    Raises
    ------
    FormatError
        It does not parse.
    VerificationError
        `timestamp-status`: a refusal of the authority, without a token.
    """
    response, info = parse_token(token, where)
    try:
        try:
            authority = signer_certificate(response, where).subject.rfc4514_string()
        except VerificationError:  # a token need not carry it
            authority = None
        return TokenContents(
            gen_time=info.gen_time,
            accuracy=accuracy_of(info),
            authority=authority,
            serial=info.serial_number,
            policy=info.policy.dotted_string,
            hash_algorithm=info.message_imprint.hash_algorithm.dotted_string,
            digest=info.message_imprint.message,
        )
    except FormatError:
        raise
    except Exception as error:  # decoded on access, as in `verify_token`
        raise FormatError("has a field that cannot be decoded", where=where) from error


def read_ots(ots: bytes, where: str = "ots") -> OtsContents:
    """Read an OpenTimestamps file, and verify nothing; FormatError if it does not parse."""
    stamp = parse_ots(ots, where)
    blocks, pending = attestations(stamp)
    return OtsContents(stamp.file_digest, tuple(sorted({height for _, height in blocks})), pending)
