"""The memory that a proof takes is what was asked for, measured on the real command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import torch
from click.testing import CliRunner

from wmproof._base import memory
from wmproof.circuit.evaluate import classify
from wmproof.cli.prove import prove as prove_command
from wmproof.commitment.scheme import Scheme
from wmproof.core.policy import Policy
from wmproof.core.triggers import noise
from wmproof.errors import InputError
from wmproof.keys import KdfCost, load_public_key, save_marking_key, save_published
from wmproof.keys.keygen import pkeygen
from wmproof.pverify.memory import _SPREAD, plan_memory
from wmproof.pverify.statement import open_public_model
from wmproof.pverify.verifier import verify_claim
from wmproof.training.export import to_onnx
from wmproof.training.networks import build
from wmproof.training.normalization import Normalization

ROOT = Path(__file__).parents[2]
LIMIT = str(50 << 20)
SECURITY, SHAPE, CLASSES = 64, (1, 28, 28), 10


class Files(NamedTuple):
    """An untrained network and a key of which it happens to hit a trigger."""

    model: Path
    key: Path
    public: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    paths = Files(folder / "m.onnx", folder / "k.mk", folder / "k.pvk")
    torch.set_num_threads(1)
    network = build("lenet5", SHAPE, CLASSES, width=6, seed=1)
    paths.model.write_bytes(to_onnx(network.eval(), Normalization((127.0,), (64.0,)), SHAPE))
    while True:
        key, public = pkeygen(
            noise(4 * SECURITY, SHAPE), CLASSES, security=SECURITY, scheme=Scheme.SHA256
        )  # What they need is large beside what any process takes.
        hidden = key.to_embed()
        answers = classify(open_public_model(paths.model, public, Policy()).circuit, hidden.images)
        if (answers == hidden.labels).any():
            break
    save_marking_key(paths.key, key, "correct horse", cost=KdfCost.INTERACTIVE)
    save_published(paths.public, public)
    return paths


# The peak that wait() reports begins with that of the process which was forked; VmHWM does not.
COMMAND = """
import sys
from pathlib import Path
from wmproof.cli.app import main
try:
    main()
finally:
    print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0], file=sys.stderr)
