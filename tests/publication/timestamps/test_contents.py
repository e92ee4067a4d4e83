"""What `inspect` shows of timestamps: what they say, and that nobody has checked it."""

import hashlib
import sys
from datetime import timedelta

import pytest
from json_output import parse_output
from local_authority import POLICY, openssl
from local_calendar import Calendar
from local_server import serving
from tampering import flip

from wmproof.cli import main
from wmproof.errors import FormatError, VerificationError
from wmproof.publication.timestamps.calendars import stamp_digest, upgrade_ots
from wmproof.publication.timestamps.contents import read_ots, read_token
from wmproof.publication.timestamps.rfc3161 import verify_token


@pytest.fixture
def inspect(tmp_path, capsys):
    """`wmproof inspect` of these bytes, in this process."""

    def inspect(data, *options, name="file", code=0):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SystemExit) as ended:
            main(["inspect", str(tmp_path / name), *options])
        shown = capsys.readouterr()
        assert ended.value.code == code, shown
        assert "Traceback" not in shown.err
        return parse_output(shown.out) if "--json" in options else shown.out + shown.err

    return inspect


def bare(case):
    (case.authority.folder / "whole").write_bytes(case.token)
    return openssl("ts", "-reply", "-in", case.authority.folder / "whole", "-token_out")


def test_a_token_is_read_as_it_is_verified(case):
    verified = verify_token(case.token, case.digest, case.roots)
    for data in (case.token, bare(case)):
        read = read_token(data)
        for name in ("gen_time", "accuracy", "authority", "serial", "policy", "digest"):
            assert getattr(read, name) == getattr(verified, name)


def test_inspect_a_token(case, inspect):
    for data, name in ((case.token, "mine.pvk.tsr"), (case.token, "any"), (bare(case), "any")):
        said = inspect(data, "--json", name=name)
        assert said["file"] == "RFC 3161 timestamp"
        assert said["verified"] is False
        assert (said["imprint"], said["imprint_algorithm"]) == (case.digest.hex(), "SHA-256")
        assert (said["authority"], said["policy"]) == ("CN=time", POLICY)
        assert said["accuracy_seconds"] == timedelta(seconds=1.5).total_seconds()
    shown = [line.split() for line in inspect(case.token).splitlines()]
    assert ["imprint", case.digest.hex()] in shown
    assert ["verified", "no"] in shown


def test_a_token_without_certificates_names_nobody(case, inspect):
    folder = case.authority.folder
    (folder / "plain").write_bytes(case.data)
    query = openssl("ts", "-query", "-data", folder / "plain", "-sha256")
    assert inspect(case.authority.reply(query), "--json")["authority"] is None


def test_a_refusal_is_no_failed_check(case, inspect):
    refusal = case.authority.reply(b"no request")
    said = inspect(refusal, "--json")
    assert said["file"] == "RFC 3161 response without a token"
    assert "did not grant it" in said["says"]


def test_damaged_and_other_files(case, inspect):
    assert "the file is cut short" in inspect(case.token[:-1], name="cut.tsr", code=2)
    assert "none of the files" in inspect(case.token[:-1], code=2)
    for other in (b"0", b"0 " + 80 * b"00", b"0\x80\0\0", b""):
        assert "none of the files" in inspect(other, code=2)
    named = inspect(b"\0OpenTimestamps\0 not quite", code=2)
    assert "not an OpenTimestamps file" in named


def test_whatever_the_bytes_are_there_is_one_error(case):
    for i in range(len(case.token)):
        try:
            read_token(flip(case.token, i, 0xFF))
        except (FormatError, VerificationError):
            continue


def test_promises_and_blocks(inspect):
    digest = hashlib.sha256(b"a model").digest()
    calendar = Calendar()
    with serving(calendar.answer) as calendar.url:
        pending = stamp_digest(digest, [calendar.url])
        calendar.mine(7)
        upgraded = upgrade_ots(pending, [calendar.url]).ots
    said = inspect(pending, "--json")
    assert (said["file"], said["verified"]) == ("OpenTimestamps file", False)
    assert (said["blocks"], said["pending"]) == ([], [calendar.url])
    assert said["file_sha256"] == digest.hex()
    assert ["blocks", "none"] in [line.split() for line in inspect(pending).splitlines()]
    assert inspect(upgraded, "--json")["blocks"] == [7]
    assert read_ots(upgraded).blocks == (7,)
    with pytest.raises(FormatError):
        read_ots(upgraded[:-1])


def test_only_timestamps_need_the_extra(case, inspect, monkeypatch):
    """Python itself refuses to import a module whose entry in sys.modules is None."""
    for name in ("contents", "rfc3161"):
        monkeypatch.delitem(sys.modules, f"wmproof.publication.timestamps.{name}")
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    assert "wmproof[timestamps]" in inspect(case.token, code=2)
    assert "none of the files" in inspect(b"text", code=2)
