"""Tokens of a real authority, and every way in which one is refused."""

import re
import ssl
import threading
import time
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from local_authority import DAY, POLICY, make_authority, openssl
from local_server import serving
from tampering import fails, flip

from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.publication.timestamps.authority import request_token
from wmproof.publication.timestamps.rfc3161 import verify_token
from wmproof.publication.timestamps.trust import load_roots, parse_roots

REPLY = "application/timestamp-reply"


def refused(check, *arguments, **options):
    with fails(check) as caught:
        verify_token(*arguments, **options)
    return caught.value


def test_a_token_says_who_when_and_of_what(case):
    stamp = verify_token(case.token, case.digest, case.roots, policy=POLICY)
    # The authority tells whole seconds.
    assert case.asked <= stamp.gen_time + timedelta(seconds=1)
    assert stamp.gen_time <= case.answered
    assert stamp.gen_time.utcoffset() == timedelta(0)
    assert (stamp.authority, stamp.policy, stamp.digest) == ("CN=time", POLICY, case.digest)
    assert stamp.accuracy == timedelta(seconds=1.5)
    assert stamp.serial > 0


def test_a_bare_token_is_the_same(case):
    (case.authority.folder / "r").write_bytes(case.token)
    bare = openssl("ts", "-reply", "-in", case.authority.folder / "r", "-token_out")
    assert verify_token(bare, case.digest, case.roots) == verify_token(
        case.token, case.digest, case.roots
    )


def test_openssl_agrees(case):
    folder = case.authority.folder
    (folder / "agree").write_bytes(case.token)
    said = openssl(
        "ts",
        "-verify",
        "-digest",
        case.digest.hex(),
        "-in",
        folder / "agree",
        "-CAfile",
        case.authority.roots,
    )
    assert b"OK" in said


def test_another_file_nonce_or_policy(case):
    refused("timestamp-digest", case.token, bytes(32), case.roots)
    refused("timestamp-nonce", case.token, case.digest, case.roots, nonce=1)
    refused("timestamp-policy", case.token, case.digest, case.roots, policy="1.2.3.4.9")


def test_a_foreign_root(case, tmp_path):
    foreign = load_roots(make_authority(tmp_path / "foreign").roots)
    refused("timestamp-signature", case.token, case.digest, foreign)


def resigned(case, authority, change=lambda info: info):
    """The same statement, signed by another authority, which `openssl ts` would refuse to do."""
    return authority.sign(change(case.authority.info(case.token)))


def test_an_expired_certificate(case, tmp_path):
    expired = make_authority(tmp_path / "expired", valid=(-30 * DAY, -DAY))
    roots = load_roots(expired.roots)
    error = refused("timestamp-certificate-validity", resigned(case, expired), case.digest, roots)
    assert error.numbers["not_after"] < error.numbers["gen_time"]


def test_a_certificate_for_something_else(case, tmp_path):
    other = make_authority(tmp_path / "mail", usage=ExtendedKeyUsageOID.EMAIL_PROTECTION)
    token = resigned(case, other)
    refused("timestamp-certificate-usage", token, case.digest, load_roots(other.roots))


def later(info):
    """The TSTInfo with the year of its genTime raised by four, which keeps the 29th of February."""
    return re.sub(rb"\x18(.)(\d{4})", lambda m: b"\x18%s%d" % (m[1], int(m[2]) + 4), info, count=1)


def test_a_token_from_the_future(case, tmp_path):
    ahead = make_authority(tmp_path / "ahead", valid=(-DAY, 3000 * DAY))
    roots = load_roots(ahead.roots)
    made = verify_token(case.token, case.digest, case.roots).gen_time
    error = refused("timestamp-clock", case.token, case.digest, case.roots, now=made - DAY)
    assert error.numbers["ahead_seconds"] == 86400
    assert error.numbers["allowed_seconds"] == 300
    token = resigned(case, ahead, later)
    error = refused("timestamp-clock", token, case.digest, roots)
    assert error.numbers["gen_time"][:4] == str(made.year + 4)
    assert error.numbers["ahead_seconds"] > 1400 * DAY.total_seconds()
    verify_token(case.token, case.digest, case.roots, now=made - DAY, skew=2 * DAY)


