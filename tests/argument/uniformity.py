"""Are the words of many transcripts uniform? Exact tests, at a false-alarm rate that holds."""

from functools import cache

import numpy as np
from scipy.special import gammaln

from wmproof.argument.algebra.field import P
from wmproof.argument.system.encoding import sections
from wmproof.argument.system.statement import MAGIC, Setup

CELLS, FALSE_ALARM = 4, 1e-9


def field_words(setup: Setup, transcript: bytes) -> np.ndarray:
    """Every field element on the wire, word by word: (number of words,)."""
    words, offset = [], -len(MAGIC)
    for _, size, is_field in sections(setup):
        if is_field:
            words.append(np.frombuffer(transcript[offset : offset + size], "<u4"))
        offset += size
    return np.concatenate(words)


def quarters(words: np.ndarray) -> np.ndarray:
    """Which quarter of the field a word lies in."""
    return words * CELLS // P


def halves(words: np.ndarray) -> np.ndarray:
    """Which half."""
    return words * 2 // P


@cache
def quantile(runs: int, alarm: float) -> float:
    """Least t with P(chi-square >= t) <= alarm, for `runs` balls in four equally likely cells.

    From the multinomial distribution itself: so far out, its tail is not the chi-square one's.
    """
    a, b = np.indices((runs + 1, runs + 1))
    by_squares = np.zeros(runs * runs + 1)
    for c in range(runs + 1):
        counts = np.stack([a, b, np.full_like(a, c), runs - a - b - c]).reshape(CELLS, -1)
        counts = counts[:, counts[-1] >= 0]
        logs = gammaln(runs + 1) - gammaln(counts + 1).sum(axis=0) - runs * np.log(CELLS)
        squares = (counts**2).sum(axis=0)
        by_squares += np.bincount(squares, np.exp(logs), minlength=by_squares.size)
    tail = np.cumsum(by_squares[::-1])[::-1]
    return float(CELLS * np.argmax(tail <= alarm) / runs - runs)


def chi_square(counts: np.ndarray, runs: int) -> np.ndarray:
    """Of counts (CELLS, words)."""
    return CELLS * (counts**2).sum(axis=0) / runs - runs


def assert_uniform(cells: np.ndarray) -> None:
    """Cells (runs, words), 0 to 3: a false alarm has probability below `FALSE_ALARM`."""
    runs, words = cells.shape
    counts = np.stack([(cells == cell).sum(axis=0) for cell in range(CELLS)])
    assert chi_square(counts, runs).max() < quantile(runs, FALSE_ALARM / words)


def assert_neighbours_independent(words: np.ndarray) -> None:
    """Words (runs, words): four tests, each as `assert_uniform`.

    Neighbouring words belong to one message or one column: a pad used twice would show here.
    """
    for distance in (1, 4, 8):
        assert_uniform(quarters((words + P - np.roll(words, distance, axis=1)) % P))
    assert_uniform(2 * halves(words) + halves(np.roll(words, 1, axis=1)))
