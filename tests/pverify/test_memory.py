"""The memory that a proof takes is what was asked for, measured on the real command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from wmproof.argument.matrix import FASTEST
from wmproof.circuit.evaluate import classify
from wmproof.errors import InputError
from wmproof.keygen import pkeygen
from wmproof.keys import KdfCost, load_public_key, save_marking_key, save_published
from wmproof.pverify.memory import MemoryPlan, plan_memory
from wmproof.pverify.statement import open_public_model
from wmproof.pverify.verifier import verify_claim
from wmproof.training.export import to_onnx
from wmproof.training.networks import build
from wmproof.training.normalization import Normalization
from wmproof.triggers import noise

ROOT = Path(__file__).parents[2]
SECURITY, SHAPE, CLASSES = 24, (1, 28, 28), 10


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
        key, public = pkeygen(noise(4 * SECURITY, SHAPE), CLASSES, security=SECURITY)
        hidden = key.to_embed()
        answers = classify(open_public_model(paths.model, public).circuit, hidden.images)
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
        timeout=300,
    )
    *complaint, peak = done.stderr.split()
    return done.returncode, " ".join(complaint), int(peak) * 1024


def test_the_least_memory_that_the_command_names_is_enough(files, tmp_path):
    code, complaint, _ = prove(files, tmp_path / "c.proof", "1M")
    assert code == 2
    assert not list(tmp_path.iterdir())
    least = int(re.search(r"Allow\s+(\d+)\s+MB", complaint)[1]) * 10**6
    peaks = []
    for memory in (least, 10 * least):
        out = tmp_path / f"{memory}.proof"
        code, complaint, peak = prove(files, out, memory)
        assert code == 0, complaint
        assert peak <= memory
        peaks.append(peak)
        verify_claim(
            files.model,
            load_public_key(files.public),
            out.read_bytes(),
            minimum_security=SECURITY,
            tolerance=Fraction(99, 100),
        )
    assert peaks[0] < peaks[1]


@pytest.mark.parametrize("size", ["", "4X", "-1G", "1..2G", "G"])
def test_a_size_that_is_none_is_refused(files, tmp_path, size):
    code, complaint, _ = prove(files, tmp_path / "c.proof", size)
    assert code == 2
    assert "not a size" in complaint


def test_less_memory_means_a_slower_plan_and_none_means_an_error(files):
    public = load_public_key(files.public)
    circuit, vk = open_public_model(files.model, public).circuit, public.verification_key
    free = plan_memory(circuit, vk, 1, most_bytes=1 << 60)
    assert (free.chunk_bits, free.storage) == (MemoryPlan().chunk_bits, FASTEST)
    tight = plan_memory(circuit, vk, 1, most_bytes=free.bytes - 1)
    assert tight.bytes < free.bytes
    assert (tight.chunk_bits, tight.storage) != (free.chunk_bits, free.storage)
    given = plan_memory(circuit, vk, 1, most_bytes=1 << 60, chunk_bits=3)
    assert given.chunk_bits == 3
    with pytest.raises(InputError, match="of memory") as refused:
        plan_memory(circuit, vk, 1, most_bytes=0)
    allow = int(re.search(r"Allow (\d+) MB", refused.value.remedy)[1]) * 10**6
    held = bytearray(os.urandom(4 << 20))
    assert plan_memory(circuit, vk, 1, most_bytes=allow).bytes <= allow
    del held
