"""Systems that lack what Linux has, simulated in processes of their own."""

import pytest
from core_support import CHEAP, PASSPHRASE
from own_process import python

from wmproof.core.triggers import noise
from wmproof.keys import load_marking_key, save_marking_key
from wmproof.keys.keygen import keygen_bounded

ABSENT = """
import os, pathlib, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "fork", "O_TMPFILE", "O_NOFOLLOW", "O_DIRECTORY"):
    if hasattr(os, name):
        delattr(os, name)
real = pathlib.Path.open
def without_proc(self, *arguments, **options):
    if str(self).startswith("/proc/"):
        raise FileNotFoundError(2, "No such file or directory", str(self))
    return real(self, *arguments, **options)
pathlib.Path.open = without_proc
"""
IMPORTS = """
import importlib, pkgutil, wmproof
for module in pkgutil.walk_packages(wmproof.__path__, "wmproof."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from wmproof.publication.web import worker
assert not worker.can_limit()
"""


def elsewhere(code, *arguments, cwd):
    words = {"WMPROOF_PASSPHRASE": PASSPHRASE}
    return python(ABSENT + code, *arguments, cwd=cwd, env=words, check=False)


def test_every_module_is_imported(tmp_path):
    done = elsewhere(IMPORTS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore")
def test_commands_work(tmp_path):
    run = "from wmproof.cli import main; main()"
    key, _ = keygen_bounded(noise(8, (4, 4)), 10, batches=2)
    save_marking_key(tmp_path / "b.mk", key, PASSPHRASE, cost=CHEAP)
    made = "keygen -o k --shape 4x4 --classes 10 --security 4 --kdf interactive"
    log = "log init log --origin a.b --sign-with log.pem"
    for command in (
        made,
        "inspect k.pvk",
        "reveal b.mk",
        log,
        "log append log k.pvk",
        "log checkpoint log --sign-with log.pem",
    ):
        done = elsewhere(run, *command.split(), cwd=tmp_path)
        assert done.returncode == 0, (command, done.stderr)
    assert load_marking_key(tmp_path / "b.mk", PASSPHRASE).revealed == 1