def test_every_prefix_and_anything_after_the_end(case):
    for length in [0, 1, 2, 10, *range(20, len(case.token), 37), len(case.token) - 1]:
        with pytest.raises(FormatError):
            verify_token(case.token[:length], case.digest, case.roots)
    with pytest.raises(FormatError):
        verify_token(case.token + b"\0", case.digest, case.roots)
    with pytest.raises(FormatError):
        verify_token(bytes(1 << 17), case.digest, case.roots)


def test_no_flipped_bit_changes_what_is_said(case):
    honest = verify_token(case.token, case.digest, case.roots)
    rejected = 0
    for position in range(len(case.token)):
        try:
            assert verify_token(flip(case.token, position), case.digest, case.roots) == honest
        except (FormatError, VerificationError):
            rejected += 1
    assert rejected > len(case.token) // 2


def test_roots_are_given_and_parse(case):
    with pytest.raises(InputError):
        verify_token(case.token, case.digest, ())
    with pytest.raises(FormatError):
        parse_roots(b"no certificate")
    (root,) = case.roots
    version = root.public_bytes(Encoding.DER).replace(
        b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x06", 1
    )
    with pytest.raises(FormatError):
        parse_roots(ssl.DER_cert_to_PEM_cert(version).encode())


def test_over_http(case):
    seen = []

    def answer(method, path, body):
        seen.append((method, path))
        return 200, REPLY, case.authority.reply(body)

    with serving(answer) as url:
        token, stamp = request_token(case.data, url + "/tsa", case.roots, policy=POLICY)
        other, _ = request_token(case.data, url + "/tsa", case.roots)
    assert seen == [("POST", "/tsa")] * 2
    assert verify_token(token, case.digest, case.roots, nonce=stamp.nonce) == stamp
    refused("timestamp-nonce", other, case.digest, case.roots, nonce=stamp.nonce)


def test_a_replayed_token_over_http(case):
    with (
        serving(lambda *_: (200, REPLY, case.token)) as url,
        pytest.raises(VerificationError) as caught,
    ):
        request_token(case.data, url, case.roots)
    assert caught.value.check == "timestamp-nonce"


def test_a_refusal(case):
    """The authority refuses what is no request; `openssl ts` makes that answer."""
    refusal = case.authority.reply(b"no request")
    error = refused("timestamp-status", refusal, case.digest, case.roots)
    assert error.numbers["status"] == 2


def dripping():
    while True:
        yield b"x"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, "text/plain", b"broken"), "HTTP 500"),
        ((302, REPLY, b""), "HTTP 302"),
        ((200, "text/html", b"<html>"), "text/html"),
        ((200, REPLY, bytes(1 << 17)), "more than"),
    ],
)
def test_servers_that_are_none(case, answer, words):
    with serving(lambda *_: answer) as url, pytest.raises(InputError, match=words):
        request_token(case.data, url, case.roots)


@pytest.mark.parametrize("drips", [True, False])
def test_servers_that_are_slow(case, drips):
    given_up = threading.Event()

    def answer(*_):
        if drips:
            return 200, REPLY, dripping()
        given_up.wait()
        return 200, REPLY, b""

    with serving(answer) as url:
        with pytest.raises(InputError, match="no complete answer"):
            request_token(case.data, url, case.roots, timeout=0.4)
        given_up.set()


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http://u:p@a", "nothing", "http://a:b"])
def test_urls_that_are_none(case, url):
    with pytest.raises(InputError, match="URL"):
        request_token(case.data, url, case.roots)


def test_nobody_listens(case):
    with pytest.raises(InputError, match="cannot be reached"):
        request_token(case.data, "http://127.0.0.1:1", case.roots)
