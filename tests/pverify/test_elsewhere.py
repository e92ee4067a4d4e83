"""Claims in processes that differ from a developer's: no caches, no home, forked, odd settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from elsewhere import UNPRIVILEGED, environment

from wmproof.keys import KdfCost, save_marking_key, save_published

ROOT = Path(__file__).parents[2]
PASSPHRASE = "correct horse"
WEAK = ("--minimum-security", "16", "--minimum-strength", "24")


@pytest.fixture(scope="module")
def files(case, tmp_path_factory):
    """A folder with the owner's files."""
    folder = tmp_path_factory.mktemp("owner")
    save_marking_key(folder / "owner.mk", case.key, PASSPHRASE, cost=KdfCost.INTERACTIVE)
    save_published(folder / "owner.pvk", case.public)
    shutil.copy(case.marked, folder / "marked.onnx")
    (folder / "c.proof").write_bytes(case.claim)
    return folder


@pytest.fixture(scope="module")
def package(files, tmp_path_factory):
    """A copy of the package whose kernels' caches are damaged, half of them read-only too."""
    root = tmp_path_factory.mktemp("package")
    copy = root / "wmproof"
    # With the machine code that earlier tests left: the claim compiles what is missing.
    shutil.copytree(ROOT / "wmproof", copy, ignore=shutil.ignore_patterns("*.pyc"))
    proving = ["prove", files / "marked.onnx", "--key", files / "owner.mk"]
    proving += ["--public-key", files / "owner.pvk", "-o", root / "first.proof", *WEAK[2:]]
    subprocess.run(
        [sys.executable, "-m", "wmproof", *proving],
        cwd=root,
        env=environment(PYTHONPATH=str(root), WMPROOF_PASSPHRASE=PASSPHRASE),
        capture_output=True,
        check=True,
    )
    kept = sorted(copy.rglob("*.nbc"))
    assert len(kept) > 20
    garbage = [b"", b"\x80\x05N.", os.urandom(1000)]
    for place, file in enumerate(kept):
        file.write_bytes(garbage[place % len(garbage)])
    folders = sorted({file.parent for file in kept})
    for folder in folders[::2]:
        folder.chmod(0o555)
    yield root, [file for file in kept if file.parent in folders[1::2]]
    for folder in folders:
        folder.chmod(0o755)


def test_claims_are_proved_and_verified_without_usable_caches(files, package, tmp_path):
    root, damaged = package
    before = {file: file.read_bytes() for file in damaged}
    out = tmp_path / "c.proof"
    public = ("--public-key", files / "owner.pvk")

    def run(*arguments):
        return subprocess.run(
            [*UNPRIVILEGED, sys.executable, "-m", "wmproof", *arguments],
            env=environment(PYTHONPATH=str(root), WMPROOF_PASSPHRASE=PASSPHRASE),
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )

    model = files / "marked.onnx"
    for command in (
        ("prove", model, "--key", files / "owner.mk", *public, "-o", out, *WEAK[2:]),
        ("pverify", model, "--proof", out, *public, *WEAK),
    ):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    assert any(file.read_bytes() != old for file, old in before.items())


FORK = """
import os, signal, sys
from pathlib import Path
from wmproof._base.threads import for_each, over_ranges
from wmproof.core.policy import Policy
from wmproof.keys import load_public_key

policy = Policy(strength=24, tolerance=0.1, security=16)
from wmproof.pverify.verifier import verify_claim

folder = Path(sys.argv[1])
public = load_public_key(folder / "owner.pvk")
claim = (folder / "c.proof").read_bytes()

def work():
    assert verify_claim(folder / "marked.onnx", public, claim, policy).hidden
    assert sum(over_ranges(lambda low, high: high - low, 100, grain=1)) == 100
    for_each(bool, range(10))

work()
pid = os.fork()
if not pid:
    signal.alarm(100)
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_of_a_process_that_verified_verifies_too(files):
    done = subprocess.run(
        [sys.executable, "-c", FORK, files],
        env=os.environ | {"PYTHONPATH": str(ROOT), "WMPROOF_THREADS": "4"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr)


def test_the_command_names_a_number_of_threads_that_is_none(files):
    claim = ("--public-key", "owner.pvk", "--proof", "c.proof", *WEAK)
    done = subprocess.run(
        [sys.executable, "-m", "wmproof", "pverify", "marked.onnx", *claim],
        env=os.environ | {"PYTHONPATH": str(ROOT), "WMPROOF_THREADS": "abc"},
        cwd=files,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "WMPROOF_THREADS: is 'abc'" in done.stderr
    assert "Set it to a number" in done.stderr
