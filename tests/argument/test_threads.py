"""Work that is done one item ahead of whoever uses its results."""

from __future__ import annotations

import threading

import pytest

from wmproof.argument.threads import one_ahead


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_results_come_in_order(threads, count, monkeypatch):
    monkeypatch.setenv("WMPROOF_THREADS", threads)
    assert list(one_ahead(lambda i: i * i, range(count))) == [i * i for i in range(count)]


def test_the_next_item_is_worked_on_meanwhile_and_none_after_it(monkeypatch):
    monkeypatch.setenv("WMPROOF_THREADS", "2")
    begun = [threading.Event() for _ in range(4)]
    results = one_ahead(lambda i: begun[i].set(), range(4))
    for used in range(4):
        next(results)
        if used < 3:
            assert begun[used + 1].wait(10)
        assert not any(event.is_set() for event in begun[used + 2 :])


def test_one_thread_does_nothing_ahead(monkeypatch):
    monkeypatch.setenv("WMPROOF_THREADS", "1")
    begun = []
    results = one_ahead(begun.append, range(3))
    next(results)
    assert begun == [0]


def test_a_failure_is_raised_where_its_result_would_be(monkeypatch):
    monkeypatch.setenv("WMPROOF_THREADS", "2")
    results = one_ahead(lambda i: 1 // (2 - i), range(4))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
