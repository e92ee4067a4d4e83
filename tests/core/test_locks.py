"""Locks that others hold, and systems that lack what Linux has."""

import builtins
import contextlib
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from core_support import CHEAP, PASSPHRASE, complains, wmproof
from own_process import ROOT

from wmproof._base.files import read_text, write_file
from wmproof._base.locks import lock_name, locked
from wmproof.cli.options import ask_passphrase
from wmproof.cli.sheets import read_class_names
from wmproof.core.triggers import noise
from wmproof.errors import InputError
from wmproof.keys import save_marking_key
from wmproof.keys.keygen import keygen_bounded

HOLD = """
import sys
from wmproof._base.locks import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
READER = """
import fcntl, os, sys
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
for name in (".", *os.listdir()):
    try:
        fcntl.flock(os.open(name, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except PermissionError:
        print("not", name)
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def process(code, *arguments, **options):
    """A process that runs code, and has printed that it holds what it can."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        **options,
    ) as one:
        one.said = []
        while (line := one.stdout.readline()) != "held\n":
            assert line
            one.said.append(line)
        yield one
        one.stdin.close()


@pytest.fixture
def bounded(tmp_path):
    key, _ = keygen_bounded(noise(8, (4, 4)), 10, batches=2)
    save_marking_key(tmp_path / "k.mk", key, PASSPHRASE, cost=CHEAP)
    return tmp_path / "k.mk"


def test_a_lock_that_is_held_is_given_up_and_its_holder_named(tmp_path):
    with (
        process(HOLD, tmp_path / "x") as holder,
        pytest.raises(InputError, match="is in use by") as refused,
        locked(tmp_path / "x", timeout=0.1),
    ):
        pass
    if Path("/proc/locks").exists():
        assert f"process {holder.pid} (" in str(refused.value)
    with locked(tmp_path / "x", timeout=0), locked(tmp_path / "y", timeout=0):
        pass


def held_by_others(path, *command, cwd):
    with process(HOLD, path):
        complains(wmproof(*command, "--lock-timeout", "0", cwd=cwd), "in use by", "--lock-timeout")


def test_every_command_that_locks_gives_up(bounded, tmp_path):
    held_by_others(bounded, "reveal", "k.mk", cwd=tmp_path)
    ask = ("--calendar", "http://127.0.0.1:9")
    held_by_others(tmp_path / "k.ots", "timestamp", "upgrade", "k.ots", *ask, cwd=tmp_path)
    made = wmproof("log", "init", "log", "--origin", "a.b", "--sign-with", "log.pem", cwd=tmp_path)
    assert made.returncode == 0
    journal = tmp_path / "log" / ".state" / "journal"
    held_by_others(journal, "log", "append", "log", "00" * 32, cwd=tmp_path)
    held_by_others(journal, "log", "checkpoint", "log", "--sign-with", "log.pem", cwd=tmp_path)
    state = tmp_path / "w" / hashlib.sha256(b"a.b").hexdigest()
    state.mkdir(parents=True)
    vkey = (tmp_path / "log" / "log.vkey").read_text().strip()
    witness = ("--name", "w.b", "--sign-with", "w.pem", "--state", "w", "--log-key", vkey)
    held_by_others(state / "checkpoint", "log", "witness", "log", *witness, "-o", "c", cwd=tmp_path)


def test_all_names_of_a_file_have_one_lock(bounded, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(bounded)
    held_by_others(bounded, "reveal", "link", cwd=tmp_path / "elsewhere")


def test_two_processes_never_hold_one_lock(tmp_path):
    """Each adds one to a number, many times, by reading and replacing the file."""
    (tmp_path / "n").write_text("0")
    code = (
        "import sys\nfrom pathlib import Path\nfrom wmproof._base.locks import locked\n"
        "from wmproof._base.files import write_file\nn = Path(sys.argv[1])\n"
        "for _ in range(50):\n    with locked(n):\n"
        "        write_file(n, str(int(n.read_text()) + 1).encode(), overwrite=True)\n"
        "print('held')"
    )
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(process(code, tmp_path / "n"))
    assert (tmp_path / "n").read_text() == "200"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to be root")
def test_who_may_only_read_cannot_keep_a_writer_waiting(bounded, tmp_path):
    """Another user holds whatever he can open, and the folder itself."""
    with locked(bounded):
        pass
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode | 0o055)
    with process(READER, cwd=tmp_path) as reader:
        assert f"not {lock_name(bounded).name}\n" in reader.said
        done = wmproof("reveal", "k.mk", "--lock-timeout", "0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("folder", "lock"), [(0o755, 0o600), (0o775, 0o660), (0o1777, 0o600)])
def test_who_may_write_to_a_folder_may_hold_its_locks(tmp_path, folder, lock):
    tmp_path.chmod(folder)
    with locked(tmp_path / "x"):
        assert lock_name(tmp_path / "x").stat().st_mode & 0o777 == lock


@pytest.mark.parametrize("obstacle", ["folder", "link", "missing folder"])
def test_a_lock_that_cannot_be_made_is_one_error(tmp_path, obstacle):
    path = tmp_path / "x"
    name = lock_name(path)
    match obstacle:
        case "folder":
            name.mkdir()
        case "link":
            (tmp_path / "precious").write_text("precious")
            name.symlink_to("precious")
        case _:
            path = tmp_path / "missing" / "x"
    with (
        pytest.raises(InputError, match=r"cannot be locked|in use"),
        locked(path, timeout=0.1),
    ):
        pass
    if obstacle == "link":
        assert (tmp_path / "precious").read_text() == "precious"


@pytest.fixture
def without(monkeypatch):
    """Make imports of a module fail, as where the system does not have it."""

    def work(*names):
        real = builtins.__import__

        def refuse(name, *rest, **more):
            if name in names:
                raise ImportError(name)
            return real(name, *rest, **more)

        monkeypatch.setattr(builtins, "__import__", refuse)

    return work


def test_without_file_locks_files_are_still_written(without, tmp_path):
    without("fcntl")
    with locked(tmp_path / "x"):
        write_file(tmp_path / "x", b"1")
    assert (tmp_path / "x").read_bytes() == b"1"


def test_without_psutil_nothing_is_said_of_memory(without):
    from wmproof._base.memory import available_bytes, resident_bytes

    held = bytearray(os.urandom(64 << 20))
    assert resident_bytes() > len(held)
    assert resident_bytes() < available_bytes()
    without("psutil")
    assert resident_bytes() is available_bytes() is None


def test_text_of_any_editor_is_read(tmp_path):
    (tmp_path / "names").write_bytes(b"\xef\xbb\xbfcat\r\ndog\r\n")
    assert read_text(tmp_path / "names", limit=100) == "cat\ndog\n"
    assert read_class_names(tmp_path / "names", 2) == ["cat", "dog"]
    (tmp_path / "pass").write_bytes(b"\xef\xbb\xbf" + PASSPHRASE.encode() + b"\r\n")
    assert ask_passphrase(tmp_path / "pass") == PASSPHRASE
    (tmp_path / "names").write_bytes("cat\n".encode("utf-16"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_class_names(tmp_path / "names", 1)
