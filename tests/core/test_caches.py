"""Caches of machine code that are missing, read-only, shared or damaged cost time, nothing else."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from elsewhere import UNPRIVILEGED, environment
from own_process import ROOT

from wmproof._base.jit import _is_private

KERNEL = """
import sys
from wmproof._base.jit import njit

@njit(nogil=True, cache=True)
def double(x):
    return 2 * x

print(double(21), *(sum(s.values()) for s in (double.stats.cache_hits, double.stats.cache_misses)))
"""


def kernel(folder):
    """Run the kernel in a new process: its answer, hits and misses of the cache."""
    done = subprocess.run(
        [*UNPRIVILEGED, sys.executable, folder / "kernel.py"],
        env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return tuple(map(int, done.stdout.split()))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "kernel.py").write_text(KERNEL)
    assert kernel(folder) == (42, 0, 1)
    assert kernel(folder) == (42, 1, 0)
    return folder


@pytest.fixture
def warm(compiled, tmp_path):
    """A folder of its own for each test, whose cache is as good as the first."""
    shutil.copytree(compiled, tmp_path / "warm")
    return tmp_path / "warm"


def flip(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [lambda _: b"", lambda data: data[:-1], flip])
def test_damaged_machine_code_is_compiled_again_and_replaced(warm, damage):
    (file,) = (warm / "__pycache__").glob("*.nbc")
    file.write_bytes(damage(file.read_bytes()))
    assert kernel(warm) == (42, 0, 1)
    assert kernel(warm) == (42, 1, 0)


EVERY_PLACE = """
import os, runpy, shutil, sys
from pathlib import Path
from faults import KILL, Disturbance
import wmproof._base.jit

def forked(folder, disturbance):
    sys.stdout.flush()
    if not (pid := os.fork()):
        disturbance.install()
        runpy.run_path(folder / "kernel.py")
        sys.stdout.flush()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

pristine, place, code = Path(sys.argv[1]), 0, -9
while code == -9:
    place += 1
    folder = pristine.with_name(str(place))
    shutil.copytree(pristine, folder)
    code = forked(folder, Disturbance(KILL, place, folder))
    forked(folder, Disturbance(KILL, 0, folder))
    forked(folder, Disturbance(KILL, 0, folder))
"""


def test_a_killed_compilation_leaves_no_other_code_under_its_name(warm):
    """Neither that of an older source, which the cache still has, nor half a file."""
    (warm / "kernel.py").write_text(KERNEL.replace("2 * x", "3 * x"))
    done = subprocess.run(
        [sys.executable, "-c", EVERY_PLACE, warm],
        env=environment(PYTHONPATH=f"{ROOT}:{ROOT / 'tests'}"),
        capture_output=True,
        text=True,
        check=True,
    )
    *killed, undisturbed, hit, last = done.stdout.splitlines()
    assert (undisturbed, hit, last) == ("63 0 1", "63 1 0", "63 1 0")
    assert len(killed) > 6, "it was killed nowhere"
    assert {line.split()[0] for line in killed} == {"63"}
    assert set(killed[1::2]) == {"63 1 0"}


def test_machine_code_stands_for_one_signature_and_source(warm):
    """Code under the name of another is not run, whoever put it there."""
    (whole,) = (warm / "__pycache__").glob("*.nbc")
    (warm / "kernel.py").write_text(KERNEL.replace("double(21)", "int(double(10.5))"))
    assert kernel(warm) == (21, 0, 1)
    (other,) = set((warm / "__pycache__").glob("*.nbc")) - {whole}
    other.write_bytes(whole.read_bytes())
    assert kernel(warm) == (21, 0, 1)
    assert kernel(warm) == (21, 1, 0)


TOGETHER = """
import sys
import numpy as np
from wmproof._base.jit import njit

@njit(nogil=True, cache=True)
def total(x):
    s = x[0]
    for i in range(1, len(x)):
        s += x[i]
    return s

sys.stdin.readline()
for name in sys.argv[1:]:
    assert total(np.arange(5).astype(name)) == 10
