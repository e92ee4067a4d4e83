"""A real calendar, a really mined (easy) block, and Bitcoin's first."""

import hashlib
import math
from datetime import UTC, datetime, timedelta

import pytest
from local_calendar import Calendar
from local_server import serving
from opentimestamps.core.notary import BitcoinBlockHeaderAttestation
from opentimestamps.core.op import OpSHA256
from opentimestamps.core.timestamp import DetachedTimestampFile, Timestamp
from tampering import fails, flip

from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.publication.timestamps.block_headers import check_header, parse_headers
from wmproof.publication.timestamps.calendars import stamp_digest, upgrade_ots
from wmproof.publication.timestamps.ots import parse_ots, serialize_ots, verify_ots

EASY = 1e-10
DIGESTS = [hashlib.sha256(bytes([n])).digest() for n in range(5)]
# Block 0 and its only transaction, as every node has them.
GENESIS = bytes.fromhex(
    "01000000" + "00" * 32 + "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"
    "29ab5f49ffff001d1dac2b7c"
)
COINBASE = bytes.fromhex(
    "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d"
    "04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e"
    "206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a"
    "01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f"
    "4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"
)


def refused(check, *arguments, **options):
    with fails(check) as caught:
        verify_ots(*arguments, **options)
    return caught.value


@pytest.fixture(scope="module")
def mined():
    """Five digests in one block: the pending files, the upgraded ones, and the calendar."""
    calendar = Calendar()
    with serving(calendar.answer) as url:
        calendar.url = url
        pending = [stamp_digest(digest, [url]) for digest in DIGESTS]
        early = upgrade_ots(pending[0], [url])
        assert (early.heights, early.ots) == ((), pending[0])
        calendar.mine(7)
        elsewhere = upgrade_ots(pending[0], ["http://127.0.0.1:1"])
        assert (elsewhere.heights, elsewhere.not_asked) == ((), (url,))
        upgraded = [upgrade_ots(ots, [url + "/"]) for ots in pending]
    assert all(one.heights == (7,) for one in upgraded)
    return calendar, pending, [one.ots for one in upgraded]


def test_stamped_upgraded_and_verified(mined):
    calendar, _, upgraded = mined
    for digest, ots in zip(DIGESTS, upgraded, strict=True):
        stamp = verify_ots(ots, digest, calendar.headers, minimum_difficulty=EASY)
        assert (stamp.digest, stamp.block_height) == (digest, 7)
        assert abs(datetime.now(UTC) - stamp.block_time) < timedelta(minutes=5)
        assert stamp.pending == (calendar.url,)


def test_bitcoins_first_block():
    stamp = Timestamp(hashlib.sha256(COINBASE).digest())
    stamp.ops.add(OpSHA256()).attestations.add(BitcoinBlockHeaderAttestation(0))
    ots = serialize_ots(DetachedTimestampFile(OpSHA256(), stamp))
    shown = verify_ots(ots, stamp.msg, {0: GENESIS}, minimum_difficulty=1)
    assert shown.block_hash == "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
    assert shown.block_time == datetime(2009, 1, 3, 18, 15, 5, tzinfo=UTC)
    assert shown.difficulty == 1
    refused("block-difficulty", ots, stamp.msg, {0: GENESIS})
    refused("block-difficulty", ots, stamp.msg, {0: GENESIS}, minimum_difficulty=math.nan)


def test_a_promise_proves_nothing(mined):
    calendar, pending, _ = mined
    error = refused("ots-pending", pending[0], DIGESTS[0], calendar.headers)
    assert calendar.url in error.what


def test_what_does_not_fit(mined):
    calendar, _, upgraded = mined
    headers, ots, easy = calendar.headers, upgraded[0], {"minimum_difficulty": EASY}
    refused("ots-digest", ots, DIGESTS[1], headers, **easy)
    refused("block-difficulty", ots, DIGESTS[0], headers)
    error = refused("ots-merkle-root", ots, DIGESTS[0], {7: GENESIS}, **easy)
    assert error.numbers["height"] == 7
    early = datetime.now(UTC) - timedelta(days=1)
    refused("ots-clock", ots, DIGESTS[0], headers, now=early, **easy)
    with pytest.raises(InputError, match="no header was given for block 7"):
        verify_ots(ots, DIGESTS[0], {8: headers[7]}, **easy)
    with pytest.raises(FormatError, match="80 bytes"):
        verify_ots(ots, DIGESTS[0], {7: headers[7][:79]}, **easy)


def test_headers_without_their_work():
    for changed, check in [
        (GENESIS[:76] + bytes(4), "block-work"),
        (GENESIS[:72] + bytes(4) + GENESIS[76:], "block-difficulty"),
        (GENESIS[:72] + bytes.fromhex("ffff801d") + GENESIS[76:], "block-difficulty"),
        (GENESIS[:72] + bytes.fromhex("ffff00ff") + GENESIS[76:], "block-difficulty"),
    ]:
        with fails(check):
            check_header({0: changed}, 0, EASY)


def test_files_that_are_none(mined):
    ots = mined[2][0]
    for length in range(len(ots)):
        with pytest.raises(FormatError):
            parse_ots(ots[:length])
    for bad in (ots + b"\0", bytes(1 << 16), ots[:31] + b"\xff" * 2000):
        with pytest.raises(FormatError):
            parse_ots(bad)


def test_no_changed_byte_verifies(mined):
    """The promise is not verified; everything on the way to the block is."""
    calendar, _, upgraded = mined
    honest = verify_ots(upgraded[0], DIGESTS[0], calendar.headers, minimum_difficulty=EASY)
    rejected = 0
    for position in range(len(upgraded[0])):
        forged = flip(upgraded[0], position)
        try:
            shown = verify_ots(forged, DIGESTS[0], calendar.headers, minimum_difficulty=EASY)
            assert shown.block_hash == honest.block_hash
        except (FormatError, InputError, VerificationError):
            rejected += 1
    assert rejected > 0.8 * len(upgraded[0])


@pytest.mark.parametrize(
    "text", [b"", b"7 00\n", b"7 " + b"0" * 160, b"07 " + b"0" * 160 + b"\n", b"x\n"]
)
def test_header_files_that_are_none(text):
    with pytest.raises(FormatError):
        parse_headers(text)
    line = b"7 " + GENESIS.hex().encode() + b"\n"
    assert parse_headers(line) == {7: GENESIS}
    with pytest.raises(FormatError, match="again"):
        parse_headers(line + line)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, "text/plain", b""), "HTTP 500"),
        ((302, "text/plain", b""), "HTTP 302"),
        ((200, "text/plain", b"garbage"), "not a timestamp"),
        ((200, "text/plain", bytes(1 << 15)), "more than"),
    ],
)
def test_calendars_that_are_none(answer, words):
    with serving(lambda *_: answer) as url, pytest.raises(InputError, match=words):
        stamp_digest(DIGESTS[0], [url])


def test_no_calendar_is_asked_unless_named(mined):
    with pytest.raises(InputError, match="no calendar"):
        stamp_digest(DIGESTS[0], [])
    with pytest.raises(InputError, match="no calendar"):
        upgrade_ots(mined[1][0], [])
