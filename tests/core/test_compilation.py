"""Compilation is seen, announced once and counted; what is on disk already is not."""

import re

import own_process
from own_process import python

PROGRAM = """
import time
from wmproof._base.compilation import announced
from numba import njit

@njit
def inner(x):
    return x * x

@njit
def outer(x):
    return inner(x) + 1

started = time.monotonic()
with announced() as first:
    assert outer(2) == 5
assert 0 < first.seconds <= time.monotonic() - started
assert first.kernels == 1, "the inner one is part of it"
with announced() as second:
    assert outer(3) == 10
assert (second.seconds, second.kernels) == (0, 0)
"""


def test_compilation_is_announced_once_and_counted():
    done = python(PROGRAM)
    assert done.stderr.count("once on this machine") == 1


KERNELS = """
import time
from wmproof._base.compilation import announced
from wmproof._base.jit import njit

kernels = []
for i in range(8):
    @njit(cache=True)
    def kernel(x, i=i):
        return x + i
    kernels.append(kernel)

started = time.monotonic()
with announced() as seen:
    for kernel in kernels:
        kernel(1)
took = time.monotonic() - started
assert 0 < seen.seconds <= took
print(f"{seen.seconds:.0f}")
"""


def test_the_length_is_measured_and_told(tmp_path):
    (tmp_path / "program.py").write_text(KERNELS)
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = own_process.run("program.py", env=cache, cwd=tmp_path, check=True)
    first, foretold, last = done.stderr.splitlines()
    assert first == "compiling the prover's kernels, once on this machine"
    assert re.fullmatch(r"at most about \d+ s more, by the first 2 of 8 kernels", foretold)
    assert last == f"the kernels took {done.stdout.strip()} s to compile"


def test_the_warm_up_leaves_nothing_to_compile(tmp_path):
    """A second process finds every kernel of a proof on disk."""
    program = (
        "from wmproof._base.compilation import announced\n"
        "from wmproof.pverify.warm_up import warm_up\n"
        "with announced(quiet=True) as seen: warm_up()\n"
        "print(seen.kernels)"
    )
    kernels = [python(program).stdout for _ in range(2)]
    assert int(kernels[1]) == 0