"""


def prove(files, out, memory):
    """Run the command; exit code, what it complained of, and its peak in bytes."""
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    inputs = (files.model, "--key", files.key, "--public-key", files.public, "-o", out)
    limit = ("--max-memory", str(memory))
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "prove", *inputs, "--threshold", "1", *limit],
        env=os.environ | {"PYTHONPATH": search, "WMPROOF_PASSPHRASE": "correct horse"},
        capture_output=True,
        text=True,
    )
    *complaint, peak = done.stderr.split()
    return done.returncode, " ".join(complaint), int(peak) * 1024


def test_the_least_memory_that_the_command_names_is_enough(files, tmp_path):
    code, complaint, _ = prove(files, tmp_path / "c.proof", "1M")
    assert code == 2
    assert not list(tmp_path.iterdir())
    least = int(re.search(r"Allow\s+(\d+)\s+MB", complaint)[1]) * 10**6
    peaks = []
    # First with plenty: kernels may have to be compiled, which takes memory beside the plan's.
    for attempt, most in enumerate((10 * least, least, 10 * least)):
        out = tmp_path / f"{attempt}.proof"
        code, complaint, peak = prove(files, out, most)
        assert code == 0, complaint
        assert peak <= most
        peaks.append(peak)
        verify_claim(
            files.model,
            load_public_key(files.public),
            out.read_bytes(),
            Policy(security=SECURITY, strength=0, tolerance=Fraction(999, 1000)),
        )
    assert peaks[1] < peaks[2]


GROUPS = {
    "the process's own": ("0::/job\n", {"job": {"memory.max": LIMIT}}),
    "one above it": ("0::/job/step\n", {"job": {"memory.max": LIMIT}, "job/step": {}}),
    "the container's": ("0::/of/the/host\n", {".": {"memory.max": LIMIT}}),
    "version 1": (
        "5:cpu:/\n4:memory:/job\n0::/\n",
        {"memory/job": {"memory.limit_in_bytes": LIMIT}, "memory": {}},
    ),
}


@pytest.mark.parametrize("name", GROUPS)
def test_the_memory_of_the_machine_is_checked(files, tmp_path, monkeypatch, name):
    membership, groups = GROUPS[name]
    for folder, texts in groups.items():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        first = folder.startswith("memory")
        stat = f"anon 5\n{'total_' if first else ''}inactive_file 1000\n"
        used = "memory.usage_in_bytes" if first else "memory.current"
        limit = "memory.limit_in_bytes" if first else "memory.max"
        unlimited = str((1 << 63) - 4096) if first else "max"
        for file, text in {limit: unlimited, used: "400000", "memory.stat": stat, **texts}.items():
            (tmp_path / folder / file).write_text(f"{text}\n")
    (tmp_path / "membership").write_text(membership)
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    monkeypatch.setattr(memory, "_MEMBERSHIP", tmp_path / "membership")
    before = memory.resident_bytes()
    allowed = memory.available_bytes()
    assert abs(allowed - before - (int(LIMIT) - 400000 + 1000)) < 32 << 20
    monkeypatch.setenv("WMPROOF_PASSPHRASE", "correct horse")
    out = tmp_path / "c.proof"
    arguments = files.model, "--key", files.key, "--public-key", files.public, "-o", out
    done = CliRunner().invoke(prove_command, [*map(str, arguments), "--threshold", "1"])
    assert "are free" in str(done.exception)
    assert "--max-memory" in done.exception.remedy
    assert not out.exists()


def test_without_a_limit_the_memory_is_what_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_MEMBERSHIP", tmp_path / "none")
    free = psutil.virtual_memory().available
    given = memory.available_bytes() - memory.resident_bytes()
    assert abs(given - free) < 0.5 * psutil.virtual_memory().total
    for nonsense in ("", "x", "0::", "0::/../..\n", "4:memory:\n"):
        (tmp_path / "none").write_text(nonsense)
        assert memory.available_bytes() > memory.resident_bytes()


@pytest.mark.parametrize("size", ["", "4X", "-1G", "1..2G", "G"])
def test_a_size_that_is_none_is_refused(files, tmp_path, size):
    code, complaint, _ = prove(files, tmp_path / "c.proof", size)
    assert code == 2
    assert "not a size" in complaint


def test_less_memory_means_a_slower_plan_and_none_means_an_error(files, monkeypatch):
    public = load_public_key(files.public)
    circuit, vk = open_public_model(files.model, public, Policy()).circuit, public.verification_key
    proved = len(vk.hidden_indices())
    with monkeypatch.context() as held:  # which the system may take away between two plans
        held.setattr("wmproof.pverify.memory.resident_bytes", lambda: 1 << 30)
        free = plan_memory(circuit, vk, proved, most_bytes=1 << 60)
        tight = plan_memory(circuit, vk, proved, most_bytes=free.bytes - 1)
    assert free.keep_sums
    assert tight.bytes < free.bytes
    assert replace(tight, bytes=0) != replace(free, bytes=0)
    given = plan_memory(circuit, vk, proved, most_bytes=1 << 60, chunk_bits=3)
    assert given.chunk_bits == 3
    allow = least(circuit, vk, proved)
    more = bytearray(os.urandom(4 << 20))
    assert plan_memory(circuit, vk, proved, most_bytes=allow).bytes <= allow
    del more


def test_who_has_too_little_memory_is_told_how_many_triggers_fit(files, monkeypatch):
    monkeypatch.setattr("wmproof.pverify.memory.resident_bytes", lambda: 1 << 30)
    public = load_public_key(files.public)
    circuit, vk = open_public_model(files.model, public, Policy()).circuit, public.verification_key
    proved = len(vk.hidden_indices())
    too_little = least(circuit, vk, proved) - _SPREAD - (4 << 20)
    with pytest.raises(InputError, match="are allowed") as refused:
        plan_memory(circuit, vk, proved, most_bytes=too_little)
    fewer = int(re.search(r"at most (\d+) of", refused.value.remedy)[1])
    assert 1 <= fewer < proved
    plan_memory(circuit, vk, fewer, most_bytes=too_little + (4 << 20))


def least(circuit, vk, proved):
    """What the error names."""
    with pytest.raises(InputError, match="of memory") as refused:
        plan_memory(circuit, vk, proved, most_bytes=0)
    return int(re.search(r"Allow (\d+) MB", refused.value.remedy)[1]) * 10**6
