"""Commands that write, killed or on a full disk at every call that changes the file system."""

import errno
import os

import pytest
from core_support import CHEAP, PASSPHRASE, complains, wmproof
from faults import FULL, KILL, outcomes
from own_process import python

from wmproof.core.triggers import noise
from wmproof.keys import (
    load_batch_opening,
    load_marking_key,
    load_public_key,
    load_verification_key,
    save_marking_key,
    save_published,
)
from wmproof.keys.keygen import keygen_bounded

ENV = {"WMPROOF_PASSPHRASE": PASSPHRASE}


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def hidden(folder):
    """What is left over; locks stay."""
    names = (path.name for path in folder.iterdir() if path.suffix != ".lock")
    return sorted(name for name in names if name.startswith("."))


def disturbed(arguments, folder, tmp_path, modules=()):
    """What is true of every command: one sentence about a full disk, and nothing of it left."""
    found = outcomes(arguments, folder=folder, out=tmp_path / "out", env=ENV, modules=modules)
    assert {one.kind for one in found} == {KILL, FULL}
    assert {"open", "write", "fsync"} <= {one.call for one in found}
    for one in found:
        if one.kind == KILL:
            assert one.code == -9, one
            continue
        assert one.code in (0, 2), one
        assert one.code == 0 or os.strerror(errno.ENOSPC) in one.errors, one
        assert "Traceback" not in one.errors
        assert "bug" not in one.errors
        assert not hidden(one.folder), one
    return found


def test_keygen_never_leaves_a_secret_key_without_its_public_half(tmp_path):
    (tmp_path / "empty").mkdir()
    command = ["keygen", "-o", "k", "--shape", "4x4", "--classes", "10", "--security", "4"]
    command += ["--kdf", "interactive"]
    halves = 0
    # What says the cost of claims takes long to import.
    modules = ("wmproof.pverify.expected",)
    for one in disturbed(command, tmp_path / "empty", tmp_path, modules):
        names = visible(one.folder)
        if "k.mk" in names:
            assert names == ["k.mk", "k.png", "k.pvk"], one
            public = load_public_key(one.folder / "k.pvk")
            key = load_marking_key(one.folder / "k.mk", PASSPHRASE)
            assert key.verification_key == public.verification_key
        elif names:
            halves += 1
            last = one.folder
    assert halves
    complains(wmproof(*command, cwd=last), "without k.mk beside it", "--force makes another")
    assert wmproof(*command, "--force", cwd=last).returncode == 0


def test_reveal_never_publishes_a_batch_that_the_key_takes_for_fresh(tmp_path):
    (tmp_path / "owner").mkdir()
    key, public = keygen_bounded(noise(8, (4, 4)), 10, batches=2)
    save_marking_key(tmp_path / "owner" / "k.mk", key, PASSPHRASE, cost=CHEAP)
    save_published(tmp_path / "owner" / "k.vk", public)
    unspent = 0
    for one in disturbed(["reveal", "k.mk", "-o", "b.opening"], tmp_path / "owner", tmp_path):
        spent = load_marking_key(one.folder / "k.mk", PASSPHRASE).revealed
        unspent += not spent
        if "b.opening" in visible(one.folder):
            assert spent == 1, one
            vk = load_verification_key(one.folder / "k.vk")
            assert load_batch_opening(one.folder / "b.opening", vk).batch == 1
        elif spent and one.kind == FULL:
            assert "--again 1" in one.errors
        if one.kind == FULL and not spent:
            assert visible(one.folder) == ["k.mk", "k.vk"]
    assert unspent


@pytest.mark.parametrize("name", ["missing/b", "n" * 300, "k.mk"])
def test_a_name_that_cannot_be_written_spends_no_batch(tmp_path, name):
    key, _ = keygen_bounded(noise(8, (4, 4)), 10, batches=2)
    save_marking_key(tmp_path / "k.mk", key, PASSPHRASE, cost=CHEAP)
    before = (tmp_path / "k.mk").read_bytes()
    assert wmproof("reveal", "k.mk", "-o", name, cwd=tmp_path).returncode == 2
    assert (tmp_path / "k.mk").read_bytes() == before


def test_the_longest_name_that_there_is_can_be_written(tmp_path):
    key, _ = keygen_bounded(noise(8, (4, 4)), 10, batches=2)
    save_marking_key(tmp_path / "k.mk", key, PASSPHRASE, cost=CHEAP)
    assert wmproof("reveal", "k.mk", "-o", "n" * 255, cwd=tmp_path).returncode == 0


def test_published_files_have_the_mode_that_the_user_gives_to_files(tmp_path):
    made = {}
    for umask in (0o002, 0o027, 0o077):
        folder = tmp_path / oct(umask)
        folder.mkdir()
        before = os.umask(umask)
        try:
            done = wmproof(
                *("keygen", "-o", "k", "--shape", "4x4", "--classes", "10", "--security", "4"),
                *("--kdf", "interactive"),
                cwd=folder,
            )
        finally:
            os.umask(before)
        assert done.returncode == 0
        made[umask] = [oct((folder / name).stat().st_mode & 0o777) for name in ("k.pvk", "k.mk")]
    assert made == {
        0o002: ["0o664", "0o600"],
        0o027: ["0o640", "0o600"],
        0o077: ["0o600", "0o600"],
    }


SIGNALLED = """
import signal, sys
from wmproof.cli import main
caught = []
signal.signal(signal.SIGALRM, lambda *_: caught.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for line in sys.argv[1:]:
    try:
        main(line.split())
    except SystemExit as end:
        assert not end.code, (line, end.code)
signal.setitimer(signal.ITIMER_REAL, 0)
print("caught", len(caught))
"""


def test_signals_that_a_program_handles_interrupt_no_command(tmp_path):
    """A thousand a second: whatever the system cuts short is begun again."""
    (tmp_path / "word").write_text(PASSPHRASE)
    key = "--shape 8x8 --classes 10 --security 16 --kdf interactive --passphrase-file word"
    sign = "--sign-with log.pem"
    done = python(
        SIGNALLED,
        f"keygen -o k {key}",
        f"log init log --origin a.b {sign}",
        "log append log k.pvk --publish",
        f"log checkpoint log {sign}",
        "log prove-inclusion log k.pvk -o p",
        "log verify p --key k.pvk --log-key log/log.vkey",
        env={"WMPROOF_SIGNING_PASSPHRASE": ""},
        cwd=tmp_path,
    )
    assert int(done.stdout.split("caught")[1]) > 50
    assert load_public_key(tmp_path / "k.pvk").digest == (
        load_marking_key(tmp_path / "k.mk", PASSPHRASE).public_key().digest
    )
