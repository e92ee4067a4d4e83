"""The commands of the log, from an empty folder to a verified key, and what they refuse."""

import hashlib
import io
import sys

import pytest
from json_output import parse_output

from wmproof.cli import main
from wmproof.core.triggers import abstract
from wmproof.errors import InputError
from wmproof.keys import save_published
from wmproof.keys.keygen import pkeygen
from wmproof.publication.log.published import load_published

ZERO = 64 * "0"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """The command line in this process: its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def run(*arguments, code=0, passphrase=""):
        monkeypatch.setenv("WMPROOF_SIGNING_PASSPHRASE", passphrase)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["log", *map(str, arguments)])
        shown = capsys.readouterr()
        assert ended.value.code == code, shown
        assert "Traceback" not in shown.err
        if code:
            return " ".join((shown.err + shown.out).split())
        return parse_output(shown.out) if "--json" in arguments else shown.out

    return run


@pytest.fixture
def board(run, tmp_path):
    """A log with one key in it, made by the commands."""
    _, public = pkeygen(abstract(32, (4, 4)), 10, security=8)
    save_published(tmp_path / "mine.pvk", public)
    made = run("init", "board", "--origin", "example.com/b", "--sign-with", "log.pem", "--json")
    run("append", "board", "mine.pvk")
    run("checkpoint", "board", "--sign-with", "log.pem")
    return made["log_key"]


def test_from_an_empty_folder_to_a_verified_key(run, board, tmp_path, capsys):
    assert (tmp_path / "log.pem").stat().st_mode & 0o777 == 0o600
    (tmp_path / "old").write_bytes((tmp_path / "board/checkpoint").read_bytes())
    appended = run("append", "board", ZERO, "mine.pvk", "--json")["appended"]
    assert [item["index"] for item in appended] == [1, 2]
    assert run("checkpoint", "board", "--sign-with", "log.pem", "--json")["size"] == 3
    witness = ("witness", "--name", "w", "--sign-with", "w.pem", "--state", "w", "--log-key", board)
    vkey = run(*witness, "board", "-o", "w.cosig", "--json")["witness_key"]
    added = run("checkpoint", "board", "--add", "w.cosig", "--witness", vkey, "--json")
    assert added["signatures"] == ["example.com/b", "w"]
    run("prove-inclusion", "board", "mine.pvk")
    (tmp_path / "w.vkey").write_text(vkey + "\n")
    check = ("verify", "--log-key", board, "--witness", "w.vkey")
    holds = run(*check, "mine.pvk.tlog-proof", "--key", "mine.pvk", "--json")
    with pytest.raises(SystemExit):
        main(["inspect", "mine.pvk.tlog-proof", "--json"])
    seen = parse_output(capsys.readouterr().out)
    assert {name: seen[name] for name in ("index", "origin", "size", "root")} == {
        name: holds[name] for name in ("index", "origin", "size", "root")
    }
    assert holds["holds"]
    assert holds["index"] == 0
    assert holds["cosignatures"][0]["witness"] == "w"
    run("prove-consistency", "board", "--since", "old", "-o", "growth")
    assert "the log only grew" in run(*check, "growth", "--since", "old")
    assert "every entry and tile" in run(*check, "--folder", "board")
    run("prove-consistency", "board", "--since-size", "3", "-o", "request")
    assert "size 3" in run(*witness, "request", "-o", "again", "--json")["cosigned"]


def test_keys_that_are_published_lie_beside_the_log(run, board, tmp_path):
    run("append", "board", "mine.pvk", "--publish")
    (kept,) = (tmp_path / "board/keys").iterdir()
    data = (tmp_path / "mine.pvk").read_bytes()
    assert kept.read_bytes() == data
    digest = hashlib.sha256(data).digest()
    assert kept.name == f"{digest.hex()}.pvk"
    assert load_published(tmp_path / "board", digest).digest == digest
    assert load_published(tmp_path / "board", bytes(32)) is None
    kept.rename(kept.with_name(f"{ZERO}.pvk"))
    with pytest.raises(InputError, match="another key than its name says"):
        load_published(tmp_path / "board", bytes(32))
    assert "cannot be read" in run("append", "board", ZERO, "--publish", code=2)


def test_what_does_not_hold(run, board, tmp_path):
    run("prove-inclusion", "board", "mine.pvk", "-o", "proof")
    check = ("verify", "proof", "--log-key", board)
    assert "[inclusion]" in run(*check, "--key", ZERO, code=1)
    said = parse_output(run(*check, "--key", ZERO, "--json", code=1))
    assert said["holds"] is False
    assert said["error"]["check"] == "inclusion"
    run("init", "other", "--origin", "example.com/b", "--sign-with", "other.pem")
    other = (tmp_path / "other/log.vkey").read_text().strip()
    assert "[log-signature]" in run("verify", "proof", "--log-key", other, "--key", ZERO, code=1)
    (tmp_path / "newer").write_bytes((tmp_path / "board/checkpoint").read_bytes())
    assert "with another key" in run("checkpoint", "board", "--sign-with", "other.pem", code=2)
    run("init", "fresh", "--origin", "example.com/b", "--sign-with", "log.pem")
    said = run("prove-consistency", "fresh", "--since", "newer", "-o", "x", code=1)
    assert "rolled back" in said
    assert "size 1" in said
    assert "size 0" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("init", "board", "--origin", "a b", "--sign-with", "new.pem"), "cannot be the name"),
        (("init", "board", "--origin", "a", "--sign-with", "log.pem"), "is not empty"),
        (("append", "nowhere", ZERO), "is no log"),
        (("append", "board", "log.pem"), "neither a public key nor"),
        (("append", "board", "missing.pvk"), "cannot be read"),
        (("append", "board"), "Missing argument"),
        (("checkpoint", "board"), "give either --sign-with"),
        (("checkpoint", "board", "--add", "mine.pvk"), "--add needs the witness's key"),
        (("checkpoint", "board", "--sign-with", "mine.pvk"), "is not a private key"),
        (("prove-inclusion", "board", ZERO), "is not among the 1 published entries"),
        (("prove-consistency", "board", "-o", "x"), "give either --since"),
        (("prove-consistency", "board", "-o", "x", "--since-size", "5"), "no smaller size 5"),
        (("serve", "nowhere"), "is no log"),
        (("serve", "board", "--host", "192.0.2.1"), "at which this machine can listen"),
        (
            ("serve", "board", "--log-key", f"b+{8 * '0'}+AAAA"),
            "holds no key of a kind that is known",
        ),
        (("verify", "--log-key", "VKEY"), "give PROOF with --key"),
        (
            ("verify", "log.pem", "--key", ZERO, "--log-key", "VKEY"),
            "is cut short: there is no checkpoint",
        ),
        (("verify", "mine.pvk", "--key", ZERO, "--log-key", "a+b+c"), "base64"),
        (("verify", "mine.pvk", "--key", ZERO, "--log-key", "missing"), "cannot be read"),
        (("verify", "mine.pvk", "--key", ZERO), "Missing option '--log-key'"),
    ],
)
def test_bad_input(run, board, arguments, words):
    arguments = [board if argument == "VKEY" else argument for argument in arguments]
    assert words in run(*arguments, code=2)


def test_a_signing_key_with_a_passphrase(run, tmp_path):
    secret = {"passphrase": "a passphrase"}
    run("init", "board", "--origin", "b", "--sign-with", "key.pem", **secret)
    assert "ENCRYPTED" in (tmp_path / "key.pem").read_text()
    run("append", "board", ZERO)
    assert "is encrypted" in run("checkpoint", "board", "--sign-with", "key.pem", code=2)
    wrong = {"passphrase": "another"}
    assert "does not open" in run("checkpoint", "board", "--sign-with", "key.pem", code=2, **wrong)
    run("checkpoint", "board", "--sign-with", "key.pem", **secret)
