"""OpenTimestamps files (.ots): parsing, verifying against block headers, writing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opentimestamps.core.notary import BitcoinBlockHeaderAttestation, PendingAttestation
from opentimestamps.core.op import OpSHA256
from opentimestamps.core.serialize import (
    BytesDeserializationContext,
    BytesSerializationContext,
    DeserializationError,
)
from opentimestamps.core.timestamp import DetachedTimestampFile

from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.publication.timestamps.block_headers import (
    MAINNET_DIFFICULTY,
    BlockHeader,
    check_header,
)

OTS_LIMIT = 1 << 15
MAGIC: bytes = DetachedTimestampFile.HEADER_MAGIC
# Bitcoin accepts blocks up to two hours ahead of the network's time.
BLOCK_SKEW = timedelta(hours=2)


@dataclass(frozen=True)
class BlockTimestamp:
    """What a verified .ots file shows: the digest existed when this block was made."""

    digest: bytes
    """SHA-256 of what is timestamped."""
    block_time: datetime
    """The header's time, UTC; miners may be up to two hours off."""
    block_height: int
    block_hash: str
    difficulty: float
    """Of the header's proof of work."""
    pending: tuple[str, ...]
    """Calendars whose promises are in the file as well; they prove nothing."""
    unchecked: tuple[int, ...]
    """Heights of further attestations, for which no header was given."""


def verify_ots(
    ots: bytes,
    digest: bytes,
    headers: Mapping[int, bytes],
    *,
    minimum_difficulty: float = MAINNET_DIFFICULTY,
    now: datetime | None = None,
    where: str = "ots",
) -> BlockTimestamp:
    """Check a file against headers that the verifier trusts to be of the best chain.

    Parameters
    ----------
    ots : bytes
    digest : bytes, 32
        SHA-256 of the file that is timestamped.
    headers : mapping of int to bytes, 80
        Block headers by height.
    minimum_difficulty : float
        Refuse headers with less work. The default is a bound for mainnet since 2019.
    now : datetime, optional
        The verifier's time, aware; the system's by default.

    Returns
    -------
    BlockTimestamp
        Of the earliest block. Every attestation whose header is given has been checked.

    Raises
    ------
    FormatError
        The file does not parse.
    InputError
        No header was given for any block that the file names.
    VerificationError
        `ots-digest`, `ots-pending` (nothing but promises), `ots-merkle-root`, `ots-clock`,
        `block-difficulty`, `block-work`.
    """
    stamp = parse_ots(ots, where)
    _check_digest(stamp, digest, where)
    blocks, pending = attestations(stamp)
    if not blocks:
        raise VerificationError(
            "ots-pending",
            "no block attests to it yet, and a calendar's promise proves nothing "
            f"({', '.join(pending) or 'no calendar'})",
            where=where,
            remedy="Run `wmproof timestamp upgrade` some hours after stamping",
        )
    known = [(root, height) for root, height in blocks if height in headers]
    unchecked = tuple(sorted({height for _, height in blocks} - set(headers)))
    if not known:
        raise InputError(
            f"no header was given for block {', '.join(map(str, unchecked))}",
            where=where,
            remedy="Add it to the file of headers, from a node that you trust",
        )
    checked = [
        _check_root(root, check_header(headers, height, minimum_difficulty), where)
        for root, height in known
    ]
    earliest = min(checked, key=lambda block: (block.time, block.height))
    _check_clock(earliest, now or datetime.now(UTC), where)
    return BlockTimestamp(
        digest,
        earliest.time,
        earliest.height,
        earliest.block_hash,
        earliest.difficulty,
        pending,
        unchecked,
    )


def parse_ots(ots: bytes, where: str = "ots") -> DetachedTimestampFile:
    """Parse a file over a SHA-256 digest, with nothing after its end; FormatError if it is none."""
    if len(ots) > OTS_LIMIT:
        raise FormatError(f"is longer than the {OTS_LIMIT} bytes that are read", where=where)
    try:
        stamp = DetachedTimestampFile.deserialize(BytesDeserializationContext(ots))
    except (DeserializationError, ValueError, OverflowError) as error:
        raise FormatError(
            "is not an OpenTimestamps file: cut short, damaged, or of another kind", where=where
        ) from error
    if not isinstance(stamp.file_hash_op, OpSHA256):
        raise FormatError("is over a digest other than SHA-256", where=where)
    return stamp


def serialize_ots(stamp: DetachedTimestampFile) -> bytes:
    """Return the bytes of a file."""
    context = BytesSerializationContext()
    stamp.serialize(context)
    data: bytes = context.getbytes()
    return data


def attestations(stamp: DetachedTimestampFile) -> tuple[list[tuple[bytes, int]], tuple[str, ...]]:
    """Return (Merkle root, height) of each block attestation, and the calendars that promised."""
    blocks, pending = [], set()
    for message, attestation in stamp.timestamp.all_attestations():
        if isinstance(attestation, BitcoinBlockHeaderAttestation):
            blocks.append((message, attestation.height))
        elif isinstance(attestation, PendingAttestation):
            pending.add(attestation.uri)
    return blocks, tuple(sorted(pending))


def _check_digest(stamp: DetachedTimestampFile, digest: bytes, where: str) -> None:
    if len(digest) != 32:
        raise InputError(f"a SHA-256 digest has 32 bytes, not {len(digest)}")
    if stamp.file_digest != digest:
        raise VerificationError(
            "ots-digest",
            "the timestamp is for another file",
            where=where,
            numbers={"timestamp": stamp.file_digest.hex(), "file": digest.hex()},
        )


def _check_root(root: bytes, block: BlockHeader, where: str) -> BlockHeader:
    if root != block.merkle_root:
        raise VerificationError(
            "ots-merkle-root",
            f"block {block.height} does not contain it: another Merkle root",
            where=where,
            numbers={
                "height": block.height,
                "timestamp": root[:64].hex(),
                "header": block.merkle_root.hex(),
            },
        )
    return block


def _check_clock(block: BlockHeader, now: datetime, where: str) -> None:
    ahead = (block.time - now).total_seconds()
    if ahead > BLOCK_SKEW.total_seconds():
        raise VerificationError(
            "ots-clock",
            f"block {block.height} is of {block.time.isoformat()}, {ahead:.0f} seconds in the "
            f"future; {BLOCK_SKEW.total_seconds():.0f} are allowed",
            where=where,
            numbers={"ahead_seconds": ahead, "allowed_seconds": BLOCK_SKEW.total_seconds()},
        )
