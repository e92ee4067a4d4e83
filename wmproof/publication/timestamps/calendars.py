"""Stamping and upgrading .ots files at calendars that the user names; no other is ever asked."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from opentimestamps.core.notary import PendingAttestation
from opentimestamps.core.op import OpAppend, OpSHA256
from opentimestamps.core.serialize import BytesDeserializationContext, DeserializationError
from opentimestamps.core.timestamp import DetachedTimestampFile, Timestamp

from wmproof.errors import FormatError, InputError
from wmproof.publication.timestamps.http import DEFAULT_TIMEOUT, check_url, exchange
from wmproof.publication.timestamps.ots import OTS_LIMIT, attestations, parse_ots, serialize_ots

REPLY_LIMIT = 10_000
_HEADERS = {"Accept": "application/vnd.opentimestamps.v1", "Accept-Encoding": "identity"}
_BLIND_BYTES = 16


@dataclass(frozen=True)
class Upgrade:
    """A file after its calendars were asked."""

    ots: bytes
    """The file, with what they added."""
    heights: tuple[int, ...]
    """Blocks that attest to it now, by what the calendars say; `verify_ots` checks it."""
    pending: tuple[str, ...]
    """Calendars that have promised."""
    not_asked: tuple[str, ...]
    """Those of them that were not among the calendars given."""


def stamp_digest(
    digest: bytes, calendars: Sequence[str], *, timeout: float = DEFAULT_TIMEOUT
) -> bytes:
    """Submit a digest to every calendar and return the .ots file, which is pending.

    A calendar sees SHA-256 of the digest with 16 random bytes, not the digest.

    Raises
    ------
    InputError
        No calendar, or one that does not answer (then nothing is returned).
    FormatError
        A calendar's answer does not parse.
    """
    if len(digest) != 32:
        raise InputError(f"a SHA-256 digest has 32 bytes, not {len(digest)}")
    stamp = DetachedTimestampFile(OpSHA256(), Timestamp(digest))
    blinded = stamp.timestamp.ops.add(OpAppend(secrets.token_bytes(_BLIND_BYTES)))
    leaf = blinded.ops.add(OpSHA256())
    for calendar in _whitelist(calendars):
        leaf.merge(_ask("POST", f"{calendar}/digest", leaf.msg, timeout, body=leaf.msg))
    return _checked(stamp)


def upgrade_ots(
    ots: bytes, calendars: Sequence[str], *, timeout: float = DEFAULT_TIMEOUT, where: str = "ots"
) -> Upgrade:
    """Ask the calendars that a file names, if they are among `calendars`, for their blocks.

    Raises
    ------
    InputError
        A calendar does not answer, or none is given.
    FormatError
        The file, or an answer, does not parse.
    """
    stamp, allowed = parse_ots(ots, where), _whitelist(calendars)
    for node, uri in list(_promises(stamp.timestamp)):
        if uri in allowed:
            found = _ask("GET", f"{uri}/timestamp/{node.msg.hex()}", node.msg, timeout)
            if found is not None:
                node.merge(found)
    blocks, pending = attestations(stamp)
    return Upgrade(
        _checked(stamp),
        tuple(sorted({height for _, height in blocks})),
        pending,
        tuple(uri for uri in pending if uri.rstrip("/") not in allowed),
    )


def _whitelist(calendars: Sequence[str]) -> list[str]:
    if not calendars:
        raise InputError("no calendar is given", remedy="Name the calendars to be asked")
    return list(dict.fromkeys(check_url(url).rstrip("/") for url in calendars))


def _promises(timestamp: Timestamp) -> list[tuple[Timestamp, str]]:
    found = [
        (timestamp, attestation.uri.rstrip("/"))
        for attestation in sorted(timestamp.attestations)
        if isinstance(attestation, PendingAttestation)
    ]
    for below in timestamp.ops.values():
        found += _promises(below)
    return found


def _ask(
    method: str, url: str, message: bytes, timeout: float, body: bytes | None = None
) -> Timestamp | None:
    """Return a calendar's timestamp of `message`; None where it has none yet (404 to a GET)."""
    reply = exchange(method, url, headers=_HEADERS, body=body, limit=REPLY_LIMIT, timeout=timeout)
    if reply.status == 404 and method == "GET":
        return None
    if reply.status != 200:
        raise InputError(f"the calendar answers HTTP {reply.status}", where=url)
    try:
        context = BytesDeserializationContext(reply.body)
        timestamp = Timestamp.deserialize(context, message)
        context.assert_eof()
    except (DeserializationError, ValueError, OverflowError) as error:
        raise FormatError("the calendar's answer is not a timestamp", where=url) from error
    return timestamp


def _checked(stamp: DetachedTimestampFile) -> bytes:
    """Return the bytes, if they are a file that is read again."""
    data = serialize_ots(stamp)
    if len(data) > OTS_LIMIT:
        raise InputError(f"with these answers the file is longer than {OTS_LIMIT} bytes")
    parse_ots(data)
    return data