print(*(sum(s.values()) for s in (total.stats.cache_hits, total.stats.cache_misses)))
"""
TYPES = ("int64", "float32")


def test_processes_that_compile_at_once_share_a_cache(tmp_path):
    (tmp_path / "together.py").write_text(TOGETHER)
    for cache in (tmp_path / "first", tmp_path / "second"):
        orders = [TYPES, TYPES[::-1]]
        started = [
            subprocess.Popen(
                [sys.executable, tmp_path / "together.py", *order],
                env=environment(PYTHONPATH=str(ROOT), NUMBA_CACHE_DIR=str(cache)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for order in orders
        ]
        for one in started:  # all have imported what takes long, or will have soon
            one.stdin.write("go\n")
        said = [one.communicate()[0] for one in started]
        assert [one.returncode for one in started] == [0, 0], said
        again = subprocess.run(
            [sys.executable, tmp_path / "together.py", *TYPES],
            env=environment(PYTHONPATH=str(ROOT), NUMBA_CACHE_DIR=str(cache)),
            input="",
            capture_output=True,
            text=True,
            check=True,
        )
        assert again.stdout.split() == ["2", "0"]


def test_machine_code_of_a_folder_that_everybody_can_write_to_is_not_run(warm):
    (warm / "__pycache__").chmod(0o777)
    assert kernel(warm) == (42, 0, 1)


def test_machine_code_of_a_folder_that_a_group_can_write_to_is_not_run(warm):
    cache = warm / "__pycache__"
    cache.chmod(0o775)
    assert kernel(warm)[0] == 42  # a hit where the group is root's or the user's own
    try:
        os.chown(cache, -1, 54_321)
    except PermissionError:
        pytest.skip("needs a user who may give a folder to any group")
    cache.chmod(0o775)
    assert kernel(warm) == (42, 0, 1)
    cache.chmod(0o755)
    assert kernel(warm) == (42, 1, 0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="groups of users are POSIX")
def test_the_group_of_a_user_alone_counts_as_the_user(monkeypatch):
    import grp
    import pwd

    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_name="ann"))

    def private(name, *members):
        entry = SimpleNamespace(gr_name=name, gr_mem=list(members))
        monkeypatch.setattr(grp, "getgrgid", lambda _: entry)
        return _is_private(1000)

    assert private("ann")
    assert private("ann", "ann")
    assert private("root")
    assert not private("ann", "bob")
    assert not private("ann", "ann", "bob")
    assert not private("staff")
    assert not private("root", "bob")


CALLER = """
from wmproof._base.jit import njit
from called import FACTOR, called

@njit(nogil=True, cache=True)
def caller(x):
    return called(x) + FACTOR

print(caller(20), sum(caller.stats.cache_hits.values()), sum(caller.stats.cache_misses.values()))
"""
CALLED = """
from wmproof._base.jit import njit

FACTOR = {factor}

@njit(inline="always")
def called(x):
    return x + {added}
"""


OF_A_MODULE = """
import called
from wmproof._base.jit import njit

@njit(nogil=True, cache=True)
def caller(x):
    return called.called(x) + called.FACTOR

print(caller(20), sum(caller.stats.cache_hits.values()), sum(caller.stats.cache_misses.values()))
"""
INTRINSIC = """
from numba import types
from numba.core.extending import intrinsic

FACTOR = {factor}

@intrinsic
def called(context, x):
    def generate(context, builder, signature, values):
        return builder.add(values[0], context.get_constant(types.int64, {added}))
    return types.int64(types.int64), generate
"""


@pytest.mark.parametrize(
    ("caller", "called", "change"),
    [
        (CALLER, CALLED, {"factor": 3}),
        (CALLER, CALLED, {"factor": 3, "added": 3}),
        (CALLER, INTRINSIC, {"added": 3}),
        (OF_A_MODULE, CALLED, {"added": 3}),
    ],
)
def test_machine_code_is_not_kept_when_what_it_contains_changes_in_another_file(
    tmp_path, caller, called, change
):
    values = {"factor": 1, "added": 1}
    (tmp_path / "kernel.py").write_text(caller)
    (tmp_path / "called.py").write_text(called.format(**values))
    assert [kernel(tmp_path) for _ in range(2)] == [(22, 0, 1), (22, 1, 0)]
    (tmp_path / "called.py").write_text(called.format(**values | change))
    os.utime(tmp_path / "called.py", (1, 1))  # another time, though it is as long
    assert kernel(tmp_path) == (20 + sum((values | change).values()), 0, 1)


def test_a_kernel_compiles_where_nothing_can_be_written(warm):
    (warm / "__pycache__").chmod(0o555)
    assert kernel(warm) == (42, 0, 1)


def test_an_error_of_the_end_of_a_file_is_no_interruption():
    code = """
import sys, wmproof.cli.app as app
from wmproof.cli.failures import run
def broken(*_a, **_k):
    raise EOFError("Ran out of input")
app.cli.get_command = broken
run(app.cli, ["keygen"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "interrupted" not in done.stderr
    assert "EOFError" in done.stderr
