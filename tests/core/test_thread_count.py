"""How many threads there are, also where the system does not say, and how their work ends."""

import os
import threading
import time

import pytest
from own_process import python

from wmproof._base import threads
from wmproof.errors import InputError


@pytest.mark.parametrize("text", ["abc", "0", "-1", "1.5", "99999", "²", "1 2"])
def test_a_number_of_threads_that_is_none_is_named(monkeypatch, text):
    monkeypatch.setenv("WMPROOF_THREADS", text)
    with pytest.raises(InputError, match="WMPROOF_THREADS"):
        threads.thread_count()


def test_a_number_of_threads_is_taken(monkeypatch):
    monkeypatch.setenv("WMPROOF_THREADS", " 3 ")
    assert threads.thread_count() == 3
    monkeypatch.setenv("WMPROOF_THREADS", "")
    assert threads.thread_count() == len(os.sched_getaffinity(0))


def test_a_system_that_binds_no_process_to_processors(monkeypatch):
    monkeypatch.delenv("WMPROOF_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert threads.thread_count() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert threads.thread_count() == 1


@pytest.mark.parametrize(("grain", "align"), [(1, 1), (7, 1), (10, 64), (400, 3), (5000, 16)])
@pytest.mark.parametrize("count", ["1", "3"])
def test_ranges_cover_everything_once_and_in_order(monkeypatch, grain, align, count):
    monkeypatch.setenv("WMPROOF_THREADS", count)
    size, workers = 1000, set()

    def kernel(start, stop, offset):
        workers.add(threading.get_ident())
        return list(range(start + offset, stop + offset))

    found = threads.over_ranges(kernel, size, 5, grain=grain, align=align)
    assert [x for part in found for x in part] == list(range(5, size + 5))
    assert all((part[0] - 5) % align == 0 for part in found)
    assert len(found) <= max(1, size // grain)
    assert len(workers) <= int(count)


@pytest.mark.parametrize("failing", [0, 990])
def test_a_kernel_that_fails_on_any_thread_is_heard(monkeypatch, failing):
    monkeypatch.setenv("WMPROOF_THREADS", "2")

    def kernel(start, stop):
        if start <= failing < stop:
            raise ZeroDivisionError(f"at {failing}")

    with pytest.raises(ZeroDivisionError, match=f"at {failing}"):
        threads.over_ranges(kernel, 1000, grain=1)


FORKED = """
import os
import numpy as np
from threadpoolctl import threadpool_info
from wmproof._base.threads import one_blas_thread

def threads():
    return {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}

def forked(work):
    child = os.fork()
    if not child:
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def limited():
    with one_blas_thread():
        return threads() == {1}

free = threads()
assert min(free) > 1, free
block = one_blas_thread()
block.__enter__()
assert threads() == {1}
assert forked(lambda: 10 * (threads() == free)) == 10, "the child keeps to one thread"

def leave():
    block.__exit__(None, None, None)
    return 10 * (limited() and threads() == free and limited())

assert forked(leave) == 10, "a child that leaves its parent's block counts it once more"
assert threads() == {1}
block.__exit__(None, None, None)
assert threads() == free
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked there")
def test_a_forked_process_does_not_keep_to_one_blas_thread():
    many = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    done = python(FORKED, env=many, check=False)
    assert done.returncode == 0, done.stderr


def begin_and_fail(here, begun, ended):
    """A kernel that fails in one thread while it runs in another one."""
    main, both = threading.get_ident(), threading.Barrier(2)

    def kernel(*_):
        begun.append(1)
        if len(begun) <= 2:
            both.wait(60)
        if (threading.get_ident() == main) is here:
            raise KeyboardInterrupt
        time.sleep(1)  # a busy machine has noticed the other thread's error by then
        ended.append(1)

    return kernel


@pytest.mark.parametrize("here", [True, False])
def test_after_an_error_no_range_is_worked_on(monkeypatch, here):
    monkeypatch.setenv("WMPROOF_THREADS", "2")
    begun, ended = [], []
    with pytest.raises(KeyboardInterrupt):
        threads.over_ranges(begin_and_fail(here, begun, ended), 8, grain=1)
    assert len(begun) == len(ended) + 1 < 8


def test_after_an_error_no_item_is_worked_on(monkeypatch):
    monkeypatch.setenv("WMPROOF_THREADS", "2")
    both, ended = threading.Barrier(2), []

    def work(item):
        both.wait(60)
        if not item:
            raise ZeroDivisionError
        time.sleep(0.1)
        ended.append(item)

    with pytest.raises(ZeroDivisionError):
        threads.for_each(work, range(2))
    assert ended == [1]


NESTED = """
import signal
from wmproof._base.threads import over_ranges

def kernel(start, stop, depth):
    if not depth:
        return stop - start
    return sum(over_ranges(kernel, stop - start, depth - 1, grain=1))

signal.alarm(60)
assert sum(over_ranges(kernel, 4096, 4, grain=1)) == 4096
"""


@pytest.mark.parametrize("count", ["2", "3"])
def test_kernels_that_use_all_threads_themselves_do_not_wait_for_each_other(count):
    python(NESTED, env={"WMPROOF_THREADS": count})
